import { UsageError } from "../../errors.js";
import { sha256 } from "../../files/sha256.js";
import { bootstrapRatio } from "../../metrics/bootstrap-ratio.js";
import {
  drawResponses,
  meanProbability,
  type RankedRow,
  type ResponseDraw,
  rankRow,
} from "../../metrics/response-ranking.js";
import { type Exchange, loadExchanges, withResponse } from "../exchanges.js";
import { type MetricValue, meanMetric, plainMetric, type Sample, type SuiteOutput } from "../results.js";
import type { Score } from "../score-in-blocks.js";
import { type Asked, askScores, MAX_TOKENS, scoreAsked, scoreProblem } from "../score-responses.js";
import type { SuiteContext } from "../suite.js";

/** The original's number of instructions, and of responses drawn for each. */
const ROWS = 1000;
const DRAWN = 5;

/**
 * Does the model find an instruction's own response more probable than responses to other instructions? The draw and the
 * score are the original's (arXiv 2409.14254, section 4.2); `pair_accuracy` is its figure. All other figures leave own
 * responses out of the drawn.
 */
export async function runResponseRanking(context: SuiteContext): Promise<SuiteOutput> {
  const { drawn = DRAWN, seed = 0 } = context;
  if (!context.model) throw new UsageError("response_ranking: scores a model; name it with --model");
  const rows = context.files.response_ranking ?? "alpaca";
  const loaded = await loadExchanges(context, rows, context.limit ?? ROWS);
  const { exchanges } = loaded;
  const responses = exchanges.flatMap((each) => each.responses);
  let place = 0;
  const own = exchanges.map((each) => (place += each.responses.length) - each.responses.length);
  const draws = drawResponses(own, responses, drawn, seed);
  const asked = askScores(
    context,
    exchanges.map(({ turns }, i) => [turns, ...ranked(draws[i]!).map((each) => withResponse(turns, responses[each]!))]),
  );
  // Asked apart: a template may render no response without an instruction, and the ranking stands without it.
  const alone = askScores(
    context,
    exchanges.map(({ turns }) => [turns.slice(-1)]),
  );
  const scores = await scoreAsked(context, "response_ranking", asked);
  const aloneScores = await scoreAsked(context, "response_ranking, responses alone", alone);
  const samples = exchanges.map((exchange, i) =>
    sampleOf(exchange, i, draws[i]!, scores[i], aloneScores[i], asked[i]!),
  );
  const counted = samples.filter((sample) => sample.missing === undefined);
  return {
    results: {
      response_ranking: {
        n: counted.length,
        missing: samples.length - counted.length + loaded.invalid,
        metrics: metricsOf(counted),
        details: {
          chance: { pair_accuracy: 0.5, top: 1 / (1 + drawn), reciprocal_rank: meanReciprocal(drawn + 1) },
          truncated: counted.filter(({ truncated }) => truncated).length,
        },
        config: {
          drawn,
          seed,
          max_tokens: MAX_TOKENS,
          chat_template: context.template ?? "tulu",
          ...(context.limit === undefined ? {} : { limit: context.limit }),
          data: rows,
          rows: loaded.files,
          ...(loaded.extent ? { extent: loaded.extent } : {}),
          requests_sha256: sha256(JSON.stringify([asked, alone])),
        },
      },
    },
    samples: { response_ranking: samples },
  };
}

/** Places of all responses that are ranked beside the own one: the original's draw, then the replacements. */
function ranked({ original, others }: ResponseDraw): number[] {
  return [...original, ...others.filter((each) => !original.includes(each))];
}

interface RankedSample extends Sample {
  ranked?: RankedRow;
  bits?: { gained: number; tokens: number };
  missing?: string;
  truncated?: true;
}

function sampleOf(
  { turns }: Exchange,
  index: number,
  draw: ResponseDraw,
  scores: Score[] | undefined,
  alone: Score[] | undefined,
  asked: Asked,
): RankedSample {
  const base = { index, instruction: turns.at(-2)!.content, response: turns.at(-1)!.content };
  const problem = "problem" in asked ? asked.problem : scoreProblem(scores!);
  if (problem !== undefined) return { ...base, missing: problem };
  const [own, ...others] = scores!;
  const places = ranked(draw);
  const scoreOf = (place: number): Score => others[places.indexOf(place)]!;
  const given = alone && scoreProblem(alone) === undefined ? alone[0]! : undefined;
  return {
    ...base,
    own: { logprob: own!.logprob, tokens: own!.tokens, probability: meanProbability(own!) },
    drawn: draw.original.map((place) => {
      const { logprob, tokens } = scoreOf(place);
      return { place, logprob, tokens, probability: meanProbability({ logprob, tokens }) };
    }),
    ranked: rankRow(own!, draw.original.map(scoreOf), draw.others.map(scoreOf)),
    // The same tokens are scored with and without the instruction, unless it pushed some out.
    ...(given && given.tokens === own!.tokens
      ? { alone: given.logprob, bits: { gained: (own!.logprob - given.logprob) / Math.LN2, tokens: own!.tokens } }
      : {}),
    ...(scores!.some(({ truncated }) => truncated) ? { truncated: true as const } : {}),
  };
}

function metricsOf(samples: readonly RankedSample[]): Record<string, MetricValue> {
  const over = (key: keyof RankedRow): MetricValue =>
    meanMetric(samples.flatMap(({ ranked: row }) => row?.[key] ?? []));
  const { value, stderr } = bootstrapRatio(
    samples.flatMap(({ bits }) => (bits ? [[bits.gained, bits.tokens] as const] : [])),
  );
  return {
    pair_accuracy: over("original"),
    pair_accuracy_others: over("pairs"),
    top: over("top"),
    reciprocal_rank: over("reciprocalRank"),
    pair_accuracy_by_sum: over("pairsBySum"),
    top_by_sum: over("topBySum"),
    bits_per_token: plainMetric(value, stderr),
  };
}

/** Mean of 1 / rank over `count` equally likely ranks. */
const meanReciprocal = (count: number): number =>
  Array.from({ length: count }, (_, i) => 1 / (i + 1)).reduce((sum, each) => sum + each, 0) / count;
