import { describe, expect, it } from "vitest";
import { createProgress, formatSeconds, type ProgressOptions } from "./progress.js";

function recorder(options: Partial<ProgressOptions> & { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const stream = {
    isTTY: options.isTTY ?? false,
    columns: options.columns,
    write: (text: string) => written.push(text),
  };
  const progress = createProgress({
    label: "train",
    total: 100,
    unit: "rows",
    ...options,
    stream,
    now: () => clock.ms,
  });
  const at = (ms: number, done: number, note?: string) => {
    clock.ms = ms;
    progress.update(done, note);
  };
  return { written, clock, progress, at };
}

describe("createProgress", () => {
  it("says nothing about work of less than two seconds", () => {
    const { written, progress, at } = recorder();
    at(500, 10);
    at(1999, 99);
    progress.finish();
    expect(written).toEqual([]);
  });
  it("writes a plain line every five seconds with rate, time left and note", () => {
    const { written, clock, progress, at } = recorder();
    at(2000, 10, "loss 1.5");
    at(4000, 20);
    at(7000, 50);
    clock.ms = 10_000;
    progress.finish();
    expect(written).toEqual([
      "train 10/100 (10 %) · 5.0 rows/s · 18 s left · loss 1.5\n",
      "train 50/100 (50 %) · 7.1 rows/s · 7 s left · loss 1.5\n",
      "train 50/100 (50 %) · 5.0 rows/s · 10 s left · loss 1.5 · took 10 s\n",
    ]);
  });
  it("keeps one line within the width on a terminal and removes it", () => {
    const { written, progress, at } = recorder({ isTTY: true, columns: 20 });
    at(3000, 30);
    progress.finish();
    expect(written).toEqual(["\r\x1b[2Ktrain 30/100 (30 %…", "\r\x1b[2K"]);
  });
  it("does not count a resumed run's earlier work in the rate", () => {
    const { written, at } = recorder({ startAt: 50 });
    at(5000, 60);
    expect(written[0]).toContain("2.0 rows/s · 20 s left");
  });
  it("is silent when quiet", () => {
    const { written, progress, at } = recorder({ quiet: true });
    at(9000, 30);
    progress.finish();
    expect(written).toEqual([]);
  });
});

describe("formatSeconds", () => {
  it.each([
    [0, "0 s"],
    [59.6, "1 min 00 s"],
    [185, "3 min 05 s"],
    [7620, "2 h 07 min"],
  ])("%d", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));
});
