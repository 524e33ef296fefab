import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { Random } from "../random/counter.js";
import { schedule } from "./schedule.js";
import { selectSteps } from "./select.js";

type Lane = "local" | "remote";
const step = (id: string, needs: string[] = [], lane: Lane = "local") => ({ id, needs, lane });
const limits = { local: 1, remote: 2 };

describe("schedule", () => {
  it("runs independent remote steps beside local ones, and never more than allowed", async () => {
    const steps = [step("a"), step("b"), step("r1", [], "remote"), step("r2", [], "remote"), step("r3", [], "remote")];
    const running = { local: 0, remote: 0 };
    const most = { local: 0, remote: 0 };
    let together = (): void => {};
    const full = new Promise<void>((resolve) => (together = resolve));
    const status = await schedule(steps, {
      done: new Set(),
      limits,
      onChange: () => {},
      run: async ({ lane }) => {
        running[lane]++;
        most[lane] = Math.max(most[lane], running[lane]);
        // The first ones end when as many run as may.
        if (running.local === 1 && running.remote === 2) together();
        await full;
        running[lane]--;
      },
    });
    expect([...status.values()]).toEqual(Array(5).fill("done"));
    expect(most).toEqual({ local: 1, remote: 2 });
  });

  it("blocks what needs a failed step, and does the rest", async () => {
    const steps = [step("a"), step("b", ["a"]), step("c", ["b"]), step("d")];
    const changes: [string, string, unknown][] = [];
    const status = await schedule(steps, {
      done: new Set(),
      limits,
      onChange: ({ id }, now, error) => changes.push([id, now, error]),
      run: async ({ id }) => {
        if (id === "a") throw new Error("no");
      },
    });
    expect(Object.fromEntries(status)).toEqual({ a: "failed", b: "blocked", c: "blocked", d: "done" });
    expect(changes).toContainEqual(["b", "blocked", "a"]);
    expect(changes).toContainEqual(["c", "blocked", "b"]);
  });

  it("starts nothing after an abort; what stopped is pending again", async () => {
    const controller = new AbortController();
    const started: string[] = [];
    const status = await schedule([step("a"), step("b")], {
      done: new Set(),
      limits,
      signal: controller.signal,
      onChange: () => {},
      run: async ({ id }) => {
        started.push(id);
        controller.abort(new Error("stop"));
        throw new Error("stop");
      },
    });
    expect(started).toEqual(["a"]);
    expect(Object.fromEntries(status)).toEqual({ a: "pending", b: "pending" });
  });

  it("does every step of any graph once, each after those it needs", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 25 }), fc.nat(1000), async (count, seed) => {
        const random = new Random("graph", seed);
        const steps = Array.from({ length: count }, (_, i) => {
          const needs = Array.from({ length: random.below(4) }, () => random.below(count)).filter((n) => n < i);
          return step(String(i), needs.map(String), random.below(2) ? "local" : "remote");
        });
        const finished: string[] = [];
        await schedule(steps, {
          done: new Set(),
          limits,
          onChange: () => {},
          run: async ({ id, needs }) => {
            for (const need of needs) expect(finished).toContain(need);
            await null;
            finished.push(id);
          },
        });
        expect([...finished].sort()).toEqual(steps.map(({ id }) => id).sort());
      }),
      { numRuns: 50 },
    );
  });
});

describe("selectSteps", () => {
  const steps = [
    step("data.lima"),
    step("train.it", ["data.lima"]),
    step("train.rt", ["data.lima"]),
    step("eval.it.core", ["train.it"]),
    step("eval.rt.core", ["train.rt"]),
  ];
  const ids = (patterns: string[], along?: "needs" | "dependents") =>
    selectSteps(steps, patterns, along).map(({ id }) => id);

  it("takes ids, beginnings and stars, with what they need or what needs them", () => {
    expect(ids([])).toHaveLength(5);
    expect(ids(["eval.rt"])).toEqual(["data.lima", "train.rt", "eval.rt.core"]);
    expect(ids(["*.it"])).toEqual(["data.lima", "train.it", "eval.it.core"]);
    expect(ids(["train.rt"], "dependents")).toEqual(["train.rt", "eval.rt.core"]);
    expect(ids(["data"], "dependents")).toHaveLength(5);
  });

  it("says which step was perhaps meant", () => {
    expect(() => ids(["train.ti"])).toThrow(UsageError);
    expect(() => ids(["train.ti"])).toThrow('train.ti: names no step of the plan; did you mean "train.it"?');
  });
});
