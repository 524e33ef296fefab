import { FailureError, UsageError } from "../errors.js";
import { sha256 } from "../files/sha256.js";
import { JournalFile } from "../llm/journal-file.js";
import type { LanguageModel, ScoreResult } from "../llm/language-model.js";
import { isScoreResult } from "../llm/result-shape.js";
import type { Request } from "./prompts.js";

/** A score that may say that the beginning of its context was cut off. */
export interface Score extends ScoreResult {
  truncated?: boolean;
}

export interface ScoreBlocksOptions {
  signal?: AbortSignal;
  /** Told how many groups are done. */
  onProgress?: (done: number) => void;
}

/** Groups scored in one call. All of a group's requests (the choices of a question) share their context. */
const GROUPS_PER_BLOCK = 32;

/**
 * Scores groups of requests, in blocks that are kept in a journal as a whole: a run that was stopped scores the very same
 * blocks again, so its figures are equal to the last bit to those of a run that was not.
 *
 * @param path the journal, created if absent.
 * @throws UsageError when the model cannot score text.
 */
export async function scoreInBlocks(
  model: LanguageModel,
  groups: readonly (readonly Request[])[],
  path: string,
  options: ScoreBlocksOptions = {},
): Promise<Score[][]> {
  if (!model.score)
    throw new UsageError(
      `${model.id}: cannot score text; multiple choice needs a local model, or a server that returns log-probabilities of the prompt`,
    );
  const journal = JournalFile.open(path);
  try {
    const results: Score[][] = [];
    for (let at = 0; at < groups.length; at += GROUPS_PER_BLOCK) {
      options.signal?.throwIfAborted();
      const block = groups.slice(at, at + GROUPS_PER_BLOCK);
      const requests = block.flat();
      const key = sha256(JSON.stringify(["score-block", model.id, requests.map(identity)]));
      let scores = journal.get(key, isScores(requests.length));
      if (!scores) {
        scores = (await model.score(requests, { signal: options.signal })) as Score[];
        if (scores.length !== requests.length)
          throw new FailureError(`${model.id}: returned ${scores.length} scores for ${requests.length} requests`);
        if (scores.every(({ problem }) => problem === undefined)) journal.add(key, scores);
      }
      let next = 0;
      for (const group of block) results.push(scores.slice(next, (next += group.length)));
      options.onProgress?.(results.length);
    }
    await journal.settle();
    return results;
  } finally {
    journal.close();
  }
}

/** Whether a journal's value is what `count` requests were given. */
function isScores(count: number) {
  return (value: unknown): value is Score[] =>
    Array.isArray(value) && value.length === count && value.every((score) => isScoreResult(score));
}

/** What a score depends on. Requests with lm-evaluation-harness's boundary keep the form that older journals have. */
function identity({ context, continuation, boundary, maxTokens, bos }: Request): unknown[] {
  if (bos) return [context, continuation, boundary ?? null, maxTokens ?? null, bos];
  return boundary ? [context, continuation, boundary, maxTokens ?? null] : [context, continuation];
}
