import { locatePinnedFile } from "../../data/pinned-file.js";
import type { GenerateRequest, GenerateResult } from "../../llm/language-model.js";
import { areOutputsSwitched } from "../../metrics/alpaca-preference.js";
import type { Message } from "../../tokenizer/chat-template.js";
import { answerConfig, type WrittenAnswer, writeAnswers } from "../answers.js";
import { EVAL_FILES } from "../eval-files.js";
import { shellWord } from "../hand-over.js";
import { type JudgePrompt, loadJudgePrompt } from "../judge-prompt.js";
import { askJudge, type Judged, judgingCounts } from "../judging.js";
import { originalAlpacaPrompt } from "../originals.js";
import { pairAnswers, readAnswerFiles } from "../paired-answers.js";
import { readCases } from "../read-cases.js";
import { type MetricValue, meanMetric, plainMetric, type Sample, type SuiteOutput } from "../results.js";
import type { SuiteContext } from "../suite.js";
import {
  type Annotation,
  type AnnotationReport,
  difficultyInstructions,
  reportAnnotations,
} from "./alpaca-annotations.js";
import { writeAlpacaInputs, writeAnnotations } from "./alpaca-files.js";
import { type Preference, readPreference } from "./alpaca-verdict.js";

const MAX_NEW_TOKENS = 2048;
const MAX_JUDGE_TOKENS = 1;
const JUDGE_ALTERNATIVES = 5;

/**
 * AlpacaEval 2 (Dubois et al. 2024, arXiv 2404.04475): answers to 805 instructions, each compared by a judge with a
 * reference's answer. Writes `model_outputs.json` and `annotations.json` in the public formats.
 */
export async function runAlpacaEval(context: SuiteContext): Promise<SuiteOutput> {
  const path = context.files.alpaca_eval ?? (await locatePinnedFile(EVAL_FILES.alpacaEval, context.source));
  const {
    cases: rows,
    invalid,
    files,
  } = await readCases(context, path, (row) => ({
    instruction: row.text("instruction"),
    dataset: row.optionalText("dataset") ?? "alpaca_eval",
  }));
  const instructions = rows.map(({ instruction }) => instruction);
  const answers = await writeAnswers(context, instructions, { label: "alpaca_eval", maxTokens: MAX_NEW_TOKENS });
  const outputs = answers.flatMap(({ output }, i) => (output === undefined ? [] : [{ ...rows[i]!, output }]));
  const script = writeAlpacaInputs(context, outputs);

  const characters = meanMetric(outputs.map(({ output }) => [...output].length));
  const empty = outputs.filter(({ output }) => output === "").length;
  if (!context.judge) {
    context.say(`alpaca_eval: no --judge given; wrote the answers only. To judge them with the original tool:`);
    context.say(`  bash ${shellWord(script)}`);
    const samples = rows.map((_, i) => sampleBase(instructions[i]!, answers[i]!, i));
    const missing = samples.length - outputs.length + invalid;
    const result = {
      n: outputs.length,
      missing,
      metrics: { characters },
      details: { empty, judged: false },
      config: { ...answerConfig(context, MAX_NEW_TOKENS), rows: files },
    };
    return { results: { alpaca_eval: result }, samples: { alpaca_eval: samples } };
  }

  // Told before the judge is paid: a table that cannot be read, or whose instructions are not at hand.
  const official =
    context.difficulty === undefined ? [] : await difficultyInstructions(context.difficulty, context.source);
  const reference = await readReference(context, instructions);
  const prompt =
    context.originalPrompts && context.judgePrompt === undefined
      ? await originalAlpacaPrompt(context.source)
      : loadJudgePrompt("alpaca-eval", ["instruction", "output_1", "output_2"], context.judgePrompt);
  const comparisons = instructions.map((instruction, i) =>
    comparisonOf(context, prompt, instruction, answers[i]!, reference.outputs[i]),
  );
  const asked = comparisons.filter(({ request }) => request);
  const requests = asked.map(({ request }) => request!);
  const judged = await askJudge(context, context.judge, "alpaca_eval: judging", requests, (reply, i) =>
    readPreference(reply, asked[i]!.switched!),
  );
  const judgedOf = new Map(asked.map((comparison, i) => [comparison, judged[i]!]));
  const samples = comparisons.map((comparison, i) => ({
    ...sampleBase(instructions[i]!, answers[i]!, i),
    ...verdictOf(comparison, judgedOf.get(comparison)),
  })) as Sample[];
  const fromText = sayFromText(context, judged);
  const annotations = annotationsOf(context, instructions, samples, comparisons);
  writeAnnotations(
    context,
    annotations.map((row) => ({ ...row, generator_1: reference.name, annotator: context.judgeName })),
  );
  const report = reportAnnotations(annotations, { difficulty: context.difficulty, instructions: official });
  const { winRate: wins, lengthControlled } = report;
  const details = {
    empty,
    wins: wins.wins,
    losses: wins.losses,
    draws: wins.draws,
    from_text: fromText,
    judge: judgingCounts(judged),
    ...(lengthControlled
      ? { lc_difficulty: lengthControlled.difficulty }
      : { lc_problem: report.lengthControlledProblem }),
  };
  const config = {
    ...answerConfig(context, MAX_NEW_TOKENS, [prompt.origin]),
    rows: files,
    judge: context.judgeName,
    judge_prompt_sha256: prompt.sha256,
    judge_max_new_tokens: context.judgeMaxNewTokens ?? MAX_JUDGE_TOKENS,
    reference: reference.name,
    reference_file: reference.file,
    judge_seed: context.seed ?? 0,
  };
  const missing = samples.length - wins.n + invalid;
  const metrics = { ...winMetrics(report), characters };
  return {
    results: { alpaca_eval: { n: wins.n, missing, metrics, details, config } },
    samples: { alpaca_eval: samples },
  };
}

interface Comparison {
  problem?: string;
  isDraw?: boolean;
  switched?: boolean;
  /** The reference's output. */
  other?: string;
  request?: GenerateRequest;
}

function comparisonOf(
  context: SuiteContext,
  prompt: JudgePrompt,
  instruction: string,
  { output, problem }: WrittenAnswer,
  other: string | undefined,
): Comparison {
  if (output === undefined) return { problem: problem ?? "no answer" };
  if (other === undefined) return { problem: "the reference has no answer to it" };
  // As in the original, equal outputs are a draw and no question to the judge.
  if (output === other) return { other, isDraw: true };
  const switched = areOutputsSwitched(instruction);
  const [output_1, output_2] = switched ? [output, other] : [other, output];
  return { switched, other, request: judgeRequest(context, prompt.messages({ instruction, output_1, output_2 })) };
}

/** Rows of the public format: all whose reference has an answer. */
function annotationsOf(
  { generator }: SuiteContext,
  instructions: readonly string[],
  samples: readonly Sample[],
  comparisons: readonly Comparison[],
): Annotation[] {
  return samples.flatMap(({ output, preference }, i) => {
    const { other } = comparisons[i]!;
    if (other === undefined) return [];
    return [
      {
        instruction: instructions[i]!,
        output_1: other,
        output_2: String(output),
        generator_2: generator,
        preference: (preference as number | undefined) ?? null,
      },
    ];
  });
}

/** How many preferences are whole for want of log-probabilities; told, as they are coarser. */
function sayFromText({ say }: SuiteContext, judged: readonly Judged<Preference>[]): number {
  const count = judged.filter(({ verdict }) => verdict?.isFromText).length;
  if (count > 0)
    say(
      `alpaca_eval: ${count} of ${judged.length} preferences are whole (1 or 2), read from the judge's text: it gave no log-probability of the letters`,
    );
  return count;
}

function winMetrics({ winRate: wins, lengthControlled, how }: AnnotationReport): Record<string, MetricValue> {
  const metrics: Record<string, MetricValue> = { win_rate: plainMetric(wins.winRate, wins.standardError) };
  if (lengthControlled) {
    const { winRate, standardError, difficulty } = lengthControlled;
    metrics.lc_win_rate = { ...plainMetric(winRate, difficulty === "none" ? Number.NaN : standardError), how };
  }
  metrics.discrete_win_rate = plainMetric(wins.discreteWinRate);
  return metrics;
}

const judgeRequest = ({ judgeMaxNewTokens, seed = 0 }: SuiteContext, messages: Message[]): GenerateRequest => ({
  messages,
  maxTokens: judgeMaxNewTokens ?? MAX_JUDGE_TOKENS,
  temperature: 1,
  logprobs: JUDGE_ALTERNATIVES,
  seed,
});

function sampleBase(
  instruction: string,
  { output, problem }: { output?: string; problem?: string },
  index: number,
): Sample {
  return { index, instruction, ...(output === undefined ? { missing: problem ?? "no answer" } : { output }) };
}

function verdictOf({ problem, isDraw, switched, other }: Comparison, judged?: Judged<Preference>): Sample {
  if (problem !== undefined) return { missing: problem };
  if (isDraw) return { reference: other, preference: 1.5 };
  const { reply, verdict, retries } = judged!;
  const given = { reference: other, switched, ...(retries > 0 ? { judge_retries: retries } : {}) };
  if (reply instanceof Error) return { ...given, missing: `the judge failed: ${reply.message}` };
  const raw = { judgement: reply.text, top_logprobs: reply.logprobs?.[0]?.top ?? [] };
  if (!verdict) return { ...given, ...raw, missing: whyUnread(reply) };
  return { ...given, ...raw, preference: verdict.preference, ...(verdict.isFromText ? { from_text: true } : {}) };
}

function whyUnread({ text, finishReason }: GenerateResult): string {
  if (/^\s*(?:<[a-z|]|$)/i.test(text) && finishReason === "length")
    return "the judge was still thinking; allow it more with --judge-max-new-tokens";
  return 'the judge names neither "m" nor "M"';
}

/** Outputs of the reference, one an instruction. */
async function readReference(
  context: SuiteContext,
  instructions: readonly string[],
): Promise<{ name: string; file: string; outputs: (string | undefined)[] }> {
  const path = context.reference ?? (await locatePinnedFile(EVAL_FILES.alpacaReference, context.source));
  const file = await readAnswerFiles([path]);
  const outputs = pairAnswers(file, instructions, context.limit !== undefined);
  return { name: file.generator ?? "reference", file: path, outputs };
}
