import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dataDir, suiteRuns } from "../../tests/support/suite-runs.js";
import { locatePinnedFile, type PinnedFile } from "../data/pinned-file.js";
import { EVAL_FILES } from "./eval-files.js";
import { loadSplit, readFiles } from "./load-rows.js";
import { resultNotes, suiteExtentText } from "./provenance.js";
import { resultsJsonSchema } from "./results-file.js";
import { expandSuites, SUITE_NAMES } from "./run-suites.js";
import { TASKS } from "./tasks/index.js";
import { WHOLE_ROWS } from "./whole-rows.js";

const { run, rowsFile } = suiteRuns();

const question = { question: "?", choices: { text: ["a", "b"], label: ["A", "B"] }, answerKey: "A" };
/** A row that each suite can read. */
const ROWS: Readonly<Record<string, unknown>> = {
  arc_easy: question,
  arc_challenge: question,
  hellaswag: { query: "x", endings: ["a", "b"], label: 0 },
  openbookqa: { ...question, question_stem: "?" },
  piqa: { goal: "g", sol1: "a", sol2: "b", label: 0 },
  mmlu: { question: "?", subject: "anatomy", choices: [..."wxyz"], answer: 1 },
  gsm8k: { question: "?", answer: "#### 1" },
  gsm8k_cot_llama: { question: "?", answer: "#### 1" },
  alpaca_eval: { instruction: "go" },
  just_eval: { id: 0, instruction: "go" },
  advbench: { goal: "go" },
  harmbench: { prompt: "go" },
  malicious_instruct: { prompt: "go" },
  xstest: { prompt: "go", type: "t", label: "safe" },
  user_tasks: { id: "1", motivation_app: "Mail", instruction: "go", instances: [{ input: "", output: "x" }] },
  instruct: { instruction: "go" },
  response_ranking: { prompt: "go", completion: "x" },
  reference_likelihood: { prompt: "go", completion: "x" },
};
const responseText = (turns: readonly { content: string }[]) => ({
  context: turns[0]!.content,
  continuation: turns.at(-1)!.content,
});

function runWith(suite: string, rows: readonly unknown[], more: object = {}) {
  const file = rowsFile(`${suite}.jsonl`, [...rows]);
  const files = suite === "harmbench" ? { harmbench_standard: file, harmbench_contextual: file } : { [suite]: file };
  const source = { fetchMissing: false, env: {} };
  return run(suite, { answer: () => "A", score: () => -1 }, undefined, {
    files,
    source,
    shots: 0,
    responseText,
    ...more,
  });
}
const several = (suite: string) =>
  [0, 1, 2].map((i) => JSON.parse(JSON.stringify(ROWS[suite]).replace(/"(go|\?|g|x)"/g, `"$1 ${i}"`)) as unknown);

describe("every suite", () => {
  const suites = expandSuites(SUITE_NAMES);
  it.each(suites)("records rows, prompts and BOS: %s", async (suite) => {
    const { result } = await runWith(suite, several(suite));
    const config = result.config!;
    expect(config.rows_sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(["own", "original", "benchmark"]).toContain(config.prompts);
    expect(["tokenizer", "none", "template", "server"]).toContain(config.bos);
    for (const file of config.rows as object[]) expect(file).toMatchObject({ name: expect.any(String), rows: 3 });
    const known = resultsJsonSchema() as { additionalProperties: { properties: { config: { properties: object } } } };
    expect(Object.keys(known.additionalProperties.properties.config.properties)).toEqual(
      expect.arrayContaining(["rows_sha256", "prompts", "bos", "extent"]),
    );
    const isBenchmark = WHOLE_ROWS[suite] !== undefined;
    const notes = resultNotes({ [suite]: result }).filter((note) => note.includes("stand in"));
    expect(notes.length).toBe(isBenchmark ? 1 : 0);
    if (isBenchmark) expect(notes[0]).toContain(`stand in for its ${WHOLE_ROWS[suite]!.toLocaleString("en-US")}`);
  });

  it.each(suites)("has one hash of rows in any order, and another of other rows: %s", async (suite) => {
    const hash = async (rows: readonly unknown[]) => (await runWith(suite, rows)).result.config!.rows_sha256;
    const rows = several(suite);
    const before = await hash(rows);
    expect(await hash([rows[2], rows[0], rows[1]])).toBe(before);
    expect(await hash(rows.slice(1))).not.toBe(before);
  });
});

describe("how much of a benchmark was asked", () => {
  it("is said with a limit, and not of a whole", async () => {
    const { result, said } = await runWith("instruct", several("instruct"), { limit: 2 });
    expect([result.n, said]).toEqual([2, []]);
    expect(suiteExtentText({ set: "piqa", rows: 1838, whole: 1838, asked: 100 })).toBe("piqa: 100 of 1,838 rows");
    expect(suiteExtentText({ set: "hellaswag", rows: 1000, whole: 10_042, asked: 50 })).toBe(
      "hellaswag: 1,000 of 10,042 rows; 50 of them asked",
    );
    expect(suiteExtentText({ set: "piqa", rows: 1838, whole: 1838 })).toBeUndefined();
    expect(suiteExtentText({ set: "piqa", rows: 3, whole: 1838, asked: 2, standIn: "own.jsonl" })).toBe(
      "piqa: 3 rows of another set (own.jsonl) stand in for its 1,838; 2 of them asked",
    );
  });

  it.skipIf(!existsSync(dataDir))("is right of the shared data (skipped without it)", async () => {
    const source = { dataDir, fetchMissing: false };
    const there: Record<string, number> = {};
    for (const task of TASKS) there[task.name] = (await loadSplit(task.data, task.split, source)).rows.length;
    const files: Record<string, PinnedFile> = {
      ...{ alpaca_eval: EVAL_FILES.alpacaEval, just_eval: EVAL_FILES.justEval, advbench: EVAL_FILES.advbench },
      ...{ xstest: EVAL_FILES.xstest, user_tasks: EVAL_FILES.userTasks },
    };
    for (const [suite, file] of Object.entries(files))
      there[suite] = (await readFiles([await locatePinnedFile(file, source)])).rows.length;
    const expected = Object.fromEntries(Object.keys(there).map((suite) => [suite, WHOLE_ROWS[suite]]));
    expect(there).toEqual({ ...expected, hellaswag: 1000 });
  });
});
