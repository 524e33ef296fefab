import { Command, InvalidArgumentError, Option } from "commander";
import type { EvaluateOptions } from "../api/evaluate.js";
import { UsageError } from "../errors.js";
import { addBertScoreFlags, bertScoreOptions } from "./bert-score-flags.js";
import type { EvalFlags } from "./eval-flags.js";
import { evalCompareCommand, reportFile } from "./eval-report.js";
import { addLocalFlags, bosOption, rulesOption } from "./generation-flags.js";
import { interruptible } from "./interrupt.js";
import { addLlmOptions, llmModelOptions, sayUsage } from "./llm-options.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";
import { showEvents } from "./show-events.js";

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
        "rt: folders, files and names as the scripts of Response Tuning (default folder: MODEL/evals); with --judgements, metrics_N.json",
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
  const { expandSuites, SUITE_NAMES, suiteSummary } = await import("../eval/run-suites.js");
  if (suites.length === 1 && suites[0] === "list") {
    const width = Math.max(...SUITE_NAMES.map((name) => name.length));
    if (globals.json) printJson(SUITE_NAMES);
    else for (const name of SUITE_NAMES) process.stdout.write(`${name.padEnd(width)}  ${suiteSummary(name)}\n`);
    return;
  }
  if (flags.annotations ?? flags.judgements ?? flags.labels) return reportFile(suites, flags, globals);
  if (flags.originalPrompts && (flags.judgePrompt ?? flags.judgeSafetyPrompt))
    throw new UsageError("eval: --original-prompts excludes --judge-prompt and --judge-safety-prompt");
  const wanted = expandSuites(suites); // unknown names are told before a model is opened
  if (bertScoreOptions(flags) && !wanted.includes("user_tasks"))
    throw new UsageError("eval: --bertscore works only with user_tasks");
  if (!flags.model && !flags.outputs?.length)
    throw new UsageError("eval: name the model with --model, or a file of answers with --outputs");
  const { evaluate } = await import("../api/evaluate.js");
  const { resultNotes } = await import("../eval/provenance.js");
  const { resultTable } = await import("../eval/results.js");
  const shown = showEvents(globals);
  const { results, folder, usage } = await interruptible((signal) =>
    evaluate({ suites, ...evaluateOptions(suites, flags, globals), signal, onProgress: shown.onProgress }),
  ).finally(shown.finish);
  const notes = resultNotes(results);
  if (globals.json) printJson(results);
  else process.stdout.write(`${resultTable(results)}${notes.map((note) => `${note}\n`).join("")}`);
  if (globals.json) for (const note of notes) say(note, globals);
  sayUsage(usage, globals);
  say(`results: ${folder}/results.json`, globals);
}

function evaluateOptions(suites: string[], flags: EvalFlags, globals: GlobalOptions): Omit<EvaluateOptions, "suites"> {
  const { model, judge, outputs, out, limit, shots, chatTemplate, prompt, originalPrompts, bos, reference } = flags;
  const { rules, difficulty, eosToken, maxNewTokens, skipInvalid, layout, mirror } = flags;
  const { judgePrompt, judgeSafetyPrompt, judgeMaxNewTokens, retryUnreadable, k: drawn } = flags;
  const { adapter, ...how } = llmModelOptions(flags, globals);
  return {
    ...{ model, modelOptions: { ...how, adapter, rules }, judge, outputs, out, limit, shots, chatTemplate, prompt },
    // A judge is opened as the model is, without its adapter and rules; one that judges itself is opened once.
    ...(judge !== undefined && judge !== model ? { judgeOptions: how } : {}),
    ...{ originalPrompts, bos, reference, difficulty, drawn, eosToken, maxNewTokens, skipInvalid, layout, mirror },
    ...{ judgePrompt, judgeSafetyPrompt, judgeMaxNewTokens, retryUnreadable },
    rows: rowFiles(flags.rows ?? [], suites),
    bertScore: bertScoreOptions(flags),
    seed: globals.seed,
    dataDir: globals.dataDir,
  };
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
