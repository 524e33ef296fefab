import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { writeFileAtomically } from "../../files/atomic-write.js";
import { MetricsTail, thin } from "./metrics-tail.js";
import type { MetricPoint } from "./wire.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-tail-"));
afterAll(() => rmSync(folder, { recursive: true }));

const point = (step: number, more: Partial<MetricPoint> = {}): MetricPoint => {
  return { step, epoch: 0, loss: step / 2, lr: 1, grad_norm: 1, tokens: step, tokens_per_s: 9, ...more };
};
const line = (step: number): string => `${JSON.stringify(point(step))}\n`;
const steps = (points: readonly MetricPoint[]): number[] => points.map(({ step }) => step);

describe("MetricsTail", () => {
  it("waits for a file, gives what is added, and whole lines only", () => {
    const path = join(folder, "grows.jsonl");
    const tail = new MetricsTail(path);
    expect(tail.next()).toEqual({ fresh: false, points: [] });
    writeFileSync(path, line(1) + line(2).slice(0, 9));
    expect(tail.next()).toEqual({ fresh: true, points: [point(1)] });
    expect(tail.next()).toEqual({ fresh: false, points: [] });
    appendFileSync(path, line(2).slice(9) + line(3));
    expect(tail.next()).toEqual({ fresh: false, points: [point(2), point(3)] });
  });

  it("begins anew when a resumed run replaces the file", () => {
    const path = join(folder, "resumed.jsonl");
    writeFileSync(path, line(1) + line(2) + line(3));
    const tail = new MetricsTail(path);
    expect(steps(tail.next().points)).toEqual([1, 2, 3]);
    writeFileAtomically(path, line(1));
    expect(tail.next()).toEqual({ fresh: true, points: [point(1)] });
    appendFileSync(path, line(2));
    expect(tail.next()).toEqual({ fresh: false, points: [point(2)] });
  });

  it("leaves out damaged lines and figures that are none", () => {
    const path = join(folder, "damaged.jsonl");
    writeFileSync(path, `${line(1)}{"step":2,"los\n{"step":3,"loss":null}\n\n[]\nnull\n${line(4)}`);
    expect(steps(new MetricsTail(path).next().points)).toEqual([1, 4]);
  });
});

describe("thin", () => {
  it("keeps a short curve, and means and all validation losses of a long one", () => {
    const short = [point(1), point(2)];
    expect(thin(short)).toEqual(short);
    const long = Array.from({ length: 1000 }, (_, i) => point(i + 1, i === 500 ? { validation_loss: 7 } : {}));
    const thinned = thin(long, 100);
    expect(thinned).toHaveLength(100);
    expect(thinned[0]).toMatchObject({ step: 10, loss: 2.75 });
    expect(thinned.at(-1)!.step).toBe(1000);
    expect(thinned.flatMap(({ validation_loss }) => validation_loss ?? [])).toEqual([7]);
  });
});
