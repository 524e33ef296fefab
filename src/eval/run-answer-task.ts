import { ownOrigin, type PromptOrigin } from "../data/prompt-origin.js";
import { UsageError } from "../errors.js";
import { sha256 } from "../files/sha256.js";
import type { GenerateRequest, GenerateResult } from "../llm/language-model.js";
import { exactMatch, extractAnswer } from "../metrics/exact-match.js";
import { loadSplit } from "./load-rows.js";
import { originalGsm8kShots } from "./originals.js";
import { contextOf, messagesOf, ShotSampler } from "./prompts.js";
import { meanMetric, type Sample, type SuiteOutput } from "./results.js";
import { answersOf, conversationRequest, type SuiteContext } from "./suite.js";
import type { AnswerDoc, AnswerTask, Shot } from "./task.js";

interface Prepared {
  index: number;
  doc?: AnswerDoc;
  request?: GenerateRequest;
  problem?: string;
}

/** Runs a benchmark whose answers are written: greedy, then found in the text by each filter and compared. */
export async function runAnswerTask(declared: AnswerTask, context: SuiteContext): Promise<SuiteOutput> {
  const { source, skipInvalid, limit } = context;
  const shots = context.shots ?? declared.shots;
  const { task, origin } = await withFixedShots(declared, shots, context);
  const invalid: string[] = [];
  const loaded = await loadSplit(task.data, task.split, {
    ...source,
    file: context.files[task.name],
    ...(skipInvalid ? { onInvalid: (message: string) => void invalid.push(message) } : {}),
  });
  const pool = shots > 0 && !task.fewShot.fixed ? await loadSplit(task.data, task.fewShot.split, source) : undefined;
  const sampler = new ShotSampler(task, pool?.rows ?? [], shots);
  const prepared = loaded.rows.slice(0, limit).map((row, index): Prepared => {
    try {
      const drawn = sampler.next(row);
      const doc = task.read(row);
      return { index, doc, request: requestOf(task, doc, drawn, context) };
    } catch (error) {
      if (!skipInvalid || !(error instanceof UsageError)) throw error;
      return { index, problem: error.message };
    }
  });
  const asked = prepared.filter(({ request }) => request !== undefined);
  const answers = await answersOf(
    context,
    context.model!,
    task.name,
    asked.map(({ request }) => request!),
  );
  const answerOf = new Map(asked.map((row, i) => [row, answers[i]!]));
  const samples = prepared.map((row) => sampleOf(task, row, answerOf.get(row)));
  const scored = samples.filter((sample) => sample.missing === undefined);
  const count = (test: (sample: Sample) => boolean): number => scored.filter(test).length;
  const metric = (name: string) => meanMetric(scored.map((sample) => sample[name] as number));
  return {
    results: {
      [task.name]: {
        n: scored.length,
        missing: samples.length - scored.length + invalid.length,
        metrics: {
          exact_match_strict: metric("exact_match_strict"),
          exact_match_flexible: metric("exact_match_flexible"),
        },
        details: {
          empty: count(({ output }) => output === ""),
          cut_off: count(({ finish_reason }) => finish_reason === "length"),
          truncated: count(({ truncated }) => truncated === true),
        },
        config: {
          task_version: task.version,
          split: task.split,
          shots,
          ...(task.fewShot.fixed ? { shots_sha256: sha256(JSON.stringify(task.fewShot.fixed)) } : {}),
          ...(origin ? { prompt_origins: [origin] } : {}),
          chat_template: context.template ?? (task.isChat ? "the model's" : "none"),
          max_new_tokens: context.maxNewTokens ?? task.maxTokens,
          ...(limit === undefined ? {} : { limit }),
          rows: loaded.files,
          ...(pool ? { shot_rows: pool.files } : {}),
          requests_sha256: sha256(JSON.stringify(prepared.map(({ request }) => request ?? null))),
        },
      },
    },
    samples: { [task.name]: samples },
  };
}

/** The task with its fixed worked examples: the original's where the run asks for them, else ours; and where they are from. */
async function withFixedShots(
  task: AnswerTask,
  count: number,
  { originalPrompts, source }: SuiteContext,
): Promise<{ task: AnswerTask; origin?: PromptOrigin }> {
  const { fixed } = task.fewShot;
  if (!fixed || count === 0) return { task };
  if (!originalPrompts) return { task, origin: ownOrigin("worked examples", JSON.stringify(fixed)) };
  const { shots, origin } = await originalGsm8kShots(source);
  return { task: { ...task, fewShot: { ...task.fewShot, fixed: shots } }, origin };
}

function requestOf(task: AnswerTask, doc: AnswerDoc, shots: readonly Shot[], context: SuiteContext): GenerateRequest {
  const rest = {
    maxTokens: context.maxNewTokens ?? task.maxTokens,
    temperature: 0,
    stop: [...task.stop],
    cutPrompt: true,
  };
  const isChat = context.template === undefined ? task.isChat : context.template !== "none";
  if (!isChat) return { prompt: contextOf(task, doc, shots), ...rest };
  return conversationRequest(context, messagesOf(doc, shots), rest);
}

function sampleOf(
  task: AnswerTask,
  { index, doc, request, problem }: Prepared,
  answer?: GenerateResult | Error,
): Sample {
  if (!doc || !request || problem) return { index, missing: problem ?? "not asked" };
  const given = {
    index,
    question: sha256(JSON.stringify([doc.context, doc.target])),
    ...(request.prompt === undefined ? { messages: request.messages } : { prompt: request.prompt }),
  };
  if (!answer || answer instanceof Error) return { ...given, missing: answer?.message ?? "no answer" };
  const strict = extractAnswer(answer.text, task.filters.strict);
  const flexible = extractAnswer(answer.text, task.filters.flexible);
  return {
    ...given,
    target: doc.target,
    output: answer.text,
    finish_reason: answer.finishReason,
    ...(answer.truncated ? { truncated: true } : {}),
    answer_strict: strict,
    answer_flexible: flexible,
    exact_match_strict: exactMatch(strict, doc.target),
    exact_match_flexible: exactMatch(flexible, doc.target),
  };
}
