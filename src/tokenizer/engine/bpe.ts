import { FailureError } from "../../errors.js";
import { byteToken, type Component, refuse, utf8, vocabularyOf } from "./component.js";
import type { Model } from "./model.js";

/** Words whose tokens are remembered, and their greatest length. */
const REMEMBERED = 10_000;
const LONGEST = 256;

interface Merge {
  rank: number;
  id: number;
}

/** Byte-pair encoding: the pair with the lowest rank is merged first, the leftmost of equal ones. */
export class Bpe implements Model {
  readonly vocabulary: Map<string, number>;
  readonly #merges = new Map<number, Merge>();
  readonly #width: number;
  readonly #prefix: string;
  readonly #suffix: string;
  readonly #unknown?: number;
  readonly #fuse: boolean;
  readonly #bytes?: Map<number, number>;
  readonly #whole: boolean;
  #known = new Map<string, number[]>();

  constructor(part: Component) {
    if (part.dropout) refuse("BPE dropout of", part.dropout);
    this.vocabulary = vocabularyOf(part);
    this.#width = 1 + Math.max(0, ...maxima(this.vocabulary.values()));
    this.#prefix = (part.continuing_subword_prefix as string | null) ?? "";
    this.#suffix = (part.end_of_word_suffix as string | null) ?? "";
    this.#fuse = part.fuse_unk === true;
    this.#whole = part.ignore_merges === true;
    const unknown = part.unk_token as string | null | undefined;
    if (unknown != null) {
      this.#unknown = this.vocabulary.get(unknown);
      if (this.#unknown === undefined) throw new FailureError(`its unk_token ${unknown} is not in the vocabulary`);
    }
    if (part.byte_fallback === true) {
      this.#bytes = new Map();
      for (let byte = 0; byte < 256; byte++) {
        const id = this.vocabulary.get(byteToken(byte));
        if (id !== undefined) this.#bytes.set(byte, id);
      }
    }
    for (const [rank, merge] of ((part.merges ?? []) as unknown[]).entries()) this.#addMerge(merge, rank);
  }

  #addMerge(merge: unknown, rank: number): void {
    const parts = typeof merge === "string" ? merge.split(" ") : (merge as string[]);
    const [left, right] = parts;
    const a = this.vocabulary.get(left!);
    const b = this.vocabulary.get(right!);
    const id = this.vocabulary.get(`${left}${right?.slice(this.#prefix.length)}`);
    if (parts.length !== 2 || a === undefined || b === undefined || id === undefined)
      throw new FailureError(`its merge ${JSON.stringify(merge).slice(0, 60)} names what is not in the vocabulary`);
    this.#merges.set(a * this.#width + b, { rank, id });
  }

  tokenize(word: string): number[] {
    const known = this.#known.get(word);
    if (known) return known;
    const whole = this.#whole ? this.vocabulary.get(word) : undefined;
    const ids = whole === undefined ? this.#merged(this.#symbols(word)) : [whole];
    if (word.length <= LONGEST) {
      if (this.#known.size >= REMEMBERED) this.#known = new Map();
      this.#known.set(word, ids);
    }
    return ids;
  }

  /** A token for each character, or for its bytes. */
  #symbols(word: string): number[] {
    const chars = Array.from(word);
    const ids: number[] = [];
    let unknown = false;
    for (const [i, char] of chars.entries()) {
      let token = i > 0 ? this.#prefix + char : char;
      if (i === chars.length - 1) token += this.#suffix;
      const id = this.vocabulary.get(token);
      if (id !== undefined) {
        if (unknown) ids.push(this.#unknown!);
        unknown = false;
        ids.push(id);
        continue;
      }
      const bytes = this.#bytes && Array.from(utf8(token), (byte) => this.#bytes!.get(byte));
      if (bytes?.every((byte) => byte !== undefined)) {
        ids.push(...(bytes as number[]));
        continue;
      }
      if (this.#unknown === undefined) continue;
      if (unknown && !this.#fuse) ids.push(this.#unknown);
      unknown = true;
    }
    if (unknown) ids.push(this.#unknown!);
    return ids;
  }

  #merged(ids: number[]): number[] {
    const count = ids.length;
    if (count < 2) return ids;
    const next = Int32Array.from(ids, (_, i) => (i + 1 < count ? i + 1 : -1));
    const previous = Int32Array.from(ids, (_, i) => i - 1);
    const gone = new Uint8Array(count);
    const queue = new MergeQueue();
    const offer = (left: number): void => {
      const right = left < 0 ? -1 : next[left]!;
      if (right < 0) return;
      const merge = this.#merges.get(ids[left]! * this.#width + ids[right]!);
      if (merge) queue.push(merge.rank, left, merge.id);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    while (queue.pop()) {
      const { position, id } = queue;
      const right = next[position]!;
      if (gone[position] || right < 0) continue;
      // The entry may speak of a pair that is there no more.
      if (this.#merges.get(ids[position]! * this.#width + ids[right]!)?.id !== id) continue;
      ids[position] = id;
      gone[right] = 1;
      next[position] = next[right]!;
      if (next[right]! >= 0) previous[next[right]!] = position;
      offer(previous[position]!);
      offer(position);
    }
    return ids.filter((_, i) => !gone[i]);
  }
}

/** A heap of merges, lowest rank first, then leftmost. */
class MergeQueue {
  readonly #heap: { rank: number; position: number; id: number }[] = [];
  position = 0;
  id = 0;

  push(rank: number, position: number, id: number): void {
    const heap = this.#heap;
    let at = heap.push({ rank, position, id }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  /** Takes the first one into `position` and `id`; false when there is none. */
  pop(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (!first) return false;
    this.position = first.position;
    this.id = first.id;
    const last = heap.pop()!;
    if (heap.length === 0) return true;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      let least = at;
      if (left < heap.length && this.#before(left, least)) least = left;
      if (left + 1 < heap.length && this.#before(left + 1, least)) least = left + 1;
      if (least === at) return true;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a]!, this.#heap[b]!];
    return x.rank < y.rank || (x.rank === y.rank && x.position < y.position);
  }
}

function maxima(ids: Iterable<number>): number[] {
  let highest = 0;
  for (const id of ids) if (id > highest) highest = id;
  return [highest];
}
