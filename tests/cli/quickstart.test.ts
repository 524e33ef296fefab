import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evoke, repositoryRoot } from "../program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-quickstart-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Report {
  models: { name: string; lossCurve?: unknown[] }[];
  questions: { answers: { model: string }[] }[];
}

/** A few steps only: whether the tuned models answer well is measured by the full quickstart. */
const args = ["quickstart", "--model", "bundled:mini", "--set", "max_steps=3", "--max-tokens", "4", "--json"];
const withoutWeights = !existsSync(join(repositoryRoot, "models/mini/model.safetensors"));

describe.skipIf(withoutWeights)("evoke quickstart (needs models/mini/model.safetensors)", () => {
  const out = join(folder, "run");

  it("leaves two runs, the answers and the report in one folder", async () => {
    const { code, stdout } = await evoke([...args, "--out", out]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.models.map(({ name, lossCurve }) => [name, lossCurve?.length])).toEqual([
      ["base", undefined],
      ["it", 3],
      ["rt", 3],
    ]);
    expect(report.questions).toHaveLength(100);
    for (const { answers } of report.questions) expect(answers.map(({ model }) => model)).toEqual(["base", "it", "rt"]);
    for (const name of [
      "it/adapter/adapter_model.safetensors",
      "rt/metrics.jsonl",
      "report.html",
      "report.md",
      "report.json",
    ])
      expect(existsSync(join(out, name)), name).toBe(true);
  });

  it("does nothing again the second time", async () => {
    const answers = readFileSync(join(out, "answers/rt.jsonl"));
    const { code, stderr } = await evoke([...args, "--out", out]);
    expect(code).toBe(0);
    expect(stderr).toContain("this run is finished");
    expect(readFileSync(join(out, "answers/rt.jsonl"))).toEqual(answers);
  });
});

describe("evoke quickstart", () => {
  it("says in one line that no model can be reached, and leaves nothing behind", async () => {
    const out = join(folder, "none");
    const { code, stdout, stderr } = await evoke(["quickstart", "--model", "./no-such-folder", "--out", out]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr.trim().split("\n").at(-1)).toMatch(/^evoke: no model of \.\/no-such-folder could be reached/);
    expect(existsSync(out)).toBe(false);
  });
});
