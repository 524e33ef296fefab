/** What takes decoding steps. */
import type { Adapter } from "../model/adapter.js";
import type { KvCache } from "./kv-cache.js";

export interface StepDecoder {
  /** Bytes of weights that a step reads, about. */
  readonly weightBytes: number;
  /**
   * Adds tokens to the open slots of the cache.
   * @param tokens ids of one token per slot or, where the decoder takes several, of successive ones for the only slot.
   * @returns logits [tokens, vocab], in memory that the next step overwrites.
   */
  step(cache: KvCache, tokens: ArrayLike<number>, adapter?: Adapter): Promise<Float32Array>;
  dispose(): Promise<void>;
}
