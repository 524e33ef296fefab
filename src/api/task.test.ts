import { describe, expect, it } from "vitest";
import type { NoticeEvent } from "./events.js";
import { Task, type TaskContext } from "./task.js";

type Count = { type: "count"; n: number };

/** Counts to `n`, a turn of the event loop for each. */
const counting =
  (n: number) =>
  async ({ emit, signal }: TaskContext<Count | NoticeEvent>): Promise<string> => {
    for (let i = 1; i <= n; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      emit({ type: "count", n: i });
    }
    return "counted";
  };

async function numbers(task: Task<Count, string>): Promise<number[]> {
  const seen: number[] = [];
  for await (const { n } of task) seen.push(n);
  return seen;
}

describe("a task", () => {
  it("is a promise of the result", async () => {
    await expect(new Task<Count, string>({}, counting(2))).resolves.toBe("counted");
  });

  it("streams every event, and has its result afterwards", async () => {
    const task = new Task<Count, string>({}, counting(3));
    expect(await numbers(task)).toEqual([1, 2, 3]);
    expect(await task).toBe("counted");
  });

  it("tells several readers and onProgress the same", async () => {
    const told: number[] = [];
    const task = new Task<Count, string>({ onProgress: ({ n }) => told.push(n) }, counting(3));
    expect(await Promise.all([numbers(task), numbers(task)])).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(told).toEqual([1, 2, 3]);
  });

  it("does nothing when the signal is aborted already", async () => {
    let began = false;
    const task = new Task<Count, string>({ signal: AbortSignal.abort() }, async () => {
      began = true;
      return "";
    });
    await expect(task).rejects.toMatchObject({ name: "AbortError" });
    expect(began).toBe(false);
  });

  it("rejects with the reason, whatever the abort made fail", async () => {
    const stop = new AbortController();
    const task = new Task<Count, string>({ signal: stop.signal }, async ({ signal }) => {
      stop.abort();
      throw new Error(`broken by ${signal.aborted}`);
    });
    await expect(task).rejects.toSatisfy((error) => error === stop.signal.reason);
  });

  it("aborts the work when the reader leaves the loop", async () => {
    const task = new Task<Count, string>({}, counting(1000));
    for await (const { n } of task) if (n === 2) break;
    await expect(task).rejects.toMatchObject({ name: "AbortError" });
  });

  it("throws in the loop what the work throws", async () => {
    const failing = new Task<Count, string>({}, async () => {
      throw new Error("no disk");
    });
    await expect(numbers(failing)).rejects.toThrow("no disk");
  });

  it("leaves no listener on the caller's signal", async () => {
    const stop = new AbortController();
    const before = { added: 0, removed: 0 };
    const { signal } = stop;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      before.added++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      before.removed++;
      remove(...args);
    };
    await new Task<Count, string>({ signal }, counting(1));
    expect(before).toEqual({ added: 1, removed: 1 });
  });

  it("tells of no progress after an abort", async () => {
    const stop = new AbortController();
    const told: string[] = [];
    const onProgress = ({ type }: { type: string }): void => void told.push(type);
    const task = new Task<Count, string>({ signal: stop.signal, onProgress }, async ({ emit, say }) => {
      stop.abort();
      emit({ type: "count", n: 1 });
      say("saved");
      return "";
    });
    await task.catch(() => {});
    expect(told).toEqual(["notice"]);
  });

  it("ends with an error of onProgress", async () => {
    const onProgress = (): never => {
      throw new Error("full");
    };
    await expect(new Task<Count, string>({ onProgress }, counting(1))).rejects.toThrow("full");
  });
});
