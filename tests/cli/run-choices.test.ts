import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { evoke } from "../program.js";
import { writeTinyExperiment } from "../support/tiny-experiment.js";

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const folder = mkdtempSync(join(tmpdir(), "evoke-choices-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = writeTinyExperiment(folder, { steps: 2 });

interface StepEntry {
  id: string;
  folder: string;
}

it("scores choices of a tuned arm in its template, and of others as plain text; BOS is a choice", async () => {
  const out = join(folder, "choices");
  const piqa = [{ goal: "the quiet sea", sol1: "is blue", sol2: "is red", label: 0 }];
  writeFileSync(join(folder, "piqa.jsonl"), piqa.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const text = readFileSync(file, "utf8");
  const scored = "suites: piqa, rows: { piqa: piqa.jsonl }, arms: [base, it]";
  const choices = `  plain: { ${scored} }\n  off: { ${scored}, chat_template: none, bos: none }\npublished:`;
  const other = join(folder, "choices.yaml");
  writeFileSync(other, text.replace("published:", choices).replace(/ {2}asked: .*\n/, ""));
  const only = ["eval.it.plain", "eval.it.off", "eval.base.plain", "eval.base.off"];
  const { code, stderr } = await evoke(["run", other, "--out", out, ...only.flatMap((id) => ["--only", id])]);
  expect(code, stderr).toBe(0);
  const { steps } = JSON.parse(readFileSync(join(out, "experiment.json"), "utf8")) as { steps: StepEntry[] };
  const config = (id: string) => {
    const { folder: step } = steps.find((each) => each.id === id)!;
    return (JSON.parse(readFileSync(join(out, step, "results.json"), "utf8")) as Record<string, { config: object }>)
      .piqa!.config;
  };
  expect(config("eval.it.plain")).toMatchObject({ chat_template: "tulu", bos: "tokenizer" });
  expect(config("eval.it.off")).toMatchObject({ chat_template: "none", bos: "none" });
  expect(config("eval.base.plain")).toMatchObject({ chat_template: "none", bos: "tokenizer" });
  expect(config("eval.base.off")).toMatchObject({ chat_template: "none", bos: "none" });
});
