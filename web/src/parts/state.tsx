import type { RunSummary, StepStatus, TrainingState } from "../../../src/serve/studio/wire.js";

const TONE: Record<TrainingState | StepStatus, string> = {
  starting: "busy",
  running: "busy",
  stopping: "busy",
  done: "good",
  interrupted: "warn",
  failed: "bad",
  lost: "warn",
  pending: "calm",
  blocked: "warn",
};

export function State({ state }: { state: TrainingState | StepStatus }) {
  return <span class={`state ${TONE[state]}`}>{state}</span>;
}

export function Progress({ run }: { run: Pick<RunSummary, "id" | "step" | "steps" | "state"> }) {
  const { step, steps } = run;
  return (
    <div class="progress">
      <progress max={Math.max(1, steps)} value={step} aria-label={`Progress of ${run.id}`} />
      <span class="figures">
        {steps === 0 ? "–" : step} / {steps || "–"}
      </span>
    </div>
  );
}
