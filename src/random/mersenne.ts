import { createHash } from "node:crypto";
import { UsageError } from "../errors.js";

const N = 624;
const M = 397;

/**
 * Python's `random.Random`, draw for draw: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) with CPython's
 * seeding (version 2) and its derived functions. For reproducing decisions that reference programs took in Python;
 * everything of our own uses the keyed streams of `counter.ts`.
 */
export class MersenneTwister {
  private readonly state = new Uint32Array(N);
  private index = N;

  /** @param seed an integer of any size (its absolute value counts, as in Python) or a text (UTF-8 plus its SHA-512). */
  constructor(seed: number | bigint | string) {
    this.seedByArray(typeof seed === "string" ? wordsOfText(seed) : wordsOfInteger(seed));
  }

  private seedByArray(key: Uint32Array): void {
    const mt = this.state;
    mt[0] = 19650218;
    for (let i = 1; i < N; i++) mt[i] = Math.imul(1812433253, mt[i - 1]! ^ (mt[i - 1]! >>> 30)) + i;
    let i = 1;
    let j = 0;
    for (let k = Math.max(N, key.length); k > 0; k--) {
      mt[i] = (mt[i]! ^ Math.imul(mt[i - 1]! ^ (mt[i - 1]! >>> 30), 1664525)) + key[j]! + j;
      if (++i >= N) {
        mt[0] = mt[N - 1]!;
        i = 1;
      }
      if (++j >= key.length) j = 0;
    }
    for (let k = N - 1; k > 0; k--) {
      mt[i] = (mt[i]! ^ Math.imul(mt[i - 1]! ^ (mt[i - 1]! >>> 30), 1566083941)) - i;
      if (++i >= N) {
        mt[0] = mt[N - 1]!;
        i = 1;
      }
    }
    mt[0] = 0x80000000;
  }

  private refill(): void {
    const mt = this.state;
    for (let k = 0; k < N; k++) {
      const y = (mt[k]! & 0x80000000) | (mt[(k + 1) % N]! & 0x7fffffff);
      mt[k] = mt[(k + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.index = 0;
  }

  /** Uniform 32-bit unsigned integer. */
  uint32(): number {
    if (this.index >= N) this.refill();
    let y = this.state[this.index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** Uniform in [0, 1) with 53 random bits (`random()`). */
  random(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** Unsigned integer of `bits` random bits, 1 ≤ bits ≤ 53 (`getrandbits`). */
  randomBits(bits: number): number {
    if (bits <= 32) return this.uint32() >>> (32 - bits);
    const low = this.uint32();
    return (this.uint32() >>> (64 - bits)) * 0x100000000 + low;
  }

  /** Uniform integer in [0, n), 1 ≤ n < 2⁵³, by rejection as CPython does (`randrange(n)`). */
  below(n: number): number {
    if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`below(n) needs an integer n ≥ 1, got ${n}`);
    const bits = bitLength(n);
    let draw = this.randomBits(bits);
    while (draw >= n) draw = this.randomBits(bits);
    return draw;
  }

  /** Uniform integer in [low, high], both included (`randint`). */
  randint(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** One item (`choice`); the list must not be empty. */
  choice<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** `count` items drawn with replacement, optionally weighted (`choices`). */
  choices<T>(items: readonly T[], count = 1, weights?: readonly number[]): T[] {
    const drawn: T[] = [];
    if (!weights) {
      for (let i = 0; i < count; i++) drawn.push(items[Math.floor(this.random() * items.length)]!);
      return drawn;
    }
    if (weights.length !== items.length) throw new RangeError("choices: one weight per item is needed");
    let total = 0;
    const cumulative = weights.map((weight) => (total += weight));
    for (let i = 0; i < count; i++) {
      const mark = this.random() * total;
      const at = cumulative.findIndex((sum) => sum > mark);
      drawn.push(items[at < 0 ? items.length - 1 : at]!);
    }
    return drawn;
  }

  /** Shuffles in place and returns the same array (`shuffle`). */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }

  /** `count` distinct items in random order (`sample`); `count` may not exceed the number of items. */
  sample<T>(items: readonly T[], count: number): T[] {
    const n = items.length;
    if (count < 0 || count > n) throw new RangeError(`sample: ${count} items asked for, ${n} there`);
    // CPython keeps a pool for small lists and a set of taken positions for large ones; the draws differ.
    let poolLimit = 21;
    if (count > 5) poolLimit += 4 ** Math.ceil(logBase4(count * 3));
    const drawn: T[] = [];
    if (n <= poolLimit) {
      const pool = items.slice();
      for (let i = 0; i < count; i++) {
        const j = this.below(n - i);
        drawn.push(pool[j]!);
        pool[j] = pool[n - i - 1]!;
      }
      return drawn;
    }
    const taken = new Set<number>();
    for (let i = 0; i < count; i++) {
      let j = this.below(n);
      while (taken.has(j)) j = this.below(n);
      taken.add(j);
      drawn.push(items[j]!);
    }
    return drawn;
  }
}

function bitLength(n: number): number {
  return n < 0x100000000 ? 32 - Math.clz32(n) : 64 - Math.clz32(Math.floor(n / 0x100000000));
}

function logBase4(x: number): number {
  return Math.log(x) / Math.log(4);
}

function wordsOfInteger(seed: number | bigint): Uint32Array {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new UsageError(`seed ${seed}: expected a whole number within ±2^53`);
  }
  let rest = BigInt(seed);
  if (rest < 0n) rest = -rest;
  const words: number[] = [];
  while (rest > 0n) {
    words.push(Number(rest & 0xffffffffn));
    rest >>= 32n;
  }
  return Uint32Array.from(words.length ? words : [0]);
}

/** The text's bytes followed by their SHA-512, read as one big-endian integer, in 32-bit words from the lowest up. */
function wordsOfText(text: string): Uint32Array {
  const bytes = Buffer.from(text, "utf8");
  const all = Buffer.concat([bytes, createHash("sha512").update(bytes).digest()]);
  return wordsOfInteger(BigInt(`0x${all.toString("hex")}`));
}
