/**
 * Keys and values of sequences of about the same length, in host memory. Sequences sit in slots 0 … n−1 without gaps, and
 * arrays are slot-first, so that the first n slots are one contiguous view which the graph reads without a copy.
 */
import type { DecoderConfig } from "../model/decoder-config.js";
import type { LayerKeysValues } from "../model/packed-model.js";
import type { Past } from "../model/past.js";

/** Positions are added in steps of this many. */
const CAPACITY_STEP = 32;
/** What is too small grows at least by this factor, so that a sequence is copied only a few times. */
const GROWTH = 9 / 8;
/** What is larger than needed by this factor shrinks. */
const SLACK = 1.5;

/** The positions for which a slot of so many takes memory. */
export const roundedPositions = (positions: number): number =>
  Math.max(1, Math.ceil(positions / CAPACITY_STEP)) * CAPACITY_STEP;

/** Bytes of a position's keys and values, in all layers. */
export const positionBytes = ({ layers, kvHeads, headDim }: DecoderConfig): number => layers * kvHeads * headDim * 8;

export class KvCache {
  /** By layer, [slots, kvHeads, capacity, headDim]. */
  readonly keys: Float32Array[] = [];
  /** As the keys. */
  readonly values: Float32Array[] = [];
  /** Cached positions of each slot. */
  readonly lengths: number[] = [];
  /** Positions there is room for in each slot. */
  capacity = 0;
  /** Another number when what a slot holds changes in another way than by `append`, so that copies know. */
  contents = 0;
  /** Slots there is room for. */
  room = 0;

  constructor(private readonly config: DecoderConfig) {}

  /** A cache with one empty slot that has room for so many positions. */
  static single(config: DecoderConfig, positions: number): KvCache {
    const cache = new KvCache(config);
    cache.reserve(1, positions);
    cache.add(0);
    return cache;
  }

  get slots(): number {
    return this.lengths.length;
  }

  /** Numbers per slot and layer, of keys or of values. */
  get slotSize(): number {
    return this.config.kvHeads * this.config.headDim * this.capacity;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.room * this.capacity * positionBytes(this.config);
  }

  /** Makes room for `slots` sequences of `positions` each; shrinks what is far too large. */
  reserve(slots: number, positions: number): void {
    const wanted = roundedPositions(positions);
    const capacity = resized(this.capacity, wanted, roundedPositions(this.capacity * GROWTH), 2 * CAPACITY_STEP);
    const room = resized(this.room, slots, Math.floor(this.room * GROWTH), 1);
    if (capacity === this.capacity && room === this.room) return;
    const { kvHeads, headDim, layers } = this.config;
    const old = this.capacity;
    const keep = Math.min(old, capacity) * headDim;
    const moved = (from: Float32Array | undefined): Float32Array => {
      const to = new Float32Array(room * kvHeads * headDim * capacity);
      for (let head = 0; head < this.slots * kvHeads; head++) {
        const at = head * old * headDim;
        to.set(from!.subarray(at, at + keep), head * capacity * headDim);
      }
      return to;
    };
    // All of it before any is put in place: where memory ends, the cache stays as it was.
    const all = Array.from(
      { length: layers },
      (_, layer) => [moved(this.keys[layer]), moved(this.values[layer])] as const,
    );
    all.forEach(([keys, values], layer) => {
      this.keys[layer] = keys;
      this.values[layer] = values;
    });
    this.capacity = capacity;
    this.room = room;
  }

  /** Opens a slot of `length` positions that are filled with `fill`; there must be room. */
  add(length: number): number {
    if (this.slots >= this.room || length > this.capacity) throw new Error("the cache has no room");
    this.contents++;
    return this.lengths.push(length) - 1;
  }

  /**
   * Writes a layer's keys and values, computed for a packed row: those of `length` tokens from `start` on become the
   * slot's positions from `position` on.
   */
  fill(slot: number, layer: number, from: LayerKeysValues, start: number, length: number, position = 0): void {
    const { kvHeads, headDim } = this.config;
    const { capacity } = this;
    const width = kvHeads * headDim;
    const keys = this.keys[layer]!;
    const values = this.values[layer]!;
    this.contents++;
    for (let head = 0; head < kvHeads; head++) {
      let to = slot * this.slotSize + (head * capacity + position) * headDim;
      let at = start * width + head * headDim;
      for (let t = 0; t < length; t++, at += width, to += headDim) {
        keys.set(from.k.subarray(at, at + headDim), to);
        values.set(from.v.subarray(at, at + headDim), to);
      }
    }
  }

  /**
   * Writes `count` positions behind those of each slot, which `advance` then counts.
   * @param k, v [layers, slots, count, kvHeads · headDim] for layers from `firstLayer` on.
   */
  append(k: Float32Array, v: Float32Array, firstLayer: number, layers: number, count = 1): void {
    const { kvHeads, headDim } = this.config;
    const { capacity, slots, lengths } = this;
    const width = kvHeads * headDim;
    let at = 0;
    for (let layer = firstLayer; layer < firstLayer + layers; layer++) {
      const keys = this.keys[layer]!;
      const values = this.values[layer]!;
      for (let row = 0; row < slots * count; row++) {
        const slot = Math.floor(row / count);
        const position = lengths[slot]! + (row % count);
        for (let head = 0; head < kvHeads; head++, at += headDim) {
          const to = slot * this.slotSize + (head * capacity + position) * headDim;
          keys.set(k.subarray(at, at + headDim), to);
          values.set(v.subarray(at, at + headDim), to);
        }
      }
    }
    if (k.length !== layers * slots * count * width) throw new Error("keys of another batch");
  }

  /** Counts the positions appended to each slot in this step, after all layers were given. */
  advance(count = 1): void {
    for (let slot = 0; slot < this.slots; slot++) this.lengths[slot]! += count;
  }

  /** Forgets the last positions of a slot. */
  drop(slot: number, count: number): void {
    this.lengths[slot]! -= count;
    this.contents++;
  }

  /**
   * Opens a slot with the contents of one of another cache; there must be a slot.
   * @param positions copies only so many.
   */
  adopt(from: KvCache, slot: number, positions = from.lengths[slot]!): number {
    const { kvHeads, headDim, layers } = this.config;
    const to = this.add(positions);
    for (let layer = 0; layer < layers; layer++)
      for (let head = 0; head < kvHeads; head++) {
        const at = slot * from.slotSize + head * from.capacity * headDim;
        const target = to * this.slotSize + head * this.capacity * headDim;
        const end = at + positions * headDim;
        this.keys[layer]!.set(from.keys[layer]!.subarray(at, end), target);
        this.values[layer]!.set(from.values[layer]!.subarray(at, end), target);
      }
    return to;
  }

  /** A cache of its own with the first positions of a slot and room for `positions`. */
  extract(slot: number, length = this.lengths[slot]!, positions = length): KvCache {
    const copy = new KvCache(this.config);
    copy.reserve(1, positions);
    copy.adopt(this, slot, length);
    return copy;
  }

  /** A slot's positions as a text that a row goes on from. Valid until the cache changes. */
  past(slot: number, length = this.lengths[slot]!): Past {
    const { kvHeads, headDim } = this.config;
    const { capacity } = this;
    const size = kvHeads * capacity * headDim;
    return {
      length,
      capacity,
      views: (layer) => ({
        keys: this.keys[layer]!.subarray(slot * size, (slot + 1) * size),
        values: this.values[layer]!.subarray(slot * size, (slot + 1) * size),
      }),
    };
  }

  /** Closes a slot; the last slot takes its place. */
  remove(slot: number): void {
    const last = this.slots - 1;
    if (slot !== last) {
      const size = this.slotSize;
      for (const array of [...this.keys, ...this.values]) array.copyWithin(slot * size, last * size, (last + 1) * size);
      this.lengths[slot] = this.lengths[last]!;
    }
    this.lengths.pop();
    this.contents++;
  }

  /** Contiguous views of all open slots. */
  views(layer: number): { keys: Float32Array; values: Float32Array } {
    const size = this.slots * this.slotSize;
    return { keys: this.keys[layer]!.subarray(0, size), values: this.values[layer]!.subarray(0, size) };
  }
}

/** The next size: at least `grown` where the present one is too small, as wanted where it is far too large. */
function resized(present: number, wanted: number, grown: number, ignored: number): number {
  if (wanted > present) return Math.max(wanted, grown);
  return wanted * SLACK < present && present - wanted > ignored ? wanted : present;
}
