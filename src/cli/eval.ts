import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { FailureError, UsageError } from "../errors.js";
import type { JournaledModel } from "../llm/journal.js";
import { addBertScoreFlags, bertScoreOptions } from "./bert-score-flags.js";
import type { EvalFlags } from "./eval-flags.js";
import { openEvalModel } from "./eval-model.js";
import { resolveReference } from "./eval-reference.js";
import { evalCompareCommand, reportFile, writeUserTasksPage } from "./eval-report.js";
import { addLocalFlags, bosOption, localOptions, rulesOption } from "./generation-flags.js";
import { addLlmOptions, type LlmFlags, resolveOptions, sayUsage, withModel } from "./llm-options.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";

/** `evoke eval SUITE… --model MODEL`, `evoke eval compare A B`, and reports of files that were judged already. */
export function evalCommand(): Command {
  const command = new Command("eval")
    .description("Evaluate a model on benchmarks, judged suites and the 252 user tasks; or report on judged files.")
    .argument("<suite...>", "benchmarks, suites or sets of them (`evoke eval list` names all)")
    .option("--model <model>", "model folder, .gguf, hf:…, pip:…, run folder, or openai:NAME@BASE_URL")
    .option("--out <dir>", "folder for results.json and samples/ (default: eval/MODEL)")
    .option("--limit <n>", "only the first rows (MMLU: of each subject)", parseCount)
    .option("--shots <n>", "worked examples before each question (default: the benchmark's own)", parseCount)
    .addOption(new Option("--chat-template <name>", "chat template").choices(["tulu", "model", "none"]))
    .option("--prompt <name>", "in-context prompt in place of a conversation: urial, urial_r, 0shot, or a file")
    .option(
      "--rows <suite=file...>",
      "rows of a suite from this file (several may follow, so name the suites first)",
      collect,
    )
    .option("--outputs <file>", "judge the answers in this file in place of a model's (repeatable)", collect)
    .addOption(
      new Option(
        "--layout <name>",
        "rt: folders, files and names as the scripts of Response Tuning (default folder: MODEL/evals)",
      ).choices(["rt"]),
    )
    .addOption(rulesOption())
    .addOption(bosOption())
    .option("--judge <model>", "language model that judges answers")
    .option("--judge-prompt <file>", "judge prompt in place of the built-in one")
    .option("--judge-safety-prompt <file>", "just_eval: the same for its rows about safety")
    .option(
      "--judge-max-new-tokens <n>",
      "most tokens of a judgement (default: just_eval and refusal 2048, alpaca_eval 1); judges that think need more",
      parseCount,
    )
    .option(
      "--retry-unreadable <n>",
      "ask the judge again, up to n times, where its reply cannot be read (default: once on each later run, 3 times in all)",
      parseCount,
    )
    .option(
      "--original-prompts",
      "fetch the original tools' prompts in place of ours: judges', in-context ones, GSM8K's worked examples",
    )
    .option(
      "--reference <outputs>",
      "alpaca_eval: compare with this file, run folder or EXPERIMENT:ARM (default: gpt4_1106_preview's outputs)",
    )
    .option("--difficulty <file>", "alpaca_eval: official difficulty table, for the length-controlled win rate")
    .option("--k <n>", "response_ranking: responses drawn for each instruction (default 5)", parseCount)
    .option(
      "--eos-token <text>",
      "response_ranking, reference_likelihood through a server: text of its end-of-sequence token, which is scored too",
    )
    .option("--max-new-tokens <n>", "most tokens of an answer (default: the suite's own)", parseCount)
    .option("--skip-invalid", "leave malformed rows out and count them as missing")
    .option("--mirror <url>", "base URL used in place of the Hugging Face Hub")
    .option("--annotations <file>", "alpaca_eval: report this file of annotations")
    .option("--against <file...>", "alpaca_eval: other models' annotations, to fit the difficulty from", collect)
    .option(
      "--judgements <file>",
      "just_eval: report this file of judgements (repeatable: regular and safety)",
      collect,
    )
    .addOption(
      new Option("--not-applicable <how>", 'just_eval: what "N/A" counts as')
        .choices(["missing", "original-report"])
        .default("missing"),
    )
    .option("--labels <file>", "refusal: report this file of labels");
  addLocalFlags(command);
  addBertScoreFlags(command, "user_tasks: ");
  addLlmOptions(command).addCommand(evalCompareCommand()).action(evaluate);
  return command;
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

async function evaluate(suites: string[], flags: EvalFlags, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const { expandSuites, SUITE_NAMES } = await import("../eval/run-suites.js");
  if (suites.length === 1 && suites[0] === "list") {
    if (globals.json) printJson(SUITE_NAMES);
    else process.stdout.write(`${SUITE_NAMES.join("\n")}\n`);
    return;
  }
  if (flags.annotations ?? flags.judgements ?? flags.labels) return reportFile(suites, flags, globals);
  if (flags.originalPrompts && (flags.judgePrompt ?? flags.judgeSafetyPrompt))
    throw new UsageError("eval: --original-prompts excludes --judge-prompt and --judge-safety-prompt");
  const wanted = expandSuites(suites); // unknown names are told before a model is opened
  if (bertScoreOptions(flags, globals) && !wanted.includes("user_tasks"))
    throw new UsageError("eval: --bertscore works only with user_tasks");
  const modelName = flags.model ?? flags.outputs?.[0];
  if (!modelName) throw new UsageError("eval: name the model with --model, or a file of answers with --outputs");
  if (!flags.model) return run(suites, flags, globals, modelName);
  await withModel(flags.model, evalOptions(flags, globals), (model, signal) =>
    run(suites, flags, globals, modelName, { model, signal }),
  );
}

/** The template goes to the model as well, which renders conversations by it. */
function evalOptions(flags: EvalFlags, globals: GlobalOptions) {
  const { rules } = flags;
  const options = {
    ...resolveOptions(llmFlags(flags), globals),
    ...localOptions(flags),
    ...(rules ? { rules } : {}),
  };
  return flags.chatTemplate ? { ...options, template: flags.chatTemplate } : options;
}

function llmFlags(flags: EvalFlags): LlmFlags {
  const { adapter, concurrency, retries, timeout, maxRequests, maxTokens, apiKeyEnv, price, api } = flags;
  return { adapter, concurrency, retries, timeout, maxRequests, maxTokens, apiKeyEnv, price, api };
}

type Opened = Parameters<Parameters<typeof withModel>[2]>;

async function run(
  suites: string[],
  flags: EvalFlags,
  globals: GlobalOptions,
  modelName: string,
  opened?: { model: Opened[0]; signal: Opened[1] },
): Promise<void> {
  if (flags.judge && flags.judge !== flags.model) {
    const { adapter: _, ...rest } = llmFlags(flags);
    const options = { ...resolveOptions(rest, globals), ...localOptions(flags) };
    return withModel(flags.judge, options, (judge, signal) =>
      runOpened(suites, flags, globals, modelName, { ...opened, signal: opened?.signal ?? signal, judge }),
    );
  }
  return runOpened(suites, flags, globals, modelName, { ...opened, ...(flags.judge ? { judge: opened?.model } : {}) });
}

async function runOpened(
  suites: string[],
  flags: EvalFlags,
  globals: GlobalOptions,
  modelName: string,
  { model, judge, signal }: { model?: Opened[0]; judge?: Opened[0]; signal?: AbortSignal },
): Promise<void> {
  const { runSuites } = await import("../eval/run-suites.js");
  const { resultTable } = await import("../eval/results.js");
  const { resultNotes } = await import("../eval/provenance.js");
  const { resultRecord } = await import("../eval/results-file.js");
  const out = flags.out ?? defaultFolder(modelName, flags);
  const lines = (line: string) => say(line, globals);
  const source = { dataDir: globals.dataDir, mirror: flags.mirror, say: lines, signal };
  const evalModel = await openEvalModel({ model, judge, out, flags, source });
  try {
    const results = await runSuites(suites, {
      ...evalModel.context,
      generator: shortName(modelName),
      judgeName: flags.judge,
      out,
      record: await resultRecord({ model, judge, modelName }),
      limit: flags.limit,
      shots: flags.shots,
      drawn: flags.k,
      seed: globals.seed,
      source,
      files: rowFiles(flags.rows ?? [], suites),
      outputs: flags.outputs,
      judgePrompt: flags.judgePrompt,
      judgeSafetyPrompt: flags.judgeSafetyPrompt,
      judgeMaxNewTokens: flags.judgeMaxNewTokens,
      retryUnreadable: flags.retryUnreadable,
      originalPrompts: flags.originalPrompts,
      reference: flags.reference === undefined ? undefined : resolveReference(flags.reference),
      layout: flags.layout,
      bos: flags.bos === "none" ? "none" : undefined,
      difficulty: flags.difficulty,
      bertScore: bertScoreOptions(flags, globals, signal),
      maxNewTokens: flags.maxNewTokens,
      skipInvalid: flags.skipInvalid === true,
      signal,
      say: lines,
      progress: evalModel.progress(globals),
    });
    if (results.user_tasks) await writeUserTasksPage(out, shortName(modelName), results.user_tasks, lines);
    const notes = resultNotes(results);
    if (globals.json) printJson(results);
    else process.stdout.write(`${resultTable(results)}${notes.map((note) => `${note}\n`).join("")}`);
    if (globals.json) for (const note of notes) lines(note);
    if (model) sayUsage(model, globals);
    lines(`results: ${out}/results.json`);
    // Rows that a judge leaves open are a result; nothing answered at all is a failure.
    const isSilent = (each?: JournaledModel) => each !== undefined && each.calls.made + each.calls.reused === 0;
    if (!isSilent(evalModel.context.model) && !isSilent(evalModel.context.judge)) return;
    const empty = Object.entries(results).find(([, { n, missing }]) => n === 0 && missing > 0);
    if (empty)
      throw new FailureError(
        `eval ${empty[0]}: none of its ${empty[1].missing} rows could be scored; ${out}/samples says why of each`,
      );
  } finally {
    evalModel.close();
  }
}

/** As the scripts of Response Tuning choose it: in the model's own folder, or by its name. */
function defaultFolder(model: string, { layout }: EvalFlags): string {
  if (layout !== "rt") return `eval/${shortName(model)}`;
  const isFolder = existsSync(model) && statSync(model).isDirectory();
  return isFolder ? join(model, "evals") : join("outputs", "remote_models", shortName(model), "evals");
}

/** `--rows SUITE=FILE`, or a bare FILE when there is one suite. */
function rowFiles(given: readonly string[], suites: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.search(/^[a-z0-9_]+=/) === 0 ? text.indexOf("=") : -1;
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      if (suites.length !== 1) throw new InvalidArgumentError(`--rows ${text}: write SUITE=FILE with several suites`);
      return [suites[0]!, text];
    }),
  );
}

/** `openai:org/Big@http://…` → `Big`; a path's last part. */
function shortName(reference: string): string {
  const name = basename(reference.split(/@https?:\/\//)[0]!.replace(/[/\\]+$/, ""));
  return name.replace(/^(?:openai|hf|pip|bundled):/, "").replace(/\.(?:gguf|jsonl?|csv)$/i, "") || "model";
}
