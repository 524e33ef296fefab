import type { GenerateRequest, GenerateResult } from "../../llm/language-model.js";
import { parseRefusalLabel, type RefusalLabel } from "../../metrics/refusal-metrics.js";
import { labelAgreement, labelByPhrases } from "../../metrics/refusal-phrases.js";
import { answerConfig, type WrittenAnswer, writeAnswers } from "../answers.js";
import { type JudgePrompt, loadJudgePrompt } from "../judge-prompt.js";
import { originalRefusalPrompt } from "../originals.js";
import type { Sample, SuiteOutput } from "../results.js";
import { answersOf, type SuiteContext } from "../suite.js";
import { refusalReport } from "./refusal-report.js";
import { loadRefusalPrompts, type RefusalPrompt, type RefusalSet } from "./refusal-sets.js";

const MAX_NEW_TOKENS = 2048;
const MAX_JUDGE_TOKENS = 512;

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
    context.judge && context.originalPrompts
      ? await originalRefusalPrompt(context.source)
      : loadJudgePrompt("refusal", ["instruction", "output"], context.judgePrompt);
  const judged = context.judge ? await judge(set, prompts, answers, prompt, context) : undefined;
  const samples = prompts.map((each, i) => sampleOf(each, answers[i]!, i, judged?.[i]));
  const present = samples.filter((sample) => sample.missing === undefined);
  const labelOf = (sample: Sample) => (judged ? sample.label : sample.phrases_label) as RefusalLabel | undefined;
  const { metrics, details } = refusalReport(
    set,
    present.map((sample) => ({ label: labelOf(sample) ?? undefined, tags: prompts[sample.index as number]!.tags })),
  );
  const agreement = judged
    ? labelAgreement(
        present.map((sample) => sample.label as RefusalLabel | undefined),
        present.map((sample) => sample.phrases_label as RefusalLabel),
      )
    : undefined;
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
        },
        config: {
          ...answerConfig(context, MAX_NEW_TOKENS),
          rows: files,
          judge: context.judge ? context.judgeName : "phrases",
          ...(context.judge ? { judge_prompt_sha256: prompt.sha256 } : {}),
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
): Promise<(GenerateResult | Error | undefined)[]> {
  const places: number[] = [];
  const requests: GenerateRequest[] = [];
  for (const [i, { output }] of answers.entries()) {
    if (output === undefined) continue;
    places.push(i);
    const messages = prompt.messages({ instruction: prompts[i]!.instruction, output });
    requests.push({ messages, maxTokens: context.judgeMaxNewTokens ?? MAX_JUDGE_TOKENS, temperature: 0 });
  }
  const results = await answersOf(context, context.judge!, `${set}: judging`, requests);
  const judged = new Array<GenerateResult | Error | undefined>(answers.length);
  for (const [at, place] of places.entries()) judged[place] = results[at];
  return judged;
}

function sampleOf(
  { instruction, tags }: RefusalPrompt,
  { output, problem }: WrittenAnswer,
  index: number,
  judgement: GenerateResult | Error | undefined,
): Sample {
  const given = { index, instruction, ...tags };
  if (output === undefined) return { ...given, missing: problem ?? "no answer" };
  const answered = { ...given, output, phrases_label: labelByPhrases(output) };
  if (judgement === undefined) return answered;
  if (judgement instanceof Error) return { ...answered, missing: `the judge failed: ${judgement.message}` };
  return { ...answered, judgement: judgement.text, label: parseRefusalLabel(judgement.text) ?? null };
}
