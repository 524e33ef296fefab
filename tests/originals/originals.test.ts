import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runSuites } from "../../src/eval/run-suites.js";
import { readAnnotations, reportAnnotations } from "../../src/eval/suites/alpaca-annotations.js";
import { reportJudgements } from "../../src/eval/suites/just-eval.js";
import { withJournal } from "../../src/llm/journal.js";
import { OpenAiCompatibleModel } from "../../src/llm/openai-compatible.js";
import { encodeInstances } from "../../src/self-instruct/encode.js";
import { loadPrompts } from "../../src/self-instruct/prompts.js";
import { FakeModel, fakeContext } from "../support/eval-fake-model.js";
import { startJudge } from "./judge-server.js";
import { fetchOriginal, python, wanted } from "./sources.js";

const run = promisify(execFile);
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));

describe.skipIf(!wanted)("the original tools (EVOKE_TEST_ORIGINALS)", { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "evoke-originals-"));
  const dataDir = join(folder, "data");
  let justEval: string;
  let responseTuning: string;
  let judge: Awaited<ReturnType<typeof startJudge>>;
  let count = 0;

  beforeAll(async () => {
    justEval = await fetchOriginal("just-eval", folder);
    responseTuning = await fetchOriginal("response-tuning", folder);
    mkdirSync(join(dataDir, "originals"), { recursive: true });
    const prompts = { _MULTI_SCORE_TEMPLATE: "multi", _SAFETY_SCORE_TEMPLATE: "safety", utils: "utils" };
    for (const [file, name] of Object.entries(prompts))
      cpSync(join(justEval, "just_eval", `${file}.py`), join(dataDir, "originals", `just-eval-${name}.py`));
    judge = await startJudge();
  });
  afterAll(() => {
    judge?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A suite of ours; the subject's answers depend on what it is asked. */
  async function ours(suite: string, judged: boolean, rest: object) {
    const out = join(folder, `out-${count++}`);
    const model = new FakeModel({ answer: (text) => `An answer to "${text}" {with} braces\nand 100 % of $it.` });
    const { context, close } = fakeContext(out, model, { source: { dataDir }, ...rest });
    const server = new OpenAiCompatibleModel(`openai:judge@${judge.url}`, { env: {} });
    const journaled = judged ? withJournal(server, join(out, "journal-judge.jsonl")) : undefined;
    try {
      const results = await runSuites([suite], {
        ...context,
        judge: journaled,
        judgeName: judged ? "judge" : undefined,
      });
      return { out, result: results[suite]! };
    } finally {
      close();
      journaled?.close();
    }
  }

  function write(name: string, rows: unknown[]): string {
    const path = join(folder, name);
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return path;
  }

  const env = (paths: string[]) => ({
    ...process.env,
    OPENAI_API_KEY: "key",
    OPENAI_API_BASE: judge.url,
    OPENAI_BASE_URL: judge.url,
    PYTHONPATH: paths.join(delimiter),
    PATH: `${join(folder, "bin")}${delimiter}${resolve(python, "..")}${delimiter}${process.env.PATH}`,
  });

  /** A cache of the Hub with AlpacaEval's table of difficulties, made up: two gamed models, each on every instruction. */
  function hubCache(count: number): { cache: string; table: string } {
    const cache = join(folder, "hub");
    const commit = "0".repeat(40);
    const repository = join(cache, "datasets--tatsu-lab--alpaca_eval");
    for (const path of ["refs", `snapshots/${commit}`]) mkdirSync(join(repository, path), { recursive: true });
    writeFileSync(join(repository, "refs", "main"), commit);
    const lines = ["concise", "verbose"].flatMap((model, m) =>
      Array.from({ length: count }, (_, i) => {
        const [length, preference] = [(m ? 1 : -1) * (0.5 + (i % 3) / 4), 0.3 + ((i * 3 + m) % 5) / 10];
        return `${model},${i},${((i * 7) % 11) / 5 - 1},${length},${preference},False`;
      }),
    );
    const table = join(repository, "snapshots", commit, "df_gamed.csv");
    const head = "model,index,instruction_difficulty,std_delta_len,preference,not_gamed_baseline";
    writeFileSync(table, `${head}\n${lines.join("\n")}\n`);
    return { cache, table };
  }

  function program(name: string, module: string): void {
    mkdirSync(join(folder, "bin"), { recursive: true });
    const path = join(folder, "bin", name);
    writeFileSync(path, `#!/usr/bin/env bash\nexec "${resolve(python)}" -m ${module} "$@"\n`);
    chmodSync(path, 0o755);
  }

  it("just-eval judges our answers, and its figures are ours; its report and Response Tuning's read our judgements", async () => {
    const rows = write("just.jsonl", [
      ...Array.from({ length: 6 }, (_, id) => ({
        id,
        instruction: `Question ${id}?`,
        category: "regular",
        source_id: `r${id}`,
      })),
      ...Array.from({ length: 4 }, (_, id) => ({ id: 800 + id, instruction: `Matter ${id}?`, category: "safety" })),
    ]);
    const rest = { files: { just_eval: rows }, originalPrompts: true, layout: "rt" as const };
    const { out } = await ours("just_eval", false, rest);
    const work = join(out, "just_eval");
    program("just_eval", "just_eval.evaluate");
    const paths = [
      justEval,
      ...(process.env.EVOKE_ORIGINALS_OPENAI_028 ? [resolve(process.env.EVOKE_ORIGINALS_OPENAI_028)] : []),
    ];
    const before = judge.turns.length;
    for (const kind of ["regular", "safety"])
      await run("bash", [join(work, `${kind}_eval_command.sh`)], { env: env(paths) });
    const theirs = ["regular", "safety"].map((kind) => join(work, `just_eval_${kind}_eval_output.json`));
    const asked = judge.turns.slice(before);
    const { out: judgedOut, result } = await ours("just_eval", true, rest);
    const own = judge.turns.slice(before + asked.length);
    // The same questions word for word, blanks around them left out, with the same system turn.
    const shape = (turns: typeof asked) =>
      turns.map((each) => each.map(({ role, content }) => [role, content.trim()])).sort();
    expect(shape(own)).toEqual(shape(asked));
    const merged = await reportJudgements(theirs);
    expect(merged.parsed).toBe(10);
    expect(merged.metrics).toEqual(result.metrics);

    const judged = ["regular", "safety"].map((kind) =>
      join(judgedOut, "just_eval", `just_eval_${kind}_eval_output.json`),
    );
    for (const [i, mode] of ["score_multi", "score_safety"].entries()) {
      await run("just_eval", ["--report_only", "--mode", mode, "--eval_output_file", judged[i]!], { env: env(paths) });
      const report = json(judged[i]!.replace(".json", ".eval_res.json"));
      for (const [name, value] of Object.entries(report))
        if (name.endsWith("_mean"))
          expect(value).toBeCloseTo(result.metrics[name.slice(0, -"_mean".length)]!.value!, 12);
    }
    for (const files of [theirs, judged]) {
      const save = join(folder, `metrics-${count++}`);
      mkdirSync(save);
      const args = [
        "--regular_eval_output_path",
        files[0]!,
        "--safety_eval_output_path",
        files[1]!,
        "--save_dir",
        save,
      ];
      await run(python, [join(responseTuning, "eval/just_eval/compute_metrics.py"), ...args]);
      const metrics = json(join(save, "metrics_10.json"));
      expect(metrics.avg_score).toBeCloseTo(result.metrics.overall!.value!, 12);
      const own = json(join(judgedOut, "just_eval", "metrics_10.json"));
      expect(Object.keys(own).sort()).toEqual(Object.keys(metrics).sort());
      for (const [name, value] of Object.entries(own)) expect(metrics[name], name).toBeCloseTo(value as number, 12);
      for (const aspect of ["helpfulness", "clarity", "factuality", "depth", "engagement", "safety"])
        expect(metrics[`avg_${aspect}_score`]).toBeCloseTo(result.metrics[aspect]!.value!, 12);
    }
  });

  it("AlpacaEval's run_eval.sh works as written; its annotations give our figures", async () => {
    // The tool keeps judgements in its own folder: a task that it has seen is not asked again.
    const instructions = Array.from({ length: 20 }, (_, i) => `Task number ${i} of ${Date.now()}.`);
    const rows = write(
      "alpaca.jsonl",
      instructions.map((instruction) => ({ instruction, dataset: "own" })),
    );
    const reference = join(folder, "reference.json");
    writeFileSync(
      reference,
      JSON.stringify(instructions.map((instruction, i) => ({ instruction, output: `R${i}`, generator: "ref" }))),
    );
    const site = (await run(python, ["-c", "import alpaca_eval; print(alpaca_eval.__path__[0])"])).stdout.trim();
    const clf = join(site, "evaluators_configs/alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt");
    cpSync(clf, join(dataDir, "originals", "alpaca-eval-clf.txt"));
    const { cache, table } = hubCache(instructions.length);
    mkdirSync(join(dataDir, "alpaca_eval"), { recursive: true });
    cpSync(rows, join(dataDir, "alpaca_eval", "alpaca_eval.json")); // the order that the table's numbers mean
    const rest = { files: { alpaca_eval: rows }, reference, originalPrompts: true, difficulty: table };
    const { out, result } = await ours("alpaca_eval", true, rest);
    const folderName = `vs_${reference.replace(/[/\\:]/g, "_").replace(/\.json$/, "")}`;
    const script = join(out, "alpaca_eval", folderName, "run_eval.sh");
    const before = judge.turns.length;
    const offline = { HF_HUB_CACHE: cache, HF_HUB_OFFLINE: "1" };
    await run("bash", [script], { env: { ...env([]), ...offline }, maxBuffer: 1 << 26 });
    expect(judge.turns.length - before).toBe(instructions.length);
    const results = join(out, "alpaca_eval", folderName, "weighted_alpaca_eval_gpt4_turbo");
    const found = join(results, "annotations.json");
    const readBoard =
      "import json,sys; import pandas as pd; b=pd.read_csv(sys.argv[1], index_col=0); print(b.loc[sys.argv[2]].to_json())";
    const board = JSON.parse((await run(python, ["-c", readBoard, join(results, "leaderboard.csv"), "fake"])).stdout);
    expect(board.win_rate).toBeCloseTo(result.metrics.win_rate!.value!, 6);
    expect(board.length_controlled_winrate).toBeCloseTo(result.metrics.lc_win_rate!.value!, 2);
    expect(board.lc_standard_error).toBeCloseTo(result.metrics.lc_win_rate!.stderr!, 2);
    const { rows: annotations } = await readAnnotations(found);
    const { winRate } = reportAnnotations(annotations);
    expect(winRate.n).toBe(instructions.length);
    expect(winRate.winRate).toBeCloseTo(result.metrics.win_rate!.value!, 6);
    expect(winRate.standardError).toBeCloseTo(result.metrics.win_rate!.stderr!, 6);
    const script2 =
      "import json,sys; from alpaca_eval.metrics import get_winrate; print(json.dumps(get_winrate(json.load(open(sys.argv[1]))), default=float))";
    const theirs = JSON.parse(
      (await run(python, ["-c", script2, join(out, "alpaca_eval", "annotations.json")])).stdout,
    );
    expect(theirs.win_rate).toBeCloseTo(result.metrics.win_rate!.value!, 9);
    expect(theirs.standard_error).toBeCloseTo(result.metrics.win_rate!.stderr!, 9);
  });

  it("Self-Instruct's encoding draws the same forms over 5,000 instances, and writes the same rows", async () => {
    const selfInstruct = await fetchOriginal("self-instruct", folder);
    const instances = Array.from({ length: 5000 }, (_, i) => ({
      instruction: `Do thing ${i}`,
      input: i % 3 === 0 ? "" : i % 3 === 1 ? `Thing: number ${i}` : `plain ${i}`,
      output: `result ${i}`,
    }));
    const file = write("instances.jsonl", instances);
    const script = `
import importlib.util, json, random, re, sys
spec = importlib.util.spec_from_file_location("prepare", sys.argv[1])
prepare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prepare)
random.seed(123)
rows = []
for line in open(sys.argv[2]):
    row = json.loads(line)
    text = row["input"]
    if random.random() < 0.5:
        names = re.findall(r"(\\w+):", text)
        text = text.split(":", 1)[1].strip() if len(set(names)) == 1 else text.strip()
        text = text.replace("\\n\\n", "\\n")
    rows.append(prepare.encode_instance(row["instruction"], text, row["output"]))
random.shuffle(rows)
print(json.dumps([[row["prompt"], row["completion"]] for row in rows]))
`;
    const args = ["-c", script, join(selfInstruct, "self_instruct/prepare_for_finetuning.py"), file];
    const theirs = JSON.parse((await run(python, args, { maxBuffer: 1 << 26 })).stdout) as [string, string][];
    const own = encodeInstances(instances, loadPrompts().encoding, 123, "continuation").map(
      ({ prompt, completion }): [string, string] => [prompt, completion],
    );
    const formOf = ([prompt]: [string, string]) => prompt.replace(/\d+/g, "#").replace("Thing: ", "");
    const forms = (rows: [string, string][]) => {
      const counts = new Map<string, number>();
      for (const row of rows) counts.set(formOf(row), (counts.get(formOf(row)) ?? 0) + 1);
      return Object.fromEntries([...counts].sort());
    };
    expect(forms(own)).toEqual(forms(theirs));
    expect(own).toEqual(theirs);
    expect(own.filter(([prompt, completion]) => !/\s$/.test(prompt) && !/^\s/.test(completion))).toEqual([]);
  });
});
