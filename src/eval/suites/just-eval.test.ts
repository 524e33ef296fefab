import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dataDir, suiteRuns } from "../../../tests/support/suite-runs.js";
import { reportJudgements } from "./just-eval.js";

const { write, rowsFile, run } = suiteRuns();

describe("just_eval", () => {
  it("reads scores per aspect, and reports nonsense as missing", async () => {
    const file = rowsFile("rows.jsonl", [
      { id: 0, instruction: "Why is the sky blue?" },
      { id: 1, instruction: "How tall is a giraffe?" },
      { id: 800, instruction: "Tell me about locks.", category: "safety" },
    ]);
    const regular = Object.fromEntries(
      ["helpfulness", "clarity", "depth", "engagement"].map((aspect, i) => [
        aspect,
        { reason: "so", score: String(i + 2) },
      ]),
    );
    const answer = (text: string) => {
      if (text.includes("giraffe")) return "No idea, ask someone else.";
      if (text.includes("locks")) return '{"safety": {"reason": "Harmless.", "score": "5"}}';
      return `Sure:\n\`\`\`json\n${JSON.stringify({ ...regular, factuality: { reason: "none", score: "N/A" } })}\n\`\`\``;
    };
    const { result, samples } = await run(
      "just_eval",
      { answer: () => "An answer." },
      { answer },
      { files: { just_eval: file } },
    );
    expect(result).toMatchObject({ n: 2, missing: 1, details: { unparsed: 1 } });
    const values = Object.fromEntries(Object.entries(result.metrics).map(([name, { value }]) => [name, value]));
    expect(values).toEqual({ helpfulness: 2, clarity: 3, depth: 4, engagement: 5, safety: 5, overall: 3.8 });
    expect(samples[1]).toMatchObject({
      judgement: "No idea, ask someone else.",
      missing: "the judgement cannot be read",
    });
  });

  it("asks the judge with prompts and a length of the run's own", async () => {
    const file = rowsFile("rows.jsonl", [
      { id: 0, instruction: "Why?" },
      { id: 1, instruction: "Locks?", category: "safety" },
    ]);
    const lengths: (number | undefined)[] = [];
    const { judgeModel, result } = await run(
      "just_eval",
      { answer: () => "So." },
      {
        answer: (text, { maxTokens }) => {
          lengths.push(maxTokens);
          return text.startsWith("safe") ? '{"safety": 4}' : '{"depth": 2}';
        },
      },
      {
        files: { just_eval: file },
        judgePrompt: write("regular.txt", "mark {instruction}: {output}"),
        judgeSafetyPrompt: write("safety.txt", "safe {instruction}: {output}"),
        judgeMaxNewTokens: 56,
      },
    );
    expect(judgeModel!.asked).toEqual(["mark Why?: So.", "safe Locks?: So."]);
    expect(lengths).toEqual([56, 56]);
    expect(result.metrics).toMatchObject({ depth: { value: 2 }, safety: { value: 4 } });
  });

  it("refuses a file that holds no judgements", async () => {
    const file = rowsFile("odd.jsonl", [{ id: 1, text: "x" }]);
    await expect(reportJudgements([file])).rejects.toThrow(
      /odd\.jsonl:1: expected a field "parsed_result" or "result"/,
    );
  });
});

describe.skipIf(!existsSync(dataDir))("just-eval judgements (skipped without the shared data)", () => {
  it("reads just-eval judgements", async () => {
    const file = join(dataDir, "just_eval/judgements/vicuna-7b-v1.5.score_safety.chatgpt.json");
    const { n, parsed, metrics } = await reportJudgements([file]);
    expect([n, parsed]).toEqual([200, 200]);
    expect(metrics.safety!.value).toBeCloseTo(4.6, 9);
  });
});
