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
  return new Journal(model, JournalFile.open(path));
}

interface Asked {
  key: string;
  request: GenerateRequest;
  /** Where among the requests of a call it stands. */
  places: number[];
}

class Journal implements JournaledModel {
  readonly id: string;
  readonly calls = { reused: 0, made: 0, failed: 0 };
  readonly score?: LanguageModel["score"];
  private readonly inFlight = new Map<string, Promise<GenerateResult | Error>>();
  /** What cannot be kept must not be asked for: one failure to write stops everything that is under way. */
  private readonly broken = new AbortController();

  constructor(
    private readonly model: LanguageModel,
    private readonly file: JournalFile,
  ) {
    this.id = model.id;
    setMaxListeners(0, this.broken.signal);
    if (model.score) this.score = (pairs, options) => this.scoreAll(pairs, options);
  }

  isFinished(request: GenerateRequest): boolean {
    return this.file.get(generateKey(this.id, request), isGenerateResult) !== undefined;
  }

  close(): void {
    this.file.close();
  }

  async generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<(GenerateResult | Error)[]> {
    this.file.check();
    const results = new Array<GenerateResult | Error>(requests.length);
    const done = (index: number, result: GenerateResult | Error): void => {
      results[index] = result;
      options.onResult?.(index, result);
    };
    const askedFor = new Map<string, Asked>();
    const waits: Promise<void>[] = [];
    for (const [index, request] of requests.entries()) {
      const key = generateKey(this.id, request);
      const known = this.file.get(key, isGenerateResult);
      const running = this.inFlight.get(key);
      const asked = askedFor.get(key);
      if (known || running || asked) this.calls.reused++;
      if (known) done(index, known);
      else if (asked) asked.places.push(index);
      else if (running) waits.push(running.then((result) => done(index, result)));
      else askedFor.set(key, { key, request, places: [index] });
    }
    if (askedFor.size > 0) await this.ask([...askedFor.values()], done, options.signal);
    await Promise.all(waits);
    await this.file.settle();
    return results;
  }

  private async ask(
    entries: readonly Asked[],
    done: (index: number, result: GenerateResult | Error) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const release = entries.map(({ key }) => {
      let answer: (result: GenerateResult | Error) => void = () => {};
      this.inFlight.set(key, new Promise((resolve) => (answer = resolve)));
      return answer;
    });
    let failure: unknown;
    const settled = new Set<number>();
    const settle = (at: number, found: GenerateResult | Error): void => {
      if (settled.has(at)) return;
      settled.add(at);
      const { key, places } = entries[at]!;
      const result = this.kept(key, found, (error) => (failure ??= error));
      this.inFlight.delete(key);
      release[at]!(result);
      // Once something failed the whole call does: what else comes is no result to report.
      if (failure === undefined) for (const place of places) done(place, result);
    };
    try {
      const results = await this.model.generate(
        entries.map(({ request }) => request),
        { signal: signal ? AbortSignal.any([signal, this.broken.signal]) : this.broken.signal, onResult: settle },
      );
      for (const [at, result] of results.entries()) settle(at, result);
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      for (let at = 0; at < entries.length; at++) settle(at, reason);
      failure ??= error;
    }
    if (failure !== undefined) throw failure;
  }

  /** The result; or why it could not be written, as it may not be used then: after a restart it would not be there. */
  private kept(
    key: string,
    result: GenerateResult | Error,
    onFailure: (error: unknown) => void,
  ): GenerateResult | Error {
    if (result instanceof Error) {
      this.calls.failed++;
      return result;
    }
    try {
      this.keep(key, result);
      this.calls.made++;
      return result;
    } catch (error) {
      onFailure(error);
      return error as Error;
    }
  }

  private keep(key: string, value: unknown): void {
    try {
      this.file.add(key, value);
    } catch (error) {
      this.broken.abort(error);
      throw error;
    }
  }

  private async scoreAll(pairs: ScoreRequest[], options?: { signal?: AbortSignal }): Promise<ScoreResult[]> {
    this.file.check();
    const keys = pairs.map((pair) => sha256(canonicalJson(["score", this.id, pair])));
    const missing = new Map<string, ScoreRequest>();
    const found = keys.map((key) => this.file.get(key, isScoreResult));
    for (const [i, key] of keys.entries()) if (!found[i]) missing.set(key, pairs[i]!);
    this.calls.reused += pairs.length - missing.size;
    // Of a call that was cut short all pairs are scored again where a part of them would come out with other last bits.
    const all = missing.size > 0 && this.model.scoresTogether;
    const asked = all ? new Map(keys.map((key, i) => [key, pairs[i]!])) : missing;
    const results = asked.size > 0 ? await this.model.score!([...asked.values()], options) : [];
    const made = new Map([...asked.keys()].map((key, i) => [key, results[i]!]));
    for (const [key, result] of made) {
      if (result.problem !== undefined || !missing.has(key)) continue;
      this.keep(key, result);
      this.calls.made++;
    }
    await this.file.settle();
    return keys.map((key, i) => found[i] ?? made.get(key)!);
  }
}

/** Key of a call: SHA-256 over the model, every parameter, the prompt and the trial, independent of property order. */
export function generateKey(modelId: string, request: GenerateRequest): string {
  return sha256(canonicalJson(["generate", modelId, request]));
}
