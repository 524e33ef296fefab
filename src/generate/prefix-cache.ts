/**
 * What was read lately, with its keys and values: a prompt that comes again is not read again, and one that goes on where
 * another text ended is read from there on.
 */
import type { Adapter } from "../model/adapter.js";
import type { KvCache } from "./kv-cache.js";
import { commonLength } from "./score-plan.js";

/** A prompt that has been read. What is in it does not change any more. */
export interface ReadPrompt {
  /** One slot, of which the first `length` positions are the prompt. */
  cache: KvCache;
  length: number;
  /** After the prompt's last token, [vocab]. */
  logits: Float32Array;
}

interface Entry {
  tokens: readonly number[];
  adapter?: Adapter;
  cache: KvCache;
  /** Logits after so many of the tokens: a prompt ended there. */
  logits: Map<number, Float32Array>;
}

/** A text larger than this share of the memory would push out too many others. */
const LARGEST_SHARE = 1 / 2;

export class PrefixCache {
  /** Oldest use first. */
  private readonly entries: Entry[] = [];
  private used = 0;

  /** @param limit most bytes held. */
  constructor(private readonly limit: number) {}

  /** Exactly this prompt. */
  get(prompt: readonly number[], adapter?: Adapter): ReadPrompt | undefined {
    const { length } = prompt;
    for (const entry of this.entries) {
      const logits = entry.logits.get(length);
      if (!logits || entry.adapter !== adapter || commonLength(entry.tokens, prompt) < length) continue;
      this.touch(entry);
      return { cache: entry.cache, length, logits };
    }
    return undefined;
  }

  /** The text that begins with most of a prompt's tokens, and how many these are. */
  longest(prompt: readonly number[], adapter?: Adapter): { cache: KvCache; length: number } | undefined {
    let best: { entry: Entry; length: number } | undefined;
    for (const entry of this.entries) {
      if (entry.adapter !== adapter) continue;
      const length = commonLength(entry.tokens, prompt);
      if (length > (best?.length ?? 0)) best = { entry, length };
    }
    if (!best) return undefined;
    this.touch(best.entry);
    return { cache: best.entry.cache, length: best.length };
  }

  /**
   * Keeps a text, in the place of those that it continues.
   * @param cache one slot with all its tokens.
   * @param logits after the last token, where it is a prompt.
   */
  put(tokens: readonly number[], adapter: Adapter | undefined, cache: KvCache, logits?: Float32Array): void {
    const added: Entry = { tokens, adapter, cache, logits: new Map() };
    if (logits) added.logits.set(tokens.length, logits);
    if (bytesOf(added) > this.limit * LARGEST_SHARE) return;
    for (const entry of [...this.entries]) {
      if (entry.adapter !== adapter || commonLength(entry.tokens, tokens) < entry.tokens.length) continue;
      for (const [length, known] of entry.logits) if (!added.logits.has(length)) added.logits.set(length, known);
      this.remove(entry);
    }
    this.entries.push(added);
    this.used += bytesOf(added);
    while (this.used > this.limit) this.remove(this.entries[0]!);
  }

  private touch(entry: Entry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.entries.push(entry);
  }

  private remove(entry: Entry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.used -= bytesOf(entry);
  }
}

function bytesOf({ cache, logits, tokens }: Entry): number {
  const vectors = [...logits.values()].reduce((sum, vector) => sum + vector.byteLength, 0);
  return cache.bytes + vectors + 8 * tokens.length;
}
