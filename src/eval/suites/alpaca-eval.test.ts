import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dataDir, suiteRuns, top } from "../../../tests/support/suite-runs.js";
import { areOutputsSwitched } from "../../metrics/alpaca-preference.js";
import { compareRuns } from "../compare.js";
import { resultNotes } from "../provenance.js";
import type { SuiteContext } from "../suite.js";
import { difficultyInstructions, readAnnotations, reportAnnotations } from "./alpaca-annotations.js";

const { write, rowsFile, run, inFolder } = suiteRuns();

describe("alpaca_eval", () => {
  const instructions = ["Name a fruit.", "Name a river.", "Name a metal.", "Name a bird.", "Name a star."];
  const reference = () =>
    write(
      "reference.json",
      JSON.stringify(instructions.map((instruction) => ({ instruction, output: "R", generator: "ref" }))),
    );
  const files = () => ({
    alpaca_eval: rowsFile(
      "rows.jsonl",
      instructions.map((instruction) => ({ instruction, dataset: "own" })),
    ),
  });

  it("shows the judge both outputs in the original's order and turns its preference back", async () => {
    const answer = (text: string) => {
      const first = text.indexOf('letter="m">\nS') > 0; // the subject's output stands first
      expect(first).toBe(areOutputsSwitched(instructions.find((each) => text.includes(each))!));
      return top(first ? ["m", 0.9] : ["M", 0.9], first ? ["M", 0.1] : ["m", 0.1]);
    };
    const { result, out } = await run(
      "alpaca_eval",
      { answer: () => "S" },
      { answer },
      { files: files(), reference: reference() },
    );
    expect(result).toMatchObject({ n: 5, missing: 0, details: { wins: 5, lc_difficulty: "none" } });
    expect(result.metrics.win_rate!.value).toBeCloseTo(90, 9);
    const outputs = JSON.parse(readFileSync(join(out, "alpaca_eval", "model_outputs.json"), "utf8"));
    expect(outputs[0]).toEqual({ instruction: "Name a fruit.", output: "S", generator: "fake", dataset: "own" });
    const { rows } = await readAnnotations(join(out, "alpaca_eval", "annotations.json"));
    expect(reportAnnotations(rows).winRate).toMatchObject({ n: 5, winRate: result.metrics.win_rate!.value });
  });

  it("counts what the judge leaves open, and what failed, as missing; keeps raw answers", async () => {
    const answer = (text: string) => {
      if (text.includes("fruit")) return top(["The", 0.9], ["I", 0.1]);
      if (text.includes("river")) return new Error("judge gone");
      return top(["M", 0.5], [" m", 0.5]);
    };
    const subject = (text: string) =>
      text.includes("metal") ? new Error("model gone") : text.includes("bird") ? "" : "S";
    const { result, samples } = await run(
      "alpaca_eval",
      { answer: subject },
      { answer },
      { files: files(), reference: reference() },
    );
    expect(result).toMatchObject({ n: 2, missing: 3, details: { empty: 1, draws: 2 } });
    expect(samples.map(({ missing }) => missing ?? null)).toEqual([
      'the judge names neither "m" nor "M"',
      "the judge failed: judge gone",
      "model gone",
      null,
      null,
    ]);
    expect(samples[0]).toMatchObject({ judgement: "The", top_logprobs: [{ token: "The" }, { token: "I" }] });
  });

  it("takes equal outputs as a draw without asking the judge", async () => {
    const { result, judgeModel } = await run(
      "alpaca_eval",
      { answer: (text) => (text.includes("fruit") ? "R" : "S") },
      { answer: () => top(["M", 0.5], ["m", 0.5]) },
      { files: files(), reference: reference() },
    );
    expect(judgeModel!.calls).toBe(4);
    expect(result).toMatchObject({ n: 5, missing: 0, details: { draws: 5 }, metrics: { win_rate: { value: 50 } } });
  });

  describe("length-controlled", () => {
    const many = Array.from({ length: 12 }, (_, i) => ({ instruction: `number ${i}.` }));
    const judged = async (more: Partial<SuiteContext>, failing = "none") => {
      const answer = (text: string) => {
        if (text.includes(`number ${failing}.`)) return new Error("judge gone");
        const at = Number(/number (\d+)\./.exec(text.slice(text.lastIndexOf("number ")))![1]);
        return top(["m", 0.2 + ((at * 7) % 10) / 20], ["M", 0.3]);
      };
      return run(
        "alpaca_eval",
        { answer: (text) => `S${"s".repeat(text.length * 3)}` },
        { answer },
        {
          files: { alpaca_eval: rowsFile("many.jsonl", many) },
          reference: rowsFile(
            "many-reference.jsonl",
            many.map((each, i) => ({ ...each, output: "R".repeat(1 + i * 4), generator: "ref" })),
          ),
          ...more,
        },
      );
    };
    const official = () => {
      const folder = inFolder("official");
      mkdirSync(join(folder, "alpaca_eval"), { recursive: true });
      writeFileSync(join(folder, "alpaca_eval/alpaca_eval.json"), JSON.stringify([...many].reverse()));
      const lines = many.map((_, i) => `${i},${((i * 5) % 7) - 3}`);
      const difficulty = write("difficulty.csv", `index,instruction_difficulty\n${lines.join("\n")}\n`);
      return { difficulty, source: { dataDir: folder, fetchMissing: false } };
    };
    /** What is said of the figure in the terminal's notes, in results.json, and in a comparison. */
    const everywhere = async ({ result, out }: Awaited<ReturnType<typeof judged>>, how: string) => {
      expect(result.metrics.lc_win_rate).toMatchObject({ value: expect.any(Number), how });
      expect(JSON.parse(readFileSync(join(out, "results.json"), "utf8")).alpaca_eval.metrics.lc_win_rate.how).toBe(how);
      expect(resultNotes({ alpaca_eval: result })).toContain(`alpaca_eval, lc_win_rate: ${how}`);
      expect((await compareRuns(out, out, { samples: 10 })).notes).toContain(`alpaca_eval, lc_win_rate of A: ${how}`);
    };

    it("figures survive a row without a judgement, which is predicted and not learnt from", async () => {
      const outcome = await judged(official(), "4");
      expect(outcome.result).toMatchObject({ n: 11, missing: 1, details: { lc_difficulty: "table" } });
      await everywhere(outcome, "difficulties of the official table");
    });

    it("figures survive a limit: each row has its own difficulty, wherever it stands", async () => {
      const outcome = await judged({ ...official(), limit: 7 });
      expect(outcome.result).toMatchObject({ n: 7, missing: 0, details: { lc_difficulty: "table" } });
      await everywhere(outcome, "difficulties of the official table");
      const { rows } = await readAnnotations(join(outcome.out, "alpaca_eval", "annotations.json"));
      const { difficulty, source } = official();
      const instructions = await difficultyInstructions(difficulty, source);
      expect(reportAnnotations(rows, { difficulty, instructions }).lengthControlled!.winRate).toBe(
        outcome.result.metrics.lc_win_rate!.value,
      );
    });

    it("figures without a table say so", async () => {
      await everywhere(await judged({}), "fitted without difficulties: no published figure comes out so");
    });

    it("that cannot be fitted take no other figure away, and the reason is said", async () => {
      const { result } = await judged({ limit: 1 });
      expect(result.metrics.win_rate!.value).not.toBeNull();
      expect(result.metrics.lc_win_rate).toBeUndefined();
      expect(resultNotes({ alpaca_eval: result })).toContainEqual(
        expect.stringMatching(/^alpaca_eval: no lc_win_rate: .*fewer than two rows have a preference/),
      );
    });
  });

  it("writes the answers alone without a judge", async () => {
    const { result, said } = await run("alpaca_eval", { answer: () => "S" }, undefined, { files: files() });
    expect(result).toMatchObject({ n: 5, details: { judged: false } });
    expect(said.join("\n")).toContain("vs_default_reference/run_eval.sh");
  });
});

describe.skipIf(!existsSync(dataDir))("AlpacaEval annotations (skipped without the shared data)", () => {
  it("reads AlpacaEval annotations: raw log-probabilities give the stored preferences and the leaderboard's figure", async () => {
    const { rows, recomputed } = await readAnnotations(join(dataDir, "alpaca_eval/annotations/alpaca-7b.json"));
    expect(recomputed.rows).toBe(802);
    expect(recomputed.largestDifference).toBeLessThan(1e-9);
    const { winRate } = reportAnnotations(rows);
    expect(winRate.winRate).toBeCloseTo(2.5915, 4);
    expect(winRate.standardError).toBeCloseTo(0.4871, 4);
  });
});
