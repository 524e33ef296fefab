import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evoke, repositoryRoot } from "../program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-quickstart-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Result {
  done: number;
  report: {
    arms: { name: string }[];
    losses: { arm: string; points: unknown[] }[];
    questions: { expected: string; answers: { arm: string }[] }[];
    scores: { arm: string; metric: string; n: number }[];
  };
}

/** A few steps only: whether the tuned models answer well is measured by the full quickstart. */
const args = ["quickstart", "--model", "bundled:mini", "--set", "max_steps=3", "--max-tokens", "4", "--json"];
const withoutWeights = !existsSync(join(repositoryRoot, "models/mini/model.safetensors"));

describe.skipIf(withoutWeights)("evoke quickstart (needs models/mini/model.safetensors)", () => {
  const out = join(folder, "run");

  it("leaves two runs, the answers and the report in one folder", async () => {
    const { code, stdout, stderr } = await evoke([...args, "--out", out]);
    expect(code, stderr).toBe(0);
    const { report, done } = JSON.parse(stdout) as Result;
    expect(done).toBe(10);
    expect(report.losses.map(({ arm, points }) => [arm, points.length])).toEqual([
      ["it", 3],
      ["rt", 3],
    ]);
    expect(report.questions).toHaveLength(60);
    for (const { answers, expected } of report.questions) {
      expect(answers.map(({ arm }) => arm)).toEqual(["base", "it", "rt"]);
      expect(expected).not.toBe("");
    }
    const exact = report.scores.filter(({ metric }) => metric === "exact");
    expect(exact.map(({ arm, n }) => [arm, n])).toEqual([
      ["base", 60],
      ["it", 60],
      ["rt", 60],
    ]);
    for (const name of ["it/adapter/adapter_model.safetensors", "rt/metrics.jsonl", "report.html", "report.md"])
      expect(existsSync(join(out, name)), name).toBe(true);
  });

  it("does nothing the second time", async () => {
    const report = readFileSync(join(out, "report.html"));
    const { code, stderr, stdout } = await evoke([...args, "--out", out]);
    expect(code).toBe(0);
    expect(stderr).toContain("nothing to do: all 10 steps are done");
    expect((JSON.parse(stdout) as Result).done).toBe(0);
    expect(readFileSync(join(out, "report.html"))).toEqual(report);
  });

  it("names the tuned arms, so that one can talk to them", async () => {
    const rows = join(folder, "ask.jsonl");
    const { writeFileSync } = await import("node:fs");
    writeFileSync(rows, `${JSON.stringify({ prompt: "Say hello." })}\n`);
    const { code, stderr } = await evoke([
      "generate",
      join(out, "rt"),
      "--in",
      rows,
      "--out",
      join(folder, "said.jsonl"),
      "--max-tokens",
      "3",
    ]);
    expect(code, stderr).toBe(0);
  });
});

describe("evoke quickstart", () => {
  it("says in one line that no model can be reached, and leaves nothing behind", async () => {
    const out = join(folder, "none");
    const { code, stdout, stderr } = await evoke(["quickstart", "--model", "./no-such-folder", "--out", out]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.trim().split("\n").at(-1)).toMatch(/^evoke: .*models\.base: .*no-such-folder: no such model/);
    expect(existsSync(out)).toBe(false);
  });
});
