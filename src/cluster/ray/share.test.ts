import fc from "fast-check";
import { expect, it } from "vitest";
import { shareOut } from "./share.js";

const count = fc.integer({ min: 1, max: 64 });

it("computes every example of an update, in no larger micro-batches, and leaves no worker idle that could work", () => {
  fc.assert(
    fc.property(count, count, count, (workers, micro, accumulation) => {
      const shared = shareOut({ workers, micro, accumulation });
      const examples = micro * accumulation;
      expect(shared.micro * shared.accumulation).toBeGreaterThanOrEqual(examples);
      expect(shared.micro * (shared.accumulation - 1)).toBeLessThan(examples);
      expect(shared.micro).toBeLessThanOrEqual(micro);
      expect(shared.workers).toBe(Math.min(workers, Math.max(examples, accumulation)));
      expect(shared.accumulation).toBeGreaterThanOrEqual(shared.workers);
      expect(shared.said === undefined).toBe(workers <= accumulation);
    }),
  );
});

it("says what it changes", () => {
  expect(shareOut({ workers: 16, micro: 2, accumulation: 4 }).said).toBe(
    "16 workers for 4 micro-batches: an update of 8 examples in micro-batches of 1 instead of 2; 8 of 16 workers, as there are no more examples",
  );
});
