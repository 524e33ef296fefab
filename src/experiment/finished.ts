/** Which steps are done: those whose mark fits their key, whose results are there, and which read what their needs have now. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import { identifyFile } from "../hub/content-identity.js";
import { ANSWERS_FILE } from "./plan-evaluations.js";
import { readStepMark, type StepMark, writeStepMark } from "./record.js";
import { FINETUNING_FILE, ROWS_FILE, type Step } from "./step.js";

/** The steps that need not run, by id. A step with open requests is none of them, nor is one that needs such a step. */
export async function finishedSteps(out: string, steps: readonly Step[]): Promise<Map<string, StepMark>> {
  const finished = new Map<string, StepMark>();
  const stepOf = (id: string): Step => steps.find((step) => step.id === id)!;
  for (const step of steps) {
    if (!step.needs.every((id) => finished.has(id))) continue;
    const mark = await validMark(out, step, stepOf);
    if (mark && !mark.open) finished.set(step.id, mark);
  }
  return finished;
}

/** The mark of a step that has its results and read what the steps that it needs hold now. */
export async function validMark(out: string, step: Step, stepOf: (id: string) => Step): Promise<StepMark | undefined> {
  const folder = join(out, step.folder);
  const mark = readStepMark(folder, step.key);
  if (!mark) return undefined;
  for (const [name, hash] of Object.entries(mark.results)) {
    const path = join(folder, ...name.split("/"));
    if (!existsSync(path) || (await identifyFile(path)) !== hash) return undefined;
  }
  const now = readNow(out, step, stepOf);
  return Object.entries(now).every(([key, hash]) => mark.read[key] === hash) ? mark : undefined;
}

/** Marks a step as done. */
export async function markStep(
  out: string,
  step: Step,
  stepOf: (id: string) => Step,
  { seconds, summary, open }: { seconds: number; summary: StepMark["summary"]; open: number },
): Promise<void> {
  const { id, kind, key } = step;
  const folder = join(out, step.folder);
  const results: StepMark["results"] = {};
  for (const name of resultFiles(step, folder)) results[name] = await identifyFile(join(folder, ...name.split("/")));
  writeStepMark(folder, {
    id,
    kind,
    key,
    seconds,
    finishedAt: new Date().toISOString(),
    summary,
    ...(open > 0 ? { open } : {}),
    results,
    read: readNow(out, step, stepOf),
  });
}

/** Takes a step's result away. Answers of models stay in its journals, so that nothing is asked twice, unless they go too. */
export function clearStep(folder: string, { discard = false }: { discard?: boolean } = {}): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (discard || !/^journal.*\.jsonl$/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** A hash of what each needed step has left, by that step's key. A step of the same key is no input. */
function readNow(out: string, step: Step, stepOf: (id: string) => Step): StepMark["read"] {
  const needed = step.needs.map(stepOf).filter(({ key }) => key !== step.key);
  return Object.fromEntries(
    needed.map(({ key, folder }) => [
      key,
      sha256(canonicalJson(readStepMark(join(out, folder), key)?.results ?? null)),
    ]),
  );
}

/** What a step of each kind leaves for others. */
function resultFiles({ kind }: Step, folder: string): string[] {
  const filesIn = (name: string): string[] =>
    existsSync(join(folder, name)) ? readdirSync(join(folder, name)).map((file) => `${name}/${file}`) : [];
  switch (kind) {
    case "prepare":
    case "refine":
    case "mix":
      return [ROWS_FILE];
    case "self-instruct":
      return [FINETUNING_FILE];
    case "train":
      return [...filesIn("adapter"), ...filesIn("model")];
    case "answers":
    case "eval":
      return ["results.json", ANSWERS_FILE, "alpaca_eval/model_outputs.json"].filter((name) =>
        existsSync(join(folder, name)),
      );
  }
}
