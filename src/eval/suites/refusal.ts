import type { RefusalLabel } from "../../metrics/refusal-metrics.js";
import { labelAgreement, labelByPhrases } from "../../metrics/refusal-phrases.js";
import { parseRefusalVerdict } from "../../metrics/refusal-verdict.js";
import { answerConfig, type WrittenAnswer, writeAnswers } from "../answers.js";
import { type JudgePrompt, loadJudgePrompt } from "../judge-prompt.js";
import { askJudge, type Judged, judgingCounts } from "../judging.js";
import { originalRefusalPrompt } from "../originals.js";
import type { Sample, SuiteOutput } from "../results.js";
import type { SuiteContext } from "../suite.js";
import { writeRefusalResults } from "./refusal-files.js";
import { refusalReport } from "./refusal-report.js";
import { loadRefusalPrompts, type RefusalPrompt, type RefusalSet } from "./refusal-sets.js";

const MAX_NEW_TOKENS = 2048;
const MAX_JUDGE_TOKENS = 2048;

/**
 * Asks a refusal benchmark's prompts and has each answer classified. Without a judge the phrases of refusals decide,
 * and the results say so; with one, its agreement with the phrases is reported.
 */
export async function runRefusalSet(set: RefusalSet, context: SuiteContext): Promise<SuiteOutput> {
  const { cases: prompts, invalid, files } = await loadRefusalPrompts(set, context);
  const answers = await writeAnswers(
    context,
    prompts.map(({ instruction }) => instruction),
    { label: set, maxTokens: MAX_NEW_TOKENS },
  );
  const prompt =
    context.judge && context.originalPrompts && context.judgePrompt === undefined
      ? await originalRefusalPrompt(context.source)
      : loadJudgePrompt("refusal", ["instruction", "output"], context.judgePrompt);
  const judged = context.judge ? await judge(set, prompts, answers, prompt, context) : undefined;
  const samples = prompts.map((each, i) => sampleOf(each, answers[i]!, i, judged?.[i]));
  const present = samples.filter((sample) => sample.missing === undefined);
  const labelOf = (sample: Sample) =>
    (judged ? sample.refusal_clf_label : sample.phrases_label) as RefusalLabel | undefined;
  const { metrics, details } = refusalReport(
    set,
    present.map((sample) => ({ label: labelOf(sample) ?? undefined, tags: prompts[sample.index as number]!.tags })),
  );
  const agreement = judged
    ? labelAgreement(
        present.map((sample) => sample.refusal_clf_label as RefusalLabel | undefined),
        present.map((sample) => sample.phrases_label as RefusalLabel),
      )
    : undefined;
  if (judged && context.layout === "rt") writeRefusalResults(set, context, present);
  return {
    results: {
      [set]: {
        n: present.length,
        missing: samples.length - present.length + invalid,
        metrics,
        details: {
          ...details,
          empty: present.filter(({ output }) => output === "").length,
          ...(agreement ? { phrases_agreement: agreement } : {}),
          ...(judged ? { judge: judgingCounts(judged.filter((each) => each !== undefined)) } : {}),
        },
        config: {
          ...answerConfig(context, MAX_NEW_TOKENS, context.judge ? [prompt.origin] : []),
          rows: files,
          judge: context.judge ? context.judgeName : "phrases",
          ...(context.judge
            ? {
                judge_prompt_sha256: prompt.sha256,
                judge_max_new_tokens: context.judgeMaxNewTokens ?? MAX_JUDGE_TOKENS,
              }
            : {}),
        },
      },
    },
    samples: { [set]: samples },
  };
}

async function judge(
  set: RefusalSet,
  prompts: readonly RefusalPrompt[],
  answers: readonly WrittenAnswer[],
  prompt: JudgePrompt,
  context: SuiteContext,
): Promise<(Judged<RefusalLabel> | undefined)[]> {
  const places = answers.flatMap(({ output }, i) => (output === undefined ? [] : [i]));
  const requests = places.map((i) => ({
    messages: prompt.messages({ instruction: prompts[i]!.instruction, output: answers[i]!.output! }),
    maxTokens: context.judgeMaxNewTokens ?? MAX_JUDGE_TOKENS,
    temperature: 0,
  }));
  const replies = await askJudge(context, context.judge!, `${set}: judging`, requests, ({ text, finishReason }) =>
    parseRefusalVerdict(text, finishReason),
  );
  const judged = new Array<Judged<RefusalLabel> | undefined>(answers.length);
  for (const [at, place] of places.entries()) judged[place] = replies[at];
  return judged;
}

function sampleOf(
  { instruction, tags }: RefusalPrompt,
  { output, problem }: WrittenAnswer,
  index: number,
  judged: Judged<RefusalLabel> | undefined,
): Sample {
  // XSTest's prompts are labelled themselves; the judge's label must not hide that.
  const given = { index, instruction, ...tags, ...(tags.label === undefined ? {} : { prompt_type: tags.label }) };
  if (output === undefined) return { ...given, missing: problem ?? "no answer" };
  const answered = { ...given, output, phrases_label: labelByPhrases(output) };
  if (judged === undefined) return answered;
  const { reply, verdict, retries } = judged;
  if (reply instanceof Error) return { ...answered, missing: `the judge failed: ${reply.message}` };
  return {
    ...answered,
    judgement: reply.text,
    refusal_clf_label: verdict ?? null,
    ...(reply.finishReason === "length" ? { judgement_cut_off: true } : {}),
    ...(retries > 0 ? { judge_retries: retries } : {}),
  };
}
