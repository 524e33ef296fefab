import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FakeModel } from "../../../tests/support/eval-fake-model.js";
import { resolveLanguageModel } from "../../llm/resolve.js";
import type { EvalJob } from "../step.js";
import { runEvaluation } from "./evaluate.js";

vi.mock("../../llm/resolve.js", () => ({ resolveLanguageModel: vi.fn() }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-evaluate-"));
  vi.mocked(resolveLanguageModel)
    .mockReset()
    .mockImplementation(async () => new FakeModel({ answer: () => '{"depth": 3}' }));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Evaluates a model that is its own judge; the templates of the models that were opened. */
async function opened(template: EvalJob["template"]): Promise<unknown[]> {
  const rows = join(folder, "rows.jsonl");
  writeFileSync(rows, '{"id": 0, "instruction": "Why?"}\n');
  const job: EvalJob = {
    kind: "eval",
    generator: "base",
    model: { model: "m" },
    judge: { model: "m" },
    suites: ["just_eval"],
    template,
    originalPrompts: false,
    rows: { just_eval: { file: rows } },
    skipInvalid: false,
  };
  await runEvaluation(job, {
    folder,
    fileOf: (ref) => ("file" in ref ? ref.file : ref.path),
    modelOf: (ref) => ("model" in ref ? ref.model : ref.run),
    device: "cpu",
    llm: { steps: 1 },
    signal: new AbortController().signal,
    say: () => {},
    progress: () => () => {},
  });
  return vi.mocked(resolveLanguageModel).mock.calls.map(([, options]) => options!.template);
}

it("asks a judge in its own template, also where it is the model under test", async () => {
  expect(await opened("tulu")).toEqual(["tulu", undefined]);
});

it("opens a model once that is asked and judges in one template", async () => {
  expect(await opened(undefined)).toEqual([undefined]);
});
