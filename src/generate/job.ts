/** One request on its way: a prompt, and the answers to it that wait or are being written. */
import type { Adapter } from "../model/adapter.js";
import type { ReadPrompt } from "./prefix-cache.js";
import type { Sequence } from "./sequence.js";

export interface JobOptions {
  prompt: readonly number[];
  answers: readonly Sequence[];
  adapter?: Adapter;
  signal?: AbortSignal;
  /** Positions that its longest answer may take. */
  positions: number;
}

export class Job {
  /** Answers that have no place in a batch yet. */
  readonly waiting: Sequence[];
  /** The prompt, once it is read, as long as answers wait. */
  read?: ReadPrompt;
  /** Whether the request has been answered or refused. */
  over = false;
  /** Settles with the last answer, or when the request fails. */
  readonly done: Promise<void>;
  private settle!: { resolve: () => void; reject: (reason: unknown) => void };

  constructor(readonly options: JobOptions) {
    this.waiting = [...options.answers];
    this.done = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
  }

  get prompt(): readonly number[] {
    return this.options.prompt;
  }

  get adapter(): Adapter | undefined {
    return this.options.adapter;
  }

  /** Whether nothing more is to be done for it. An aborted one fails by being asked. */
  ended(): boolean {
    const { signal } = this.options;
    if (!this.over && signal?.aborted) this.fail(signal.reason);
    return this.over;
  }

  /** This request fails, and no other. */
  fail(reason: unknown): void {
    this.end();
    this.settle.reject(reason);
  }

  /** Draws a sequence's next token. A listener that fails ends this request only. */
  advance(sequence: Sequence, logits: Float32Array): void {
    if (this.ended()) return;
    try {
      sequence.advance(logits);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.options.answers.every((answer) => answer.finishReason !== undefined)) return;
    this.end();
    this.settle.resolve();
  }

  private end(): void {
    this.over = true;
    this.waiting.length = 0;
    this.read = undefined;
  }
}
