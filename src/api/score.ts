import { UsageError } from "../errors.js";
import type { ScoreRequest, ScoreResult } from "../llm/language-model.js";
import type { CallEvent, CallOptions } from "./events.js";
import { type AnsweringOptions, withJournaled } from "./generate.js";
import { withModel } from "./model.js";
import { Task } from "./task.js";

/** Options of `score`. */
export interface ScoreOptions extends AnsweringOptions, CallOptions {
  /** Contexts with their continuations. */
  pairs: readonly ScoreRequest[];
  /** File (JSON Lines) that finished scores are kept in: the same call, made again after a stop, takes them from there. */
  journal?: string | undefined;
}

/** Pairs that are scored in one call of the model. */
const CHUNK = 256;

/**
 * Log-probabilities of continuations after their contexts, in the order of the pairs. Pairs that share a context share its
 * computation.
 *
 * @throws UsageError when the model cannot score text (servers need `echo`), FailureError when a server fails.
 */
export function score(options: ScoreOptions): Task<CallEvent, ScoreResult[]> {
  const { model, modelOptions = {}, pairs, journal } = options;
  return new Task<CallEvent, ScoreResult[]>(options, ({ signal, say, emit }) =>
    withModel(model, modelOptions, { signal, say }, ({ language, reference }) =>
      withJournaled(language, journal, async (scorer) => {
        if (!scorer.score) throw new UsageError(`${reference}: this model does not score text`);
        const scored: ScoreResult[] = [];
        const total = pairs.length;
        for (let at = 0; at < total; at += CHUNK) {
          signal.throwIfAborted();
          scored.push(...(await scorer.score(pairs.slice(at, at + CHUNK), { signal })));
          emit({ type: "progress", label: "scoring", done: scored.length, total, unit: "rows" });
        }
        return scored;
      }),
    ),
  );
}
