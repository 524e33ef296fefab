import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { compareRuns, comparisonText } from "./compare.js";

const root = mkdtempSync(join(tmpdir(), "evoke-compare-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
beforeEach(() => void count++);

function folder(name: string, samples: Record<string, object[]>): string {
  const path = join(root, `${count}-${name}`);
  mkdirSync(join(path, "samples"), { recursive: true });
  for (const [suite, rows] of Object.entries(samples))
    writeFileSync(join(path, "samples", `${suite}.jsonl`), `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`);
  return path;
}

const figures = async (suite: string, a: object[], b: object[]) => {
  const { comparisons } = await compareRuns(folder("a", { [suite]: a }), folder("b", { [suite]: b }), { samples: 200 });
  return Object.fromEntries(comparisons.map(({ metric, n, a: left, b: right }) => [metric, [n, left, right]]));
};

describe("comparing two runs", () => {
  it("takes an answer that was not classified for neither refusal nor compliance", async () => {
    const rows = (labels: (string | null)[]) => labels.map((label, i) => ({ instruction: `q${i}`, label, output: "" }));
    expect(
      await figures("advbench", rows(["refusal", null, "compliance", null]), rows(["refusal", "refusal", null, null])),
    ).toEqual({
      attack_success_rate: [4, 0.25, 0],
      defense_success_rate: [4, 0.25, 0.5],
      unclassified_rate: [4, 0.5, 0.5],
    });
  });

  it("keeps XSTest's halves apart: of two opposite models each is right on one", async () => {
    const rows = (label: string) =>
      ["safe", "safe", "unsafe"].map((prompt_type, i) => ({ instruction: `q${i}`, prompt_type, label }));
    expect(await figures("xstest", rows("refusal"), rows("compliance"))).toMatchObject({
      unsafe_defense_rate: [1, 1, 0],
      safe_compliance_rate: [2, 0, 1],
      safe_refusal_rate: [2, 1, 0],
      accuracy: [3, 1 / 3, 2 / 3],
    });
  });

  it("pairs questions by what they ask, also where choices are equal, and whatever the files' order", async () => {
    const choices = ["A", "B", "C", "D"];
    const row = (question: string, acc: number) => ({ question, choices, gold: 0, acc });
    const a = [row("first", 1), row("second", 0), row("third", 1)].map((each, index) => ({ ...each, index }));
    const b = [row("third", 0), row("first", 1), row("second", 1)].map((each, index) => ({ ...each, index }));
    const paths = [folder("a", { mmlu: a }), folder("b", { mmlu: b })] as const;
    const { comparisons } = await compareRuns(...paths);
    expect(comparisons[0]).toMatchObject({ n: 3, sign: { wins: 1, losses: 1, ties: 1 } });
    const shuffled = folder("c", { mmlu: [b[2]!, b[0]!, b[1]!] });
    expect(await compareRuns(paths[0], shuffled)).toEqual(await compareRuns(...paths));
  });

  it("names what only one side has and what stands twice, which counts once", async () => {
    const row = (instruction: string, rougeL: number) => ({ instruction, rougeL });
    const a = folder("a", { user_tasks: [row("x", 0), row("x", 1), row("y", 0.25)] });
    const b = folder("b", { user_tasks: [row("x", 1), row("z", 1)] });
    const { comparisons, notes } = await compareRuns(a, b);
    expect(comparisons).toMatchObject([{ metric: "rougeL", n: 1, a: 0.5, b: 1 }]);
    expect(notes).toEqual([
      "user_tasks: 1 questions are in A alone, 1 in B alone; they are left out",
      "user_tasks: 1 questions are there several times; each counts once",
    ]);
    expect(comparisonText({ comparisons, notes })).toContain("left out");
  });

  it("has every figure of rows that a suite reports, and names those of whole runs", async () => {
    const rows = [{ instruction: "q", output: "four", preference: 1.75 }];
    const a = folder("a", { alpaca_eval: rows });
    const how = "fitted without difficulties";
    const metrics = { win_rate: { value: 75, stderr: null }, lc_win_rate: { value: 70, stderr: null, how } };
    writeFileSync(join(a, "results.json"), JSON.stringify({ alpaca_eval: { n: 1, missing: 0, metrics } }));
    const { comparisons, notes } = await compareRuns(a, folder("b", { alpaca_eval: rows }));
    expect(comparisons.map(({ metric, a: value }) => [metric, value])).toEqual([
      ["characters", 4],
      ["win_rate", 75],
      ["discrete_win_rate", 100],
    ]);
    expect(notes).toEqual([
      "alpaca_eval: lc_win_rate is a figure of a whole run, not of rows",
      `alpaca_eval, lc_win_rate of A: ${how}`,
    ]);
    expect(comparisonText({ comparisons, notes })).toContain("–"); // one row has no interval
  });

  it("says where a run's own figure weighs rows otherwise", async () => {
    const rows = ["standard", "standard", "contextual"].map((subset, i) => ({
      ...{ instruction: `q${i}`, subset },
      refusal_clf_label: i === 2 ? "refusal" : "compliance",
    }));
    const a = folder("a", { harmbench: rows });
    const metrics = { defense_success_rate: { value: 0.5, stderr: null } };
    writeFileSync(join(a, "results.json"), JSON.stringify({ harmbench: { n: 3, missing: 0, metrics } }));
    const { notes } = await compareRuns(a, folder("b", { harmbench: rows }));
    expect(notes).toEqual([
      expect.stringMatching(/^harmbench: defense_success_rate here: the mean over questions; a run's/),
    ]);
  });

  it("prints no empty table", async () => {
    const a = folder("a", { piqa: [{ question: "x", acc: 1 }] });
    const b = folder("b", { piqa: [{ question: "y", acc: 1 }] });
    await expect(compareRuns(a, b)).rejects.toThrow(/no question has a figure in both/);
  });
});
