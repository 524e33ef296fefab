import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeModel } from "../../../tests/support/eval-fake-model.js";
import { resolveLanguageModel } from "../../llm/resolve.js";
import type { EvalJob } from "../step.js";
import type { StepContext } from "./context.js";
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

describe("requests that fail", () => {
  const context = (): StepContext => ({
    folder,
    fileOf: (ref) => ("file" in ref ? ref.file : ref.path),
    modelOf: (ref) => ("model" in ref ? ref.model : ref.run),
    device: "cpu",
    llm: { steps: 1 },
    signal: new AbortController().signal,
    say: () => {},
    progress: () => () => {},
  });

  it("stay open, and the second run asks those alone", async () => {
    const rows = join(folder, "rows.jsonl");
    const lines = Array.from(
      { length: 100 },
      (_, i) => `${JSON.stringify({ instruction: `question ${String(i).padStart(2, "0")}` })}\n`,
    );
    writeFileSync(rows, lines.join(""));
    const job: EvalJob = {
      kind: "eval",
      generator: "base",
      model: { model: "m" },
      suites: ["instruct"],
      originalPrompts: false,
      rows: { instruct: { file: rows } },
      skipInvalid: false,
    };
    const asked: FakeModel[] = [];
    const answering = (fails: (text: string) => boolean): void =>
      void vi.mocked(resolveLanguageModel).mockImplementation(async () => {
        const model = new FakeModel({ answer: (text) => (fails(text) ? new Error("gone") : "well") });
        asked.push(model);
        return model;
      });
    answering((text) => /[0-6]3$/.test(text));
    expect(await runEvaluation(job, context())).toMatchObject({ open: 7, suites: { instruct: { n: 93, missing: 7 } } });
    answering(() => false);
    expect(await runEvaluation(job, context())).toMatchObject({
      open: 0,
      suites: { instruct: { n: 100, missing: 0 } },
    });
    expect(asked.map(({ calls }) => calls)).toEqual([100, 7]);
    expect(asked[1]!.asked.every((text) => /[0-6]3$/.test(text))).toBe(true);
  });
});
