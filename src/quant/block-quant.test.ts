import fc from "fast-check";
import { expect, it } from "vitest";
import { FailureError } from "../errors.js";
import { dequantizeBlocks, quantizeBlocks } from "./block-quant.js";

const matrix = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 100 }))
  .chain(([rows, columns]) =>
    fc.tuple(
      fc.constant([rows, columns] as [number, number]),
      fc.float32Array({ minLength: rows * columns, maxLength: rows * columns, noNaN: true, min: -100, max: 100 }),
    ),
  );

it.each([
  [8, 32],
  [8, 64],
  [4, 32],
  [4, 64],
] as const)("%i bits: no value is off by more than half a step of its block of %i", (bits, size) => {
  fc.assert(
    fc.property(matrix, ([shape, w]) => {
      const q = quantizeBlocks(w, shape, bits, size);
      expect(q.codes.length).toBe((shape[0] * q.blocks * size * bits) / 8);
      const back = dequantizeBlocks(q);
      for (let i = 0; i < w.length; i++) {
        const block = Math.floor(i / shape[1]) * q.blocks + Math.floor((i % shape[1]) / size);
        // A 4-bit zero point is a whole code, which may shift the range by half a step more.
        const steps = bits === 8 ? 0.5 : 1;
        expect(Math.abs(back[i]! - w[i]!)).toBeLessThanOrEqual(q.scales[block]! * steps * 1.001 + 1e-30);
      }
    }),
  );
});

it("keeps zeros, and blocks of nothing but zeros", () => {
  const w = new Float32Array(64);
  w.set([3, 0, -1], 40);
  for (const bits of [4, 8] as const) {
    const back = dequantizeBlocks(quantizeBlocks(w, [1, 64], bits));
    expect([...back.subarray(0, 32)]).toEqual(new Array(32).fill(0));
    expect(back[41]).toBe(0);
    expect(back[40]).toBeCloseTo(3, 0);
  }
});

it("rounds what a change makes of the rows, and leaves the matrix alone", () => {
  const w = Float32Array.from({ length: 80 }, (_, i) => i);
  const negated = w.map((value) => -value);
  const change = (source: Float32Array, target: Float32Array): void => target.set(source.map((value) => -value));
  for (const bits of [4, 8] as const)
    expect(quantizeBlocks(w, [2, 40], bits, 32, change)).toEqual(quantizeBlocks(negated, [2, 40], bits));
  expect([...w]).toEqual(Array.from({ length: 80 }, (_, i) => i));
});

it("refuses data of another size", () => {
  expect(() => quantizeBlocks(new Float32Array(5), [2, 3], 8)).toThrow(FailureError);
});
