import { UsageError } from "../../errors.js";
import { sha256 } from "../../files/sha256.js";
import { bootstrapRatio } from "../../metrics/bootstrap-ratio.js";
import { Random } from "../../random/counter.js";
import type { Message } from "../../tokenizer/chat-template.js";
import { type Exchange, loadExchanges } from "../exchanges.js";
import { type MetricValue, plainMetric, type Sample, type SuiteOutput } from "../results.js";
import type { Score } from "../score-in-blocks.js";
import { askScores, MAX_TOKENS, scoreAsked, scoreProblem } from "../score-responses.js";
import type { SuiteContext } from "../suite.js";

/**
 * How probable are reference responses, and how much of that do their instructions give? Each is scored after its own
 * instruction, after another row's, and after none. Figures are over tokens: a row counts by its length.
 */
export async function runReferenceLikelihood(context: SuiteContext): Promise<SuiteOutput> {
  if (!context.model) throw new UsageError("reference_likelihood: scores a model; name it with --model");
  const rows = context.files.reference_likelihood;
  if (!rows) throw new UsageError("reference_likelihood: name held-out rows with --rows reference_likelihood=DATA");
  const { seed = 0 } = context;
  const loaded = await loadExchanges(context, rows, context.limit ?? Number.POSITIVE_INFINITY);
  const { exchanges } = loaded;
  const others = exchanges.map((_, i) => anotherInstruction(exchanges, i, seed));
  const ways = { own: exchanges.map(({ turns }) => [turns]), other: others, none: exchanges.map(alone) };
  const asked = Object.entries(ways).map(([way, conversations]) => [way, askScores(context, conversations)] as const);
  const scores: Record<string, (Score[] | undefined)[]> = {};
  for (const [way, requests] of asked)
    scores[way] = await scoreAsked(context, `reference_likelihood, instruction: ${way}`, requests);
  const samples = exchanges.map(({ turns }, index): LikelihoodSample => {
    const base = { index, instruction: turns.at(-2)!.content, response: turns.at(-1)!.content };
    const [own, other, none] = ["own", "other", "none"].map((way) => scores[way]![index]?.[0]);
    const problem = own ? scoreProblem([own]) : "the chat template refuses the turns";
    if (problem) return { ...base, missing: problem };
    // Scores can be compared where the very same tokens were scored.
    const same = (score: Score | undefined): number | undefined =>
      score && scoreProblem([score]) === undefined && score.tokens === own!.tokens ? score.logprob : undefined;
    return { ...base, tokens: own!.tokens, own: own!.logprob, other: same(other), none: same(none) };
  });
  const counted = samples.filter((sample) => sample.missing === undefined);
  return {
    results: {
      reference_likelihood: {
        n: counted.length,
        missing: samples.length - counted.length + loaded.invalid,
        metrics: metricsOf(counted),
        details: {
          tokens: counted.reduce((sum, { tokens }) => sum + tokens!, 0),
        },
        config: {
          seed,
          max_tokens: MAX_TOKENS,
          chat_template: context.template ?? "tulu",
          ...(context.limit === undefined ? {} : { limit: context.limit }),
          data: rows,
          rows: loaded.files,
          ...(loaded.extent ? { extent: loaded.extent } : {}),
          requests_sha256: sha256(JSON.stringify(asked)),
        },
      },
    },
    samples: { reference_likelihood: samples },
  };
}

interface LikelihoodSample extends Sample {
  tokens?: number;
  /** Sums of log-probabilities (natural) after the own instruction, another one, and none. */
  own?: number;
  other?: number;
  none?: number;
  missing?: string;
}

const alone = ({ turns }: Exchange): Message[][] => [turns.slice(-1)];

/** The response after the turns of another row, whose instruction is not the same text; none where there is no such row. */
function anotherInstruction(exchanges: readonly Exchange[], index: number, seed: number): Message[][] {
  const { turns } = exchanges[index]!;
  const asks = (each: Exchange): string => JSON.stringify(each.turns.slice(0, -1));
  const own = asks(exchanges[index]!);
  const random = new Random("reference-likelihood", seed, index);
  const first = Math.floor(random.uniform() * exchanges.length);
  for (let step = 0; step < exchanges.length; step++) {
    const other = exchanges[(first + step) % exchanges.length]!;
    if (asks(other) !== own) return [[...other.turns.slice(0, -1), turns.at(-1)!]];
  }
  return [];
}

function metricsOf(samples: readonly LikelihoodSample[]): Record<string, MetricValue> {
  const perToken = (of: (sample: LikelihoodSample) => number | undefined): MetricValue => {
    const { value, stderr } = bootstrapRatio(
      samples.flatMap((sample) => {
        const numerator = of(sample);
        return numerator === undefined ? [] : [[numerator, sample.tokens!] as const];
      }),
    );
    return plainMetric(value, stderr);
  };
  const gained = (from: "other" | "none") =>
    perToken((sample) => (sample[from] === undefined ? undefined : (sample.own! - sample[from]) / Math.LN2));
  return {
    logprob_per_token: perToken(({ own }) => own),
    logprob_per_token_other: perToken(({ other }) => other),
    logprob_per_token_none: perToken(({ none }) => none),
    bits_per_token: gained("none"),
    bits_per_token_over_other: gained("other"),
  };
}
