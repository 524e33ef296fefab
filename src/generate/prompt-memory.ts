/** Keys, values and logits of prompts read lately: a prompt that comes again is not read again. */
import type { Adapter } from "../model/adapter.js";
import type { LayerKeysValues } from "../model/packed-model.js";

export interface ReadPrompt {
  /** By layer, [tokens, kvHeads · headDim] each. */
  layers: LayerKeysValues[];
  /** After the last token, [vocab]. */
  logits: Float32Array;
}

/** A prompt larger than this share of the memory would push out too many others. */
const LARGEST_SHARE = 1 / 8;

export class PromptMemory {
  /** Oldest use first. */
  private readonly prompts = new Map<string, { read: ReadPrompt; bytes: number }>();
  private readonly adapters = new WeakMap<Adapter, number>();
  private adaptersSeen = 0;
  private used = 0;

  /** @param limit most bytes held. */
  constructor(private readonly limit: number) {}

  /** Whether a prompt with so many bytes of keys, values and logits would be held. */
  takes(bytes: number): boolean {
    return bytes <= this.limit * LARGEST_SHARE;
  }

  get(prompt: readonly number[], adapter?: Adapter): ReadPrompt | undefined {
    const key = this.key(prompt, adapter);
    const found = this.prompts.get(key);
    if (!found) return undefined;
    this.prompts.delete(key);
    this.prompts.set(key, found);
    return found.read;
  }

  put(prompt: readonly number[], adapter: Adapter | undefined, read: ReadPrompt): void {
    const key = this.key(prompt, adapter);
    if (this.prompts.has(key)) return;
    const bytes = read.layers.reduce((sum, { k, v }) => sum + k.byteLength + v.byteLength, read.logits.byteLength);
    this.prompts.set(key, { read, bytes });
    this.used += bytes;
    for (const [oldest, { bytes }] of this.prompts) {
      if (this.used <= this.limit) break;
      this.prompts.delete(oldest);
      this.used -= bytes;
    }
  }

  private key(prompt: readonly number[], adapter: Adapter | undefined): string {
    let id = 0;
    if (adapter) {
      id = this.adapters.get(adapter) ?? ++this.adaptersSeen;
      this.adapters.set(adapter, id);
    }
    return `${id}:${prompt.join()}`;
  }
}
