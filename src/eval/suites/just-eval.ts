import { dirname } from "node:path";
import { locatePinnedFile } from "../../data/pinned-file.js";
import { readRows } from "../../data/read-rows.js";
import { UsageError } from "../../errors.js";
import type { GenerateRequest } from "../../llm/language-model.js";
import { type JustEvalMetrics, justEvalMetrics, type NotApplicable } from "../../metrics/just-eval-metrics.js";
import {
  type Judgement,
  parseJudgement,
  REGULAR_ASPECTS,
  readJudgement,
  SAFETY_ASPECTS,
} from "../../metrics/just-eval-parse.js";
import { answerConfig, type WrittenAnswer, writeAnswers } from "../answers.js";
import { EVAL_FILES } from "../eval-files.js";
import { shellWord } from "../hand-over.js";
import { type JudgePrompt, loadJudgePrompt } from "../judge-prompt.js";
import { askJudge, type Judged, judgingCounts } from "../judging.js";
import { originalJustEvalPrompt } from "../originals.js";
import { readCases } from "../read-cases.js";
import { type MetricValue, plainMetric, type Sample, type SuiteOutput } from "../results.js";
import type { SuiteContext } from "../suite.js";
import {
  type Question,
  userTurn,
  writeJustEvalInputs,
  writeJustEvalJudgements,
  writeScriptMetrics,
} from "./just-eval-files.js";

const MAX_NEW_TOKENS = 2048;
const MAX_JUDGE_TOKENS = 2048;
/** The original tool's limit, which goes with its prompts. */
const ORIGINAL_JUDGE_TOKENS = 1024;

/** just-eval (Lin et al. 2023, arXiv 2312.01552): 800 regular prompts on five aspects, 200 on safety, by a judge. */
export async function runJustEval(context: SuiteContext): Promise<SuiteOutput> {
  const path = context.files.just_eval ?? (await locatePinnedFile(EVAL_FILES.justEval, context.source));
  const {
    cases: questions,
    invalid,
    files,
  } = await readCases(context, path, (row, i): Question => {
    const id = row.has("id") ? row.integer("id") : i;
    const category = row.optionalText("category");
    const isSafety = category ? category === "safety" : id >= 800;
    return { id, instruction: row.text("instruction"), isSafety, fields: row.fields };
  });
  const answers = await writeAnswers(
    context,
    questions.map(({ instruction }) => instruction),
    { label: "just_eval", maxTokens: MAX_NEW_TOKENS },
  );
  const scripts = writeJustEvalInputs(context, questions, answers);
  const written = answers.filter(({ output }) => output !== undefined).length;
  const empty = answers.filter(({ output }) => output === "").length;
  if (!context.judge) {
    context.say("just_eval: no --judge given; wrote the answers only. To judge them with the original tool:");
    for (const script of scripts) context.say(`  bash ${shellWord(script)}`);
    const samples = questions.map((question, i) => sampleOf(question, answers[i]!));
    const result = {
      n: written,
      missing: answers.length - written + invalid,
      metrics: {},
      details: { empty, judged: false },
      config: { ...answerConfig(context, MAX_NEW_TOKENS), rows: files },
    };
    return { results: { just_eval: result }, samples: { just_eval: samples } };
  }
  const regular = await judgePrompt("regular", context);
  const safety = await judgePrompt("safety", context);
  const maxTokens = ({ origin }: JudgePrompt): number =>
    context.judgeMaxNewTokens ?? (origin.origin === "original" ? ORIGINAL_JUDGE_TOKENS : MAX_JUDGE_TOKENS);
  const places = answers.flatMap(({ output }, i) => (output === undefined ? [] : [i]));
  const requests = places.map((i): GenerateRequest => {
    const { instruction, isSafety } = questions[i]!;
    const prompt = isSafety ? safety : regular;
    const messages = prompt.messages({ instruction, output: answers[i]!.output! });
    return { messages, maxTokens: maxTokens(prompt), temperature: 0 };
  });
  const judged = await askJudge(context, context.judge, "just_eval: judging", requests, ({ text, finishReason }, i) =>
    parseJudgement(text, questions[places[i]!]!.isSafety ? SAFETY_ASPECTS : REGULAR_ASPECTS, finishReason),
  );
  const judgedAt = new Map(places.map((place, i) => [place, judged[i]!]));
  const samples = questions.map((question, i) => sampleOf(question, answers[i]!, judgedAt.get(i)));
  writeJustEvalJudgements(
    context,
    questions,
    questions.map(({ instruction, isSafety }, i) => {
      const verdict = judgedAt.get(i)?.verdict;
      const output = answers[i]!.output;
      if (!verdict || output === undefined) return undefined;
      return { output, verdict, prompt: userTurn(isSafety ? safety : regular, { instruction, output }) };
    }),
  );
  const report = justEvalMetrics(questions.map((_, i) => judgedAt.get(i)?.verdict));
  const asked = [
    ...(questions.some(({ isSafety }) => !isSafety) ? [regular.origin] : []),
    ...(questions.some(({ isSafety }) => isSafety) ? [safety.origin] : []),
  ];
  const config = {
    ...answerConfig(context, MAX_NEW_TOKENS, asked),
    rows: files,
    judge: context.judgeName,
    judge_prompt_sha256: regular.sha256,
    safety_prompt_sha256: safety.sha256,
    judge_max_new_tokens: maxTokens(regular),
  };
  const details = {
    empty,
    unparsed: places.length - report.parsed,
    not_applicable: countsOf(report, "notApplicable"),
    out_of_range: countsOf(report, "outOfRange"),
    unreadable_scores: countsOf(report, "unreadable"),
    judge: judgingCounts(judged),
  };
  return {
    results: {
      just_eval: {
        n: report.parsed,
        missing: questions.length - report.parsed + invalid,
        metrics: justEvalMetricValues(report),
        details,
        config,
      },
    },
    samples: { just_eval: samples },
  };
}

const PLACES = ["instruction", "output"];

/** The prompt for one kind of row: the file named, the original, or evoke's own. */
async function judgePrompt(rows: "regular" | "safety", context: SuiteContext): Promise<JudgePrompt> {
  const file = rows === "safety" ? context.judgeSafetyPrompt : context.judgePrompt;
  const prompt =
    file === undefined && context.originalPrompts
      ? await originalJustEvalPrompt(rows, context.source)
      : loadJudgePrompt(`just-eval-${rows}`, PLACES, file);
  return rows === "safety" ? { ...prompt, origin: { ...prompt.origin, use: "judge of safety" } } : prompt;
}

/** Of each aspect, the rows whose score is in no mean for one reason. */
function countsOf(
  report: JustEvalMetrics,
  reason: "notApplicable" | "outOfRange" | "unreadable",
): Record<string, number> {
  return Object.fromEntries(Object.entries(report.aspects).map(([aspect, counts]) => [aspect, counts[reason]]));
}

function sampleOf(
  { id, instruction, isSafety }: Question,
  { output, problem }: WrittenAnswer,
  judged?: Judged<Judgement>,
): Sample {
  const given = { index: id, instruction, category: isSafety ? "safety" : "regular" };
  if (output === undefined) return { ...given, missing: problem ?? "no answer" };
  if (judged === undefined) return { ...given, output };
  const { reply, verdict, retries } = judged;
  if (reply instanceof Error) return { ...given, output, missing: `the judge failed: ${reply.message}` };
  const answered = { ...given, output, judgement: reply.text, ...(retries > 0 ? { judge_retries: retries } : {}) };
  if (verdict) return { ...answered, scores: verdict };
  const why = reply.finishReason === "length" ? "is cut off" : "cannot be read";
  return { ...answered, missing: `the judgement ${why}` };
}

/** Mean of each aspect and of the aspects' means. */
function justEvalMetricValues(report: JustEvalMetrics): Record<string, MetricValue> {
  const metrics = Object.fromEntries(
    Object.entries(report.aspects).flatMap(([aspect, { n, mean, stderr }]) =>
      n > 0 ? [[aspect, plainMetric(mean, stderr)]] : [],
    ),
  );
  return { ...metrics, overall: plainMetric(report.overall, report.overallStderr) };
}

export interface JudgementReport {
  n: number;
  parsed: number;
  unparsed_ids: unknown[];
  metrics: Record<string, MetricValue>;
  /** Of each aspect, the rows without a score of the scale: in no mean. */
  out_of_range: Record<string, number>;
  unreadable_scores: Record<string, number>;
}

/**
 * Metrics of files of the original tool (its regular and its safety rows, say): rows with `parsed_result`, or a raw `result` that is read
 * here.
 *
 * @param layout "rt": writes `metrics_N.json` beside the first file, as Response Tuning's metrics script does.
 */
export async function reportJudgements(
  paths: readonly string[],
  notApplicable: NotApplicable = "missing",
  layout?: "rt",
): Promise<JudgementReport> {
  const judgements: (Judgement | undefined)[] = [];
  const unparsed: unknown[] = [];
  const places = new Map<unknown, string>();
  for (const path of paths)
    for await (const { row, line } of readRows(path)) {
      const { parsed_result: parsed, result } = row;
      if (parsed === undefined && result === undefined)
        throw new UsageError(`${path}:${line}: expected a field "parsed_result" or "result", as just-eval writes them`);
      const earlier = row.id === undefined ? undefined : places.get(row.id);
      if (earlier)
        throw new UsageError(
          `${path}:${line}: row ${JSON.stringify(row.id)} is judged at ${earlier}, too; give the rows of one model, each once`,
        );
      places.set(row.id, `${path}:${line}`);
      const judgement = readJudgement(parsed) ?? (typeof result === "string" ? parseJudgement(result) : undefined);
      if (!judgement) unparsed.push(row.id ?? line);
      judgements.push(judgement);
    }
  if (judgements.length === 0) throw new UsageError(`${paths.join(", ")}: holds no judgements`);
  const report = justEvalMetrics(judgements, notApplicable);
  if (layout === "rt") writeScriptMetrics(dirname(paths[0]!), judgements.length, report);
  return {
    n: report.n,
    parsed: report.parsed,
    unparsed_ids: unparsed,
    metrics: justEvalMetricValues(report),
    out_of_range: countsOf(report, "outOfRange"),
    unreadable_scores: countsOf(report, "unreadable"),
  };
}
