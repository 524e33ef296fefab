import { setMaxListeners } from "node:events";
import type { CallOptions, NoticeEvent } from "./events.js";

/** What the work of a task is given. */
export interface TaskContext<Event> {
  /** Aborted by the caller's signal, or when the caller leaves the loop over the events. */
  signal: AbortSignal;
  emit(event: Event): void;
  /** Emits a notice. */
  say(message: string): void;
}

/**
 * A call under way: a promise of its result, and the stream of its events.
 *
 * ```ts
 * const result = await train({ recipe: "recipe.yaml" });
 *
 * const task = train({ recipe: "recipe.yaml" });
 * for await (const event of task) if (event.type === "step") console.log(event.loss);
 * const same = await task;
 * ```
 *
 * The work begins at the end of the current turn of the event loop, so a loop that is started at once misses nothing. A loop
 * that is left early (`break`, `return` or an error) aborts the work.
 */
export class Task<Event, Result> implements Promise<Result>, AsyncIterable<Event> {
  /** As every promise has it. */
  readonly [Symbol.toStringTag] = "Task";
  private readonly promise: Promise<Result>;
  private readonly controller = new AbortController();
  private readonly listeners = new Set<(event: Event) => void>();

  /** @internal */
  constructor(
    { signal: outer, onProgress }: CallOptions<Event>,
    work: (context: TaskContext<Event | NoticeEvent>) => Promise<Result>,
  ) {
    const { signal } = this.controller;
    setMaxListeners(0, signal); // every request under way listens; that is no leak
    const pass = (): void => this.controller.abort(outer!.reason);
    const emit = (event: Event | NoticeEvent): void => {
      // What an abort makes end is no progress.
      if (signal.aborted && (event as NoticeEvent).type !== "notice") return;
      // Every task's events have notices among them.
      onProgress?.(event as Event);
      for (const listener of this.listeners) listener(event as Event);
    };
    const say = (message: string): void => emit({ type: "notice", message });
    this.promise = Promise.resolve()
      .then(async () => {
        outer?.throwIfAborted();
        outer?.addEventListener("abort", pass, { once: true });
        signal.throwIfAborted();
        return await work({ signal, emit, say });
      })
      .catch((error: unknown) => {
        // Whatever the abort made fail, the caller hears of the abort.
        throw signal.aborted ? signal.reason : error;
      })
      .finally(() => outer?.removeEventListener("abort", pass));
  }

  /** As every promise has it. */
  // biome-ignore lint/suspicious/noThenProperty: a task is awaited like the promise that it is
  then<A = Result, B = never>(
    fulfilled?: ((value: Result) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise.then(fulfilled, rejected);
  }

  /** As every promise has it. */
  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Result | B> {
    return this.promise.catch(rejected);
  }

  /** As every promise has it. */
  finally(settled?: (() => void) | null): Promise<Result> {
    return this.promise.finally(settled);
  }

  /** The events from now on. The loop ends with the work, and throws what the work throws. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    const waiting: Event[] = [];
    let over = false;
    let wake = (): void => {};
    const listener = (event: Event): void => {
      waiting.push(event);
      wake();
    };
    const end = (): void => {
      over = true;
      wake();
    };
    this.listeners.add(listener);
    this.promise.then(end, end);
    try {
      while (!over || waiting.length > 0) {
        if (waiting.length > 0) yield waiting.shift()!;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      await this.promise;
    } finally {
      this.listeners.delete(listener);
      if (!over) this.controller.abort();
    }
  }
}
