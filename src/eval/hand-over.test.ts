/** Files for the original tools. That those read them is held by `tests/originals`. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { suiteRuns } from "../../tests/support/suite-runs.js";
import { loadPromptFile } from "./prompt-file.js";
import { reportJudgements } from "./suites/just-eval.js";
import { reportRefusalLabels } from "./suites/refusal-labels.js";

const { write, rowsFile, run, inFolder } = suiteRuns();
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const subject = { answer: (text: string) => `To ${text}` };

const justEvalRows = () =>
  rowsFile("rows.jsonl", [
    { id: 801, instruction: "Locks?", category: "safety", source_id: "s" },
    { id: 1, instruction: "Why?", category: "regular", source_id: "r1", output: "gold", generator: "gpt" },
    { id: 0, instruction: "How?", category: "regular", source_id: "r0" },
  ]);
const judge = {
  answer: (text: string) =>
    text.includes("Locks")
      ? '{"safety": {"reason": "Mild.", "score": "5"}}'
      : text.includes("How?")
        ? '{"helpfulness": {"reason": "So.", "score": "4/5"}, "depth": {"reason": "So.", "score": "2"}}'
        : "no idea",
};

/** A program of that name which writes its arguments to `args`. */
function fakeProgram(name: string): { path: string; args: () => string[] } {
  const folder = inFolder("bin");
  const args = inFolder("args");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/usr/bin/env bash\nprintf '%s\\n' "$PWD" "$@" > '${args}'\n`);
  chmodSync(join(folder, name), 0o755);
  return { path: `${folder}:${process.env.PATH}`, args: () => readFileSync(args, "utf8").trimEnd().split("\n") };
}

it("writes just-eval's two files with outputs as text, and a command for each", async () => {
  const { out, said } = await run("just_eval", subject, undefined, { files: { just_eval: justEvalRows() } });
  const folder = join(out, "just_eval");
  expect(json(join(folder, "just_eval_input_regular_model_outputs.json"))).toEqual([
    { id: 0, instruction: "How?", category: "regular", source_id: "r0", output: "To How?", generator: "fake" },
    { id: 1, instruction: "Why?", category: "regular", source_id: "r1", output: "To Why?", generator: "fake" },
  ]);
  expect(json(join(folder, "just_eval_input_safety_model_outputs.json"))).toMatchObject([{ id: 801, source_id: "s" }]);
  const tool = fakeProgram("just_eval");
  for (const [kind, mode] of [
    ["regular", "score_multi"],
    ["safety", "score_safety"],
  ] as const) {
    const script = join(folder, `${kind}_eval_command.sh`);
    expect(said.join("\n")).toContain(`bash ${script}`);
    execFileSync("bash", [script], { cwd: "/", env: { PATH: tool.path } });
    const [cwd, ...args] = tool.args();
    expect(cwd!.endsWith("/just_eval")).toBe(true);
    const files = [`just_eval_input_${kind}_model_outputs.json`, `just_eval_${kind}_eval_output.json`];
    expect(args).toEqual([
      "--mode",
      mode,
      "--gpt_model",
      "gpt-4o-2024-08-06",
      "--model_output_file",
      files[0],
      "--eval_output_file",
      files[1],
    ]);
    expect(existsSync(join(folder, files[0]!))).toBe(true);
  }
});

it("writes judgements as just-eval does, and reads several files as one", async () => {
  const { out, result } = await run("just_eval", subject, judge, {
    files: { just_eval: justEvalRows() },
    judgeName: "judge",
    judgePrompt: write("p.txt", "mark {instruction}: {output}"),
    judgeSafetyPrompt: write("s.txt", "safe {instruction}: {output}"),
  });
  const files = ["regular", "safety"].map((kind) => join(out, "just_eval", `just_eval_${kind}_eval_output.json`));
  expect(json(files[0]!)).toEqual([
    {
      id: 0,
      input: "How?",
      output_cand: "To How?",
      generator_cand: "fake",
      eval_config: { mode: "score_multi", gpt: "judge", max_words: -1 },
      prompt: "mark How?: To How?",
      result: expect.any(String),
      parsed_result: { helpfulness: { reason: "So.", score: 4 }, depth: { reason: "So.", score: 2 } },
    },
  ]);
  const merged = await reportJudgements(files);
  expect(merged).toMatchObject({ n: 2, parsed: 2, metrics: { overall: { value: (4 + 2 + 5) / 3 } } });
  expect(merged.metrics.overall!.value).toBe(result.metrics.overall!.value);
  // A file given twice, or two models' files, would be averaged together.
  await expect(reportJudgements([files[0]!, files[0]!])).rejects.toThrow(
    /row 0 is judged at .*json:\d+, too; give the rows/,
  );
});

it("writes figures, parts and prompts under the names of Response Tuning's scripts", async () => {
  const { out } = await run("just_eval", subject, judge, {
    files: { just_eval: justEvalRows() },
    layout: "rt",
    judgePrompt: write("p.txt", "mark {instruction}: {output}"),
    judgeSafetyPrompt: write("s.txt", "safe {instruction}: {output}"),
    prompt: loadPromptFile(write("urial1kv4-4shot.txt", "# Query:\n{instruction}\n# Answer:\n")),
    limit: 3,
  });
  const folder = join(out, "just_eval", "urial1kv4-4shot");
  expect(json(join(folder, "just_eval_input_regular_model_outputs_3.json"))).toHaveLength(2);
  const metrics = { avg_helpfulness_score: 4, avg_depth_score: 2, avg_safety_score: 5, avg_score: 11 / 3 };
  expect(json(join(folder, "metrics_2.json"))).toEqual(metrics);
  const files = ["regular", "safety"].map((kind) => join(folder, `just_eval_${kind}_eval_output.json`));
  await reportJudgements([files[0]!], "missing", "rt");
  expect(json(join(folder, "metrics_1.json"))).toEqual({ avg_helpfulness_score: 4, avg_depth_score: 2, avg_score: 3 });
  const asked = rowsFile("m.jsonl", [{ prompt: "Bread?" }, { prompt: "Cake?" }]);
  const set = { files: { malicious_instruct: asked }, layout: "rt" as const, limit: 1, judgeName: "org/judge" };
  await run("malicious_instruct", subject, { answer: () => "Label: refusal" }, set);
  expect(existsSync(join(out, "malicious_instruct", "results_malicious-instruct_1_evaluator_judge.jsonl"))).toBe(true);
  expect(json(join(out, "malicious_instruct", "metrics_malicious-instruct_1_evaluator_judge.json")).num_total).toBe(1);
});

const question = { instruction: "q", dataset: "own" };
const outputs = (name: string) => write(name, JSON.stringify([{ instruction: "q", output: "R", generator: "ref" }]));

it("writes AlpacaEval's command with every argument, and the reference where one was chosen", async () => {
  const files = { alpaca_eval: rowsFile("one.jsonl", [question]) };
  const reference = outputs("it's a ref.json");
  const { out } = await run("alpaca_eval", subject, undefined, { files, reference });
  const tool = fakeProgram("alpaca_eval");
  const name = `vs_${reference.replace(/[/\\:]/g, "_").replace(/\.json$/, "")}`;
  execFileSync("bash", [join(out, "alpaca_eval", name, "run_eval.sh")], { cwd: "/", env: { PATH: tool.path } });
  expect(tool.args().slice(1)).toEqual(
    [
      "evaluate",
      "--model_outputs",
      "../model_outputs.json",
      "--annotators_config",
      "weighted_alpaca_eval_gpt4_turbo",
    ].concat(["--name", "fake", "--output_path", ".", "--reference_outputs", reference]),
  );
  await run("alpaca_eval", subject, undefined, { files, layout: "rt" });
  const script = join(out, "alpaca_eval", "vs_default_reference", "run_eval.sh");
  execFileSync("bash", [script], { cwd: "/", env: { PATH: tool.path } });
  expect(tool.args()).not.toContain("--reference_outputs");
  expect(tool.args()).toContain("fake-greedy");
  expect(json(join(out, "alpaca_eval", "model_outputs.json"))[0].generator).toBe("fake-greedy");
});

it("writes refusal results under the names of Response Tuning's scripts, and reads them", async () => {
  const xstest = write("x.csv", "id,prompt,type,label,focus,note\n1,Bread?,real,safe,,\n2,Rude?,contrast,unsafe,,\n");
  const { out, result } = await run(
    "xstest",
    subject,
    { answer: () => "Label: refusal" },
    {
      files: { xstest },
      layout: "rt",
      judgeName: "openai:org/judge@https://x/v1",
    },
  );
  const results = join(out, "xstest", "results_xstest_evaluator_judge.jsonl");
  expect((await reportRefusalLabels(results)).metrics).toEqual(result.metrics);
  expect(json(join(out, "xstest", "metrics_xstest_evaluator_judge.json"))).toEqual({
    unsafe_query_defense_success_rate: 1,
    safe_query_compliance_success_rate: 0,
    refusal_prf: { precision: 0.5, recall: 1, f1: 2 / 3 },
    behavior_acc: 0.5,
  });
  const read = await run("xstest", {}, { answer: () => "Label: refusal" }, { files: { xstest }, outputs: [results] });
  expect(read.result.metrics).toEqual(result.metrics);
});
