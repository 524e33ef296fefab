import type { OpenExperiment } from "./open.js";
import type { Step } from "./step.js";

export interface StepEstimate {
  id: string;
  title: string;
  status: "done" | "to do";
  needs: string[];
  key: string;
}

export async function planEstimates(_opened: OpenExperiment, steps: readonly Step[]): Promise<StepEstimate[]> {
  return steps.map(({ id, title, needs, key }) => ({ id, title, needs, key, status: "to do" }));
}

export function describePlan(_opened: OpenExperiment, plan: readonly StepEstimate[]): string {
  return plan.map(({ id, title }) => `${id}  ${title}\n`).join("");
}
