/** Calls that are aborted at random moments: they end with an AbortError, go on where they were, and leave nothing behind. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../../src/api/evaluate.js";
import type { CallOptions } from "../../src/api/events.js";
import { runExperiment } from "../../src/api/run-experiment.js";
import { train } from "../../src/api/train.js";
import { Random } from "../../src/random/counter.js";
import { reportData, writeTinyExperiment } from "../support/tiny-experiment.js";

const ABORTS = 20;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-abort-"));
  writeTinyExperiment(folder, { steps: 24 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Makes a call again and again, each time aborted at a random turn of the event loop after a random event, and in the end once
 * without an abort.
 *
 * @returns how many calls were aborted before they ended by themselves.
 */
async function aborting<T>(name: string, turns: number, call: (options: CallOptions<unknown>) => Promise<T>) {
  const random = new Random("aborts", name);
  let aborted = 0;
  for (let i = 0; i < ABORTS; i++) {
    const stop = new AbortController();
    let after = 0;
    // The first comes early, so that one is aborted however fast the machine is.
    let wait = i === 0 ? 3 : random.below(turns);
    const tick = (): void => {
      if (wait-- <= 0) stop.abort();
      else if (!over) setImmediate(tick);
    };
    let over = false;
    setImmediate(tick);
    const onProgress = ({ type }: { type: string }): void => {
      if (stop.signal.aborted && type !== "notice") after++;
    };
    const outcome = await call({ signal: stop.signal, onProgress: onProgress as (event: unknown) => void }).then(
      () => "done",
      (error: unknown) => error,
    );
    over = true;
    if (outcome === "done") continue;
    expect(outcome, String((outcome as Error).stack)).toBe(stop.signal.reason);
    expect((outcome as Error).name).toBe("AbortError");
    expect(after).toBe(0);
    aborted++;
  }
  await call({});
  return aborted;
}

/** Listeners on the process, by event. */
const listeners = (): [string | symbol, number][] =>
  process.eventNames().map((name) => [name, process.listenerCount(name)]);

describe("aborted at random moments", () => {
  it("train goes on to the same bytes", async () => {
    const recipe = {
      model: join(folder, "model"),
      data: { path: join(folder, "rows.jsonl"), validation: 0.2 },
      lora: { r: 4, alpha: 8 },
      batch: { micro: 2, accumulation: 2 },
      max_steps: 24,
      validation: { every_steps: 2 },
      checkpoint: { every_steps: 5 },
    };
    const weights = (out: string): Buffer => readFileSync(join(out, "adapter/adapter_model.safetensors"));
    const metrics = (out: string): unknown[] =>
      readFileSync(join(out, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => ({ ...JSON.parse(line), tokens_per_s: 0, rss_bytes: 0 }));
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    await train({ recipe, out: whole });
    const before = listeners();
    const aborted = await aborting("train", 120, (options) =>
      train({ recipe, out: stopped, resume: "auto", ...(options as object) }),
    );
    expect(aborted).toBeGreaterThan(0);
    expect(listeners()).toEqual(before);
    expect(metrics(stopped)).toEqual(metrics(whole));
    expect(weights(stopped).equals(weights(whole))).toBe(true);
  });

  it("evaluate goes on to the same figures", async () => {
    const options = {
      model: join(folder, "model"),
      suites: "instruct",
      rows: { instruct: join(folder, "questions.jsonl") },
      chatTemplate: "tulu" as const,
      maxNewTokens: 24,
    };
    const whole = await evaluate({ ...options, out: join(folder, "eval-whole") });
    const before = listeners();
    const out = join(folder, "eval-stopped");
    const aborted = await aborting("evaluate", 150, (more) => evaluate({ ...options, out, ...(more as object) }));
    expect(aborted).toBeGreaterThan(0);
    expect(listeners()).toEqual(before);
    expect((await evaluate({ ...options, out })).results).toEqual(whole.results);
  });

  it("runExperiment goes on to the same report", async () => {
    const file = join(folder, "experiment.yaml");
    const [whole, stopped] = [join(folder, "experiment-whole"), join(folder, "experiment-stopped")];
    await runExperiment({ file, out: whole });
    const before = listeners();
    const aborted = await aborting("experiment", 400, (options) =>
      runExperiment({ file, out: stopped, ...(options as object) }),
    );
    expect(aborted).toBeGreaterThan(0);
    expect(listeners()).toEqual(before);
    expect(reportData(stopped)).toEqual(reportData(whole));
  });
});
