/** Scores of responses after what stands before them, as suites without a judge need them. */
import { join } from "node:path";
import { UsageError } from "../errors.js";
import type { Message } from "../tokenizer/chat-template.js";
import type { Request } from "./prompts.js";
import { type Score, scoreInBlocks } from "./score-in-blocks.js";
import type { SuiteContext } from "./suite.js";

/** Tokens of an exchange that are read at most; the original's limit. */
export const MAX_TOKENS = 1024;

/** A row's requests, or why it has none. */
export type Asked = { requests: Request[] } | { problem: string };

/**
 * @param exchanges for each row the conversations whose last turn is scored; undefined where there is none to ask.
 * @throws UsageError when the model or the template does not allow scoring.
 */
export function askScores(context: SuiteContext, exchanges: readonly (readonly Message[][])[]): Asked[] {
  const { responseText } = context;
  if (!responseText)
    throw new UsageError(
      "responses are scored with --chat-template tulu, or with `model` where the template is known here (a local model)",
    );
  return exchanges.map((conversations) => {
    try {
      return {
        requests: conversations.map((turns) => ({ ...responseText(turns), boundary: "exact", maxTokens: MAX_TOKENS })),
      };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { problem: error.message };
    }
  });
}

/** Scores of the rows that have requests, in order; undefined for the others. */
export async function scoreAsked(
  context: SuiteContext,
  suite: string,
  asked: readonly Asked[],
): Promise<(Score[] | undefined)[]> {
  const rows = asked.flatMap((row) => ("requests" in row ? [row.requests] : []));
  const progress = context.progress(suite, rows.length);
  let scores: Score[][];
  try {
    scores = await scoreInBlocks(context.model!, rows, join(context.out, "journal-scores.jsonl"), {
      signal: context.signal,
      onProgress: progress,
    });
  } finally {
    progress();
  }
  let next = 0;
  return asked.map((row) => ("requests" in row ? scores[next++] : undefined));
}

/** Why a row's scores cannot be used; undefined when they can. */
export function scoreProblem(scores: readonly Score[]): string | undefined {
  const failed = scores.find(({ problem }) => problem !== undefined);
  if (failed) return failed.problem;
  if (scores.some(({ tokens }) => tokens === 0)) return `no token of a response fits into ${MAX_TOKENS}`;
  if (!scores.every(({ logprob }) => Number.isFinite(logprob))) return "a log-probability is not finite";
  return undefined;
}
