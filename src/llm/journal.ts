import { setMaxListeners } from "node:events";
import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import { JournalFile } from "./journal-file.js";
import type {
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  LanguageModel,
  ScoreRequest,
  ScoreResult,
} from "./language-model.js";
import { isGenerateResult, isScoreResult } from "./result-shape.js";

/** A language model whose finished calls are kept in a file; `close` when done. */
export interface JournaledModel extends LanguageModel {
  /** Calls answered from the file, calls that the model answered, and calls that have no answer: they stay open. */
  readonly calls: { reused: number; made: number; failed: number };
  /** Whether this very request has been answered before. */
  isFinished(request: GenerateRequest): boolean;
  close(): void;
}

/**
 * The same model, but a call that finished once is never made again, across stops and starts and however often it is
 * asked for. Errors are not kept. Calls that differ on purpose in nothing but `trial` are different calls.
 *
 * @param path the journal, created if absent: append-only JSON Lines, flushed to disk before `generate` resolves.
 * @throws FailureError when another process writes this journal. A journal that cannot be written ends all calls with one
 * that names it.
 */
export function withJournal(model: LanguageModel, path: string): JournaledModel {
  const journal = JournalFile.open(path);
  const inFlight = new Map<string, Promise<GenerateResult | Error>>();
  const calls = { reused: 0, made: 0, failed: 0 };

  // What cannot be kept must not be asked for: one failure to write stops everything that is under way.
  const broken = new AbortController();
  setMaxListeners(0, broken.signal);
  const keep = (key: string, value: unknown): void => {
    try {
      journal.add(key, value);
    } catch (error) {
      broken.abort(error);
      throw error;
    }
  };

  async function generate(
    requests: GenerateRequest[],
    options: GenerateOptions = {},
  ): Promise<(GenerateResult | Error)[]> {
    journal.check();
    const results = new Array<GenerateResult | Error>(requests.length);
    const done = (index: number, result: GenerateResult | Error): void => {
      results[index] = result;
      options.onResult?.(index, result);
    };
    const askedFor = new Map<string, { request: GenerateRequest; places: number[] }>();
    const waits: Promise<void>[] = [];
    for (const [index, request] of requests.entries()) {
      const key = generateKey(model.id, request);
      const known = journal.get(key, isGenerateResult);
      const running = inFlight.get(key);
      const asked = askedFor.get(key);
      if (known || running || asked) calls.reused++;
      if (known) done(index, known);
      else if (asked) asked.places.push(index);
      else if (running) waits.push(running.then((result) => done(index, result)));
      else askedFor.set(key, { request, places: [index] });
    }
    if (askedFor.size > 0) await ask(askedFor, done, options.signal);
    await Promise.all(waits);
    await journal.settle();
    return results;
  }

  async function ask(
    askedFor: Map<string, { request: GenerateRequest; places: number[] }>,
    done: (index: number, result: GenerateResult | Error) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const entries = [...askedFor].map(([key, { request, places }]) => ({ key, request, places }));
    const release = entries.map(({ key }) => {
      let answer: (result: GenerateResult | Error) => void = () => {};
      inFlight.set(key, new Promise((resolve) => (answer = resolve)));
      return answer;
    });
    let failure: unknown;
    const settled = new Set<number>();
    const settle = (at: number, found: GenerateResult | Error): void => {
      if (settled.has(at)) return;
      let result = found;
      settled.add(at);
      const { key, places } = entries[at]!;
      if (!(result instanceof Error)) {
        try {
          keep(key, result);
          calls.made++;
        } catch (error) {
          failure ??= error;
          result = error as Error; // it may not be used: after a restart it would not be there
        }
      } else calls.failed++;
      inFlight.delete(key);
      release[at]!(result);
      // Once something failed the whole call does: what else comes is no result to report.
      if (failure === undefined) for (const place of places) done(place, result);
    };
    try {
      const results = await model.generate(
        entries.map(({ request }) => request),
        { signal: signal ? AbortSignal.any([signal, broken.signal]) : broken.signal, onResult: settle },
      );
      for (const [at, result] of results.entries()) settle(at, result);
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      for (let at = 0; at < entries.length; at++) settle(at, reason);
      failure ??= error;
    }
    if (failure !== undefined) throw failure;
  }

  async function score(pairs: ScoreRequest[]): Promise<ScoreResult[]> {
    journal.check();
    const keys = pairs.map((pair) => sha256(canonicalJson(["score", model.id, pair])));
    const missing = new Map<string, ScoreRequest>();
    const found = keys.map((key) => journal.get(key, isScoreResult));
    for (const [i, key] of keys.entries()) if (!found[i]) missing.set(key, pairs[i]!);
    calls.reused += pairs.length - missing.size;
    // Of a call that was cut short all pairs are scored again where a part of them would come out with other last bits.
    const asked = missing.size > 0 && model.scoresTogether ? new Map(keys.map((key, i) => [key, pairs[i]!])) : missing;
    const results = asked.size > 0 ? await model.score!([...asked.values()]) : [];
    const made = new Map([...asked.keys()].map((key, i) => [key, results[i]!]));
    for (const [key, result] of made) {
      if (result.problem !== undefined || !missing.has(key)) continue;
      keep(key, result);
      calls.made++;
    }
    await journal.settle();
    return keys.map((key, i) => found[i] ?? made.get(key)!);
  }

  return {
    id: model.id,
    calls,
    generate,
    isFinished: (request) => journal.get(generateKey(model.id, request), isGenerateResult) !== undefined,
    ...(model.score ? { score } : {}),
    close: () => journal.close(),
  };
}

/** Key of a call: SHA-256 over the model, every parameter, the prompt and the trial, independent of property order. */
export function generateKey(modelId: string, request: GenerateRequest): string {
  return sha256(canonicalJson(["generate", modelId, request]));
}
