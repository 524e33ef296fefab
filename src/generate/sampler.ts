/** Draws the next token from logits: processors, temperature, then the cuts top-k, top-p and min-p, in this order. */
import { UsageError } from "../errors.js";
import type { Random } from "../random/counter.js";
import type { LogitsProcessor } from "./logits-processors.js";
import type { SamplingOptions } from "./request.js";
import { checkRules } from "./rules.js";

/** @throws UsageError naming the setting that is out of range. */
export function checkSampling(options: SamplingOptions): void {
  const check = (name: Exclude<keyof SamplingOptions, "rules">, ok: (x: number) => boolean, range: string): void => {
    const value = options[name];
    if (value !== undefined && !(Number.isFinite(value) && ok(value)))
      throw new UsageError(`${name} must be ${range}, found ${value}`);
  };
  check("temperature", (x) => x >= 0, "0 or more");
  check("topK", (x) => x >= 0 && Number.isInteger(x), "a whole number, 0 or more");
  check("topP", (x) => x > 0 && x <= 1, "above 0 and at most 1");
  check("minP", (x) => x >= 0 && x <= 1, "from 0 to 1");
  check("repetitionPenalty", (x) => x > 0, "above 0");
  check("presencePenalty", () => true, "a number");
  check("frequencyPenalty", () => true, "a number");
  checkRules(options.rules ?? []);
}

export class Sampler {
  /** @param processors change the logits, in their order. */
  constructor(
    private readonly options: SamplingOptions,
    private readonly random: Random,
    private readonly processors: readonly LogitsProcessor[] = [],
  ) {}

  /** The next token. `logits` is changed by the processors. */
  choose(logits: Float32Array): number {
    for (const processor of this.processors) processor.process(logits);
    const token = (this.options.temperature ?? 0) > 0 ? this.draw(logits) : argMax(logits);
    for (const processor of this.processors) processor.accept?.(token);
    return token;
  }

  private draw(logits: Float32Array): number {
    const { temperature = 0, topK = 0, topP = 1, minP = 0 } = this.options;
    const u = this.random.uniform();
    const floor = topK > 0 && topK < logits.length ? largest(logits, topK) : Number.NEGATIVE_INFINITY;
    const best = logits[argMax(logits)]!;
    let tokens: number[] = [];
    let shares: number[] = [];
    let total = 0;
    for (let i = 0; i < logits.length; i++) {
      if (logits[i]! < floor) continue;
      const share = Math.exp((logits[i]! - best) / temperature);
      if (share === 0) continue;
      tokens.push(i);
      shares.push(share);
      total += share;
    }
    if (topP < 1) {
      // Tokens below this share together hold less than 1 − topP, so none of them is in the set sought.
      const least = ((1 - topP) * total) / tokens.length;
      const order = tokens.map((_, i) => i).filter((i) => shares[i]! >= least);
      order.sort((a, b) => shares[b]! - shares[a]! || a - b);
      const wanted = topP * total;
      let sum = 0;
      let count = 0;
      while (count < order.length && (count === 0 || sum < wanted)) sum += shares[order[count++]!]!;
      order.length = count;
      tokens = order.map((i) => tokens[i]!);
      shares = order.map((i) => shares[i]!);
      total = sum;
    }
    if (minP > 0) {
      const kept = tokens.map((_, i) => i).filter((i) => shares[i]! >= minP);
      tokens = kept.map((i) => tokens[i]!);
      shares = kept.map((i) => shares[i]!);
      total = shares.reduce((sum, share) => sum + share, 0);
    }
    let rest = u * total;
    for (let i = 0; i < tokens.length - 1; i++) {
      rest -= shares[i]!;
      if (rest < 0) return tokens[i]!;
    }
    return tokens[tokens.length - 1]!;
  }
}

/** Index of the largest number, the first of equals. */
export function argMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Log-probabilities under softmax of a chosen token and of the `count` most probable ones. */
export function logProbabilities(
  logits: Float32Array,
  token: number,
  count: number,
): { logprob: number; top: { token: number; logprob: number }[] } {
  const best = logits[argMax(logits)]!;
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - best);
  const shift = best + Math.log(total);
  const floor = count > 0 ? largest(logits, Math.min(count, logits.length)) : Number.POSITIVE_INFINITY;
  const top: { token: number; logprob: number }[] = [];
  for (let i = 0; i < logits.length; i++) if (logits[i]! >= floor) top.push({ token: i, logprob: logits[i]! - shift });
  top.sort((a, b) => b.logprob - a.logprob || a.token - b.token);
  top.length = Math.min(top.length, count);
  return { logprob: logits[token]! - shift, top };
}

/** The `count`-th largest number, by a heap of the largest so far with the smallest of them on top. */
function largest(values: Float32Array, count: number): number {
  const heap = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!;
    if (!(x > heap[0]!)) continue;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= x) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = x;
  }
  return heap[0]!;
}
