import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { FailureError, UsageError } from "../errors.js";
import { chatRendering, runTemplate } from "../eval/chat-rendering.js";
import { originalPromptFile } from "../eval/originals.js";
import { BUILT_IN_PROMPTS, loadPromptFile, type PromptFile } from "../eval/prompt-file.js";
import { type Results, resultRecord } from "../eval/results-file.js";
import { expandSuites, runSuites } from "../eval/run-suites.js";
import type { ChatTemplate, SuiteContext } from "../eval/suite.js";
import { type JournaledModel, withJournal } from "../llm/journal.js";
import type { Usage } from "../llm/usage.js";
import { resolveReference } from "./eval-reference.js";
import type { CallEvent, CallOptions } from "./events.js";
import { type Model, type ModelOptions, withModel } from "./model.js";
import { Task, type TaskContext } from "./task.js";
import { writeUserTasksPage } from "./user-tasks-page.js";

/** BERTScore beside the other figures of `user_tasks`. */
export interface BertScoreOptions {
  /** BERT, RoBERTa or MiniLM encoder by name; default `hf:FacebookAI/roberta-large`. */
  encoder?: string | undefined;
  /** Layer whose hidden states are compared, 0 for the embeddings; default bert-score's for this encoder, else the last. */
  layer?: number | undefined;
  /** Weigh tokens by inverse document frequency over the references; default false. */
  idf?: boolean | undefined;
  /** File of baselines (columns LAYER,P,R,F) to rescale by; default no rescaling. */
  baseline?: string | undefined;
}

/** Who judges answers, and how. */
export interface JudgeOptions {
  /** Language model that judges, by name or open. Suites that need none ignore it. */
  judge?: string | Model | undefined;
  /** How a judge that is given by name is opened. */
  judgeOptions?: ModelOptions | undefined;
  /** File with a judge prompt in place of the built-in one. */
  judgePrompt?: string | undefined;
  /** File with a second one, for just_eval's rows about safety. */
  judgeSafetyPrompt?: string | undefined;
  /** Most tokens of a judgement; default 2048 for just_eval and refusal, 1 for alpaca_eval. */
  judgeMaxNewTokens?: number | undefined;
  /** Ask the judge again, up to so many times at once, where its reply cannot be read; default once on each later run. */
  retryUnreadable?: number | undefined;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends JudgeOptions, CallOptions {
  /** Benchmarks, suites or sets of them; `suiteNames` lists all. */
  suites: string | readonly string[];
  /** The model under test, by name or open. Required unless `outputs` are given. */
  model?: string | Model | undefined;
  /** How a model that is given by name is opened. Weights are float32 unless said here. */
  modelOptions?: ModelOptions | undefined;
  /** Files of answers that are judged in place of a model's. */
  outputs?: readonly string[] | undefined;
  /** Folder for results.json, samples/ and journals; default `eval/MODEL`. */
  out?: string | undefined;
  /** Rows of a suite from a file, by the suite's name. */
  rows?: Readonly<Record<string, string>> | undefined;
  /** Only the first rows (MMLU: of each subject). */
  limit?: number | undefined;
  /** Worked examples before each question; default the benchmark's own. */
  shots?: number | undefined;
  /** How conversations become text; default: a run's own for runs, else none. */
  chatTemplate?: ChatTemplate | undefined;
  /** In-context prompt in place of a conversation: urial, urial_r, 0shot, or a file. */
  prompt?: string | undefined;
  /** Take judge and in-context prompts from the original tools' repositories in place of ours. */
  originalPrompts?: boolean | undefined;
  /** What stands before a scored context: what the tokenizer puts (default), or nothing. */
  bos?: "tokenizer" | "none" | undefined;
  /** alpaca_eval: outputs to compare with (file, run folder, EXPERIMENT:ARM). */
  reference?: string | undefined;
  /** alpaca_eval: file with a table of difficulty, for length-controlled win rates. */
  difficulty?: string | undefined;
  /** response_ranking: responses drawn for each instruction; default 5. */
  drawn?: number | undefined;
  /** Text of a server's end-of-sequence token, for suites that score responses. */
  eosToken?: string | undefined;
  /** Most tokens of an answer; default the suite's own. */
  maxNewTokens?: number | undefined;
  /** user_tasks: BERTScore as well. */
  bertScore?: BertScoreOptions | undefined;
  /** Leave malformed rows out and count them as missing; default false: the first one throws. */
  skipInvalid?: boolean | undefined;
  /** Seed of draws; default 0. */
  seed?: number | undefined;
  /** Folders, files and names as the scripts of Response Tuning have them. */
  layout?: "rt" | undefined;
  /** Folder of local data, used in place of the network. */
  dataDir?: string | undefined;
  /** Base URL in place of the Hugging Face Hub. */
  mirror?: string | undefined;
}

/** Figures of an evaluation. */
export interface EvaluateResult {
  /** Folder with results.json, samples/ and journals. */
  folder: string;
  /** By suite; sets of suites have a result of their own. */
  results: Results;
  /** Requests, tokens and cost of a server under test. */
  usage?: Usage;
}

/**
 * Evaluates a model on suites. Finished answers and scores are in the folder's journals: the same call, made again after a
 * stop, goes on, with figures equal to the last bit.
 *
 * @throws UsageError for an unknown suite, unusable rows, or a folder of another model's results; FailureError when none of a
 * suite's rows could be answered.
 */
export function evaluate(options: EvaluateOptions): Task<CallEvent, EvaluateResult> {
  return new Task<CallEvent, EvaluateResult>(options, async (call) => {
    const { model, judge, outputs } = options;
    const suites = typeof options.suites === "string" ? [options.suites] : [...options.suites];
    expandSuites(suites); // unknown names are told before a model is opened
    if (model === undefined && !outputs?.length)
      throw new UsageError("eval: name the model, or files of answers with outputs");
    const { weights = "float32", ...rest } = options.modelOptions ?? {};
    const how = { ...rest, weights, ...(options.chatTemplate ? { template: options.chatTemplate } : {}) };
    const judgeHow = { weights, device: rest.device, threads: rest.threads, ...options.judgeOptions };
    return optionally(model, how, call, (opened) => {
      // One that judges itself is loaded once.
      const same = judge !== undefined && judge === model && !options.judgeOptions;
      if (same) return run(options, suites, { model: opened, judge: opened }, call);
      return optionally(judge, judgeHow, call, (judging) =>
        run(options, suites, { model: opened, judge: judging }, call),
      );
    });
  });
}

function optionally<T>(
  model: string | Model | undefined,
  how: ModelOptions,
  call: TaskContext<CallEvent>,
  work: (model: Model | undefined) => Promise<T>,
): Promise<T> {
  return model === undefined ? work(undefined) : withModel(model, how, call, work);
}

async function run(
  options: EvaluateOptions,
  suites: string[],
  { model, judge }: { model: Model | undefined; judge: Model | undefined },
  call: TaskContext<CallEvent>,
): Promise<EvaluateResult> {
  const { signal, say } = call;
  const named = model?.reference ?? options.outputs![0]!;
  const out = options.out ?? defaultFolder(named, options.layout);
  const opened: JournaledModel[] = [];
  const journaled = (each: Model | undefined, name: string): JournaledModel | undefined => {
    if (!each) return undefined;
    const journal = withJournal(each.language, join(out, name));
    opened.push(journal);
    return journal;
  };
  try {
    const context: SuiteContext = {
      ...(await renderingOf(options, model, call)),
      ...settingsOf(options, call),
      model: journaled(model, "journal.jsonl"),
      judge: journaled(judge, "journal-judge.jsonl"),
      judgeName: judge?.reference,
      generator: shortName(named),
      out,
      record: await resultRecord({ model: model?.language, judge: judge?.language, modelName: named }),
    };
    const results = await runSuites(suites, context);
    signal.throwIfAborted();
    if (results.user_tasks) await writeUserTasksPage(out, context.generator, results.user_tasks, say);
    refuseSilence(opened, results, out);
    const usage = model?.usage;
    return { folder: out, results, ...(usage ? { usage } : {}) };
  } finally {
    for (const each of opened) each.close();
  }
}

/** Settings of the suites that are passed on as they are. */
function settingsOf(
  options: EvaluateOptions,
  { signal, say, emit }: TaskContext<CallEvent>,
): Omit<SuiteContext, "generator" | "out"> {
  const { limit, shots, drawn, seed, outputs, layout, difficulty, maxNewTokens } = options;
  const { originalPrompts, judgePrompt, judgeSafetyPrompt, judgeMaxNewTokens, retryUnreadable } = options;
  const { dataDir, mirror, bertScore, reference } = options;
  return {
    ...{ limit, shots, drawn, seed, outputs, layout, difficulty, maxNewTokens },
    ...{ originalPrompts, judgePrompt, judgeSafetyPrompt, judgeMaxNewTokens, retryUnreadable },
    files: options.rows ?? {},
    source: { dataDir, mirror, say, signal },
    reference: reference === undefined ? undefined : resolveReference(reference),
    bos: options.bos === "none" ? "none" : undefined,
    bertScore: bertScore && { ...bertScore, deviceName: options.modelOptions?.device, say, signal },
    skipInvalid: options.skipInvalid === true,
    signal,
    say,
    progress: (label, total) => (done) => {
      if (done !== undefined) emit({ type: "progress", label, done, total, unit: "rows" });
    },
  };
}

/** How conversations become text for this model. */
async function renderingOf(
  options: EvaluateOptions,
  model: Model | undefined,
  { signal, say }: TaskContext<CallEvent>,
): Promise<Pick<SuiteContext, "chat" | "sendsText" | "responseText" | "prompt" | "template">> {
  const { chatTemplate, dataDir, mirror } = options;
  const prompt = await promptOf(options, { dataDir, mirror, signal, say });
  if (prompt && chatTemplate && chatTemplate !== "none")
    throw new UsageError("eval: --prompt writes no conversation; leave --chat-template out");
  // A run is asked as it was trained, also where choices are scored, as Response Tuning's scripts do.
  const template = chatTemplate ?? (prompt ? undefined : await runTemplate(model?.language));
  const rendering = model ? await chatRendering(model.language, template, options.eosToken) : {};
  return { prompt, template, ...rendering };
}

/** The package's own prompt of that name or a file; with `originalPrompts` the name means the original. */
async function promptOf(
  { prompt, originalPrompts }: EvaluateOptions,
  source: Parameters<typeof originalPromptFile>[1],
): Promise<PromptFile | undefined> {
  if (prompt === undefined) return undefined;
  const builtIn = BUILT_IN_PROMPTS.find((each) => each === prompt);
  return originalPrompts && builtIn ? originalPromptFile(builtIn, source) : loadPromptFile(prompt);
}

/** Rows that a judge leaves open are a result; nothing answered at all is a failure. */
function refuseSilence(models: readonly JournaledModel[], results: Results, out: string): void {
  if (!models.some(({ calls }) => calls.made + calls.reused === 0)) return;
  const empty = Object.entries(results).find(([, { n, missing }]) => n === 0 && missing > 0);
  if (empty)
    throw new FailureError(
      `eval ${empty[0]}: none of its ${empty[1].missing} rows could be scored; ${out}/samples says why of each`,
    );
}

/** As the scripts of Response Tuning choose it: in the model's own folder, or by its name. */
function defaultFolder(model: string, layout: "rt" | undefined): string {
  if (layout !== "rt") return `eval/${shortName(model)}`;
  const isFolder = existsSync(model) && statSync(model).isDirectory();
  return isFolder ? join(model, "evals") : join("outputs", "remote_models", shortName(model), "evals");
}

/** `openai:org/Big@http://…` → `Big`; a path's last part. */
function shortName(reference: string): string {
  const name = basename(reference.split(/@https?:\/\//)[0]!.replace(/[/\\]+$/, ""));
  return name.replace(/^(?:openai|hf|pip|bundled):/, "").replace(/\.(?:gguf|jsonl?|csv)$/i, "") || "model";
}
