/** The tiny fixture models of the forward pass, and a tokenizer for them that needs no files. */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import type { LoadedModel } from "../../src/generate/load-model.js";
import type { Adapter, AdapterFactors } from "../../src/model/adapter.js";
import type { DecoderConfig } from "../../src/model/decoder-config.js";
import { type LinearName, linearShape } from "../../src/model/decoder-layer.js";
import { type DecoderWeights, loadDecoderWeights } from "../../src/model/weights.js";
import { adapterShape } from "../../src/peft/targets.js";
import { Random } from "../../src/random/counter.js";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.js";

const fixtures = fileURLToPath(new URL("../../src/model/fixtures/", import.meta.url));

export const fixtureNames: string[] = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .filter((name) => readdirSync(`${fixtures}${name}`).includes("golden.json"));

export interface GoldenSequence {
  ids: number[];
  /** Logits of the last positions. */
  logits: number[][];
}

export function golden(name: string): GoldenSequence[] {
  return JSON.parse(readFileSync(`${fixtures}${name}/golden.json`, "utf8")).sequences;
}

export function fixtureWeights(name: string): DecoderWeights {
  const checkpoint = openCheckpoint(`${fixtures}${name}`);
  try {
    return loadDecoderWeights(checkpoint);
  } finally {
    checkpoint.close();
  }
}

/** One token per code unit below 192; the last ids are special. `merges` are pairs of characters that form one token. */
export function letterTokenizer(options: { merges?: string[]; eosIds?: number[]; bosId?: number } = {}): Tokenizer {
  const { merges = [], eosIds = [], bosId } = options;
  const decode = (ids: ArrayLike<number>): string =>
    Array.from(ids, (id) => (id >= 128 && id < 128 + merges.length ? merges[id - 128]! : String.fromCharCode(id))).join(
      "",
    );
  return {
    encode(text, { addSpecialTokens = true } = {}) {
      const ids = addSpecialTokens && bosId !== undefined ? [bosId] : [];
      for (let at = 0; at < text.length; ) {
        const merge = merges.findIndex((pair) => text.startsWith(pair, at));
        ids.push(merge >= 0 ? 128 + merge : text.charCodeAt(at));
        at += merge >= 0 ? merges[merge]!.length : 1;
      }
      return ids;
    },
    decode,
    tokenToId: (token) => token.charCodeAt(0),
    idToToken: (id) => decode([id]),
    vocabSize: 192,
    bosId,
    eosId: eosIds[0],
    eosIds,
    stream: () => ({ push: (id) => decode([id]), flush: () => "" }),
  };
}

/** A fixture as the generator takes it. */
export function fixtureModel(name: string, tokenizer = letterTokenizer(), adapters: Adapter[] = []): LoadedModel {
  const weights = fixtureWeights(name);
  return {
    path: name,
    reference: name,
    config: weights.config,
    weights,
    precision: "float32",
    tokenizer,
    adapters: adapters.map((adapter, i) => ({ name: `adapter${i}`, adapter })),
    identity: { id: name, files: {} },
  };
}

/** An adapter with random factors that is large enough to change what a tiny model writes. */
export function randomAdapter(config: DecoderConfig, targets: LinearName[], rank: number, key: string): Adapter {
  const random = new Random("adapter", key);
  const fill = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal() * 0.3);
  return {
    shape: adapterShape(config, { r: rank, alpha: 2 * rank, dropout: 0, target_modules: targets }),
    layers: Array.from({ length: config.layers }, () => {
      const factors = new Map<LinearName, AdapterFactors>();
      for (const name of targets) {
        const [out, width] = linearShape(config, name);
        factors.set(name, { a: fill(rank * width), b: fill(out * rank) });
      }
      return factors;
    }),
  };
}
