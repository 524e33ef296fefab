/** Follows a run's `metrics.jsonl` as it grows. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { MetricPoint } from "./wire.js";

/** Most points sent of what a run has done before. */
const MOST_POINTS = 2_000;
const BLOCK = 1 << 20;

export class MetricsTail {
  private offset = 0;
  private file = "";
  private rest = Buffer.alloc(0);

  constructor(private readonly path: string) {}

  /**
   * Points written since the last call. `fresh`: they are all there is, since the file is new, was replaced (a resumed
   * run drops the steps it does again) or is read for the first time.
   */
  next(): { fresh: boolean; points: MetricPoint[] } {
    const stat = statSync(this.path, { throwIfNoEntry: false });
    const file = stat?.isFile() ? `${stat.dev}-${stat.ino}` : "";
    const fresh = file !== this.file || (stat?.size ?? 0) < this.offset;
    if (fresh) {
      this.file = file;
      this.offset = 0;
      this.rest = Buffer.alloc(0);
    }
    const points = file === "" ? [] : this.read(stat!.size);
    return { fresh, points: fresh ? thin(points) : points };
  }

  private read(size: number): MetricPoint[] {
    const points: MetricPoint[] = [];
    if (size === this.offset) return points;
    const fd = openSync(this.path, "r");
    const block = Buffer.alloc(BLOCK);
    try {
      while (this.offset < size) {
        const count = readSync(fd, block, 0, Math.min(BLOCK, size - this.offset), this.offset);
        if (count === 0) break;
        this.offset += count;
        const bytes = Buffer.concat([this.rest, block.subarray(0, count)]);
        const end = bytes.lastIndexOf(10) + 1;
        this.rest = Buffer.from(bytes.subarray(end));
        for (const line of bytes.toString("utf8", 0, end).split("\n")) {
          const point = parse(line);
          if (point) points.push(point);
        }
      }
    } finally {
      closeSync(fd);
    }
    return points;
  }
}

function parse(line: string): MetricPoint | undefined {
  if (line === "") return undefined;
  try {
    const row = JSON.parse(line) as Record<string, unknown>;
    const number = (name: string): number => (typeof row[name] === "number" ? row[name] : Number.NaN);
    if (!Number.isFinite(number("step")) || !Number.isFinite(number("loss"))) return undefined;
    const validation = number("validation_loss");
    return {
      step: number("step"),
      epoch: number("epoch"),
      loss: number("loss"),
      lr: number("lr"),
      grad_norm: number("grad_norm"),
      tokens: number("tokens"),
      tokens_per_s: number("tokens_per_s"),
      ...(Number.isFinite(validation) ? { validation_loss: validation } : {}),
    };
  } catch {
    return undefined; // a line cut off by a kill
  }
}

/** Means over equal runs of steps, so that a long training makes no large message. Validation losses all stay. */
export function thin(points: readonly MetricPoint[], most = MOST_POINTS): MetricPoint[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  const result: MetricPoint[] = [];
  for (let at = 0; at < points.length; at += size) {
    const part = points.slice(at, at + size);
    const last = part.at(-1)!;
    const mean = (name: "loss" | "grad_norm" | "tokens_per_s"): number =>
      part.reduce((sum, point) => sum + point[name], 0) / part.length;
    const validated = part.findLast((point) => point.validation_loss !== undefined);
    result.push({
      ...last,
      loss: mean("loss"),
      grad_norm: mean("grad_norm"),
      tokens_per_s: mean("tokens_per_s"),
      ...(validated ? { validation_loss: validated.validation_loss } : {}),
    });
  }
  return result;
}
