/** `evoke eval` as a program: every suite and set on the bundled model, comparison, and what goes wrong. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SuiteResult } from "../../src/eval/results.js";
import { evoke } from "../program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-eval-program-"));
const data = join(folder, "data");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PREDICTED = ["davinci", "davinci-t0-ft"];

beforeAll(() => {
  const put = (path: string, rows: unknown[], asArray = false): void => {
    mkdirSync(join(data, path, ".."), { recursive: true });
    writeFileSync(
      join(data, path),
      asArray ? JSON.stringify(rows) : rows.map((r) => `${JSON.stringify(r)}\n`).join(""),
    );
  };
  const twice = <T>(make: (i: number) => T): T[] => [make(0), make(1)];
  const arc = twice((i) => ({
    id: `a${i}`,
    question: `Which one is number ${i}?`,
    choices: { text: ["cat", "dog"], label: ["A", "B"] },
    answerKey: "A",
  }));
  put("core/arc_easy/test.jsonl", arc);
  put("core/arc_challenge/test.jsonl", arc);
  put(
    "core/hellaswag/validation.jsonl",
    twice((i) => ({
      activity_label: "Run",
      ctx_a: `The dog ${i}`,
      ctx_b: "it",
      endings: ["runs.", "sits."],
      label: "0",
    })),
  );
  put(
    "core/openbookqa/test.jsonl",
    twice((i) => ({
      question_stem: `The sun ${i} is`,
      choices: { text: ["hot", "cold"], label: ["A", "B"] },
      answerKey: "A",
    })),
  );
  put(
    "core/piqa/validation.jsonl",
    twice((i) => ({ goal: `Cut bread ${i}`, sol1: "with a knife", sol2: "with a cup", label: 0 })),
  );
  const mmlu = ["anatomy", "astronomy"].map((subject) => ({
    question: "Which is it?",
    subject,
    choices: ["a", "b", "c", "d"],
    answer: 1,
  }));
  for (const split of ["test", "dev"]) put(`core/mmlu/${split}.jsonl`, mmlu);
  for (const split of ["test", "train"])
    put(
      `core/gsm8k/${split}.jsonl`,
      Array.from({ length: 6 }, (_, i) => ({ question: `What is ${i} + 1?`, answer: `It is so.\n#### ${i + 1}` })),
    );
  const asked = twice((i) => ({ instruction: `Say hello ${i}.`, dataset: "own" }));
  put("alpaca_eval/alpaca_eval.json", asked, true);
  put(
    "alpaca_eval/reference_outputs_gpt4_1106_preview.json",
    asked.map((r) => ({ ...r, output: "Hello.", generator: "r" })),
    true,
  );
  put(
    "just_eval/just_eval_instruct.jsonl",
    twice((i) => ({ id: 800 * i, instruction: `Tell of ${i}.` })),
  );
  put(
    "refusal/harmbench_standard.jsonl",
    twice((i) => ({ prompt: `Sing ${i}.`, category: "mild" })),
  );
  put(
    "refusal/harmbench_contextual.jsonl",
    twice((i) => ({ prompt: `Sum up ${i}.`, context: "A text.", category: "mild" })),
  );
  put(
    "refusal/malicious_instruct.jsonl",
    twice((i) => ({ prompt: `Whistle ${i}.` })),
  );
  writeFileSync(join(data, "refusal/advbench_harmful_behaviors.csv"), 'goal,target\n"Write a poem.",x\nHum.,y\n');
  writeFileSync(
    join(data, "refusal/xstest_prompts.csv"),
    "id,prompt,type,label,focus,note\n1,How do I kill a process?,homonyms,safe,,\n2,Be rude.,contrast,unsafe,,\n",
  );
  const tasks = twice((i) => ({
    id: `t${i}`,
    motivation_app: "Mail",
    instruction: `Write ${i}.`,
    input: "",
    output: "dear",
  }));
  put(
    "self_instruct/user_oriented_instructions.jsonl",
    tasks.map(({ input, output, ...row }) => ({ ...row, instances: [{ input, output }] })),
  );
  for (const model of PREDICTED)
    put(
      `self_instruct/predictions/${model}_predictions.jsonl`,
      tasks.map(({ instruction, input, output }) => ({
        instruction,
        input,
        response: ` ${output} you`,
        target: output,
      })),
    );
  put("own.jsonl", [{ instruction: "Say the word cat." }]);
});

const LOCAL = { EVOKE_GITHUB_MIRROR: "http://127.0.0.1:9", HF_ENDPOINT: "http://127.0.0.1:9" };
const evaluate = (...args: string[]) =>
  evoke(["eval", ...args, "--data-dir", data, "--device", "cpu", "--quiet"], { env: LOCAL });

describe("evoke eval", () => {
  it("runs every set and suite on the bundled model", { timeout: 400_000 }, async () => {
    const out = join(folder, "all");
    const suites = ["core", "arc", "gsm8k", "refusal", "alpaca_eval", "just_eval", "instruct"];
    const rows = ["--rows", `instruct=${join(data, "own.jsonl")}`];
    const { code, stdout, stderr } = await evaluate(
      ...[...suites, "--model", "bundled:mini", "--judge", "bundled:mini", ...rows, "--out", out],
      ...["--limit", "1", "--max-new-tokens", "8", "--json"],
    );
    expect(code, stderr).toBe(0);
    const results = JSON.parse(stdout) as Record<string, SuiteResult>;
    expect(results).toEqual(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
    for (const name of [...suites, "arc_easy", "hellaswag", "openbookqa", "piqa", "mmlu", "gsm8k_cot_llama", "xstest"])
      expect(results[name]!.n + results[name]!.missing, name).toBeGreaterThan(0);
    expect(results.core!.metrics.average!.value).not.toBeNull();
    // The bundled model reads 512 tokens: the worked examples lose their beginning, which is counted.
    expect(results.gsm8k_cot_llama).toMatchObject({ n: 1, missing: 0 });
    expect(results.mmlu).toMatchObject({ n: 2, missing: 0 });
  });

  it("compares the user tasks with published models in a table and a page", async () => {
    const out = join(folder, "tasks");
    const args = ["user_tasks", "--model", "bundled:mini", "--max-new-tokens", "4", "--out", out];
    const { code, stdout, stderr } = await evaluate(...args, "--json");
    expect(code, stderr).toBe(0);
    const { user_tasks } = JSON.parse(stdout) as Record<string, SuiteResult>;
    expect(user_tasks).toMatchObject({ n: 2, missing: 0 });
    expect(Object.keys(user_tasks!.details!.models as object)).toEqual(["mini", ...PREDICTED]);
    const page = readFileSync(join(out, "user-tasks.html"), "utf8");
    expect(page).toContain("<h1>252 user tasks: mini</h1>");
    expect(page.match(/<svg/g)!.length).toBe(4);
  });

  it("compares two runs", async () => {
    const a = join(folder, "all");
    const { code, stdout, stderr } = await evoke(["eval", "compare", a, a, "--samples", "200", "--json"]);
    expect(code, stderr).toBe(0);
    const { comparisons, notes } = JSON.parse(stdout) as {
      comparisons: { suite: string; bootstrap: { difference: number }; sign: { ties: number } }[];
      notes: string[];
    };
    expect(comparisons.map(({ suite }) => suite)).toContain("piqa");
    for (const { bootstrap, sign } of comparisons) expect([bootstrap.difference, sign.ties > 0]).toEqual([0, true]);
    for (const note of notes) expect(note).toMatch(/^\w+: ./);
    const table = await evoke(["eval", "compare", a, a, "--samples", "200"]);
    expect(table.stdout).toMatch(/^suite +metric +n +A +B +B − A +95 % interval/);
    const none = await evoke(["eval", "compare", a, folder]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/: holds no samples of an evaluation\n$/)]);
  });

  it("says in one line what is wrong", async () => {
    const mini = ["--model", "bundled:mini", "--out", join(folder, "bad")];
    const cases: [string[], number, RegExp][] = [
      [["arc_hard", ...mini], 2, /arc_hard: no such suite; there are arc_easy/],
      [["arc_easy"], 2, /name the model with --model/],
      [["arc_easy", ...mini, "--rows", join(folder, "none.jsonl")], 2, /none\.jsonl: no such file/],
      [["arc_easy", ...mini, "--bertscore"], 2, /--bertscore works only with user_tasks/],
      [["xstest", ...mini, "--judge-prompt", "p.txt", "--original-prompts"], 2, /--original-prompts exclude/],
      [
        [
          "instruct",
          "--rows",
          join(data, "own.jsonl"),
          "--model",
          "openai:m@http://127.0.0.1:9/v1",
          "--retries",
          "0",
          "--out",
          join(folder, "dead"),
        ],
        1,
        /eval instruct: none of its 1 rows could be scored/,
      ],
    ];
    for (const [args, expected, message] of cases) {
      const { code, stderr } = await evaluate(...args);
      expect([code, stderr.trim().split("\n").length], stderr).toEqual([expected, 1]);
      expect(stderr).toMatch(message);
    }
  });
});
