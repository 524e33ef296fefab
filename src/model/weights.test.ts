import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.js";
import { loadDecoderWeights } from "./weights.js";

const folder = fileURLToPath(new URL("./fixtures/llama", import.meta.url));

describe("an untied embedding", () => {
  it("is read from the file after the checkpoint was closed, as it is from memory", () => {
    const checkpoint = openCheckpoint(folder);
    const inMemory = loadDecoderWeights(checkpoint);
    const onDisk = loadDecoderWeights(checkpoint, { embeddingInMemory: 0 });
    checkpoint.close();
    expect(inMemory.config.tiedEmbeddings).toBe(false);
    const tokens = [3, 0, 17, 3];
    const rows = [inMemory, onDisk].map((weights) => {
      const out = new Float32Array(tokens.length * weights.config.hiddenSize);
      weights.embed(tokens, out);
      return out;
    });
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[0]!.some((value) => value !== 0)).toBe(true);
    onDisk.close();
    expect(() => onDisk.embed(tokens, rows[0]!)).toThrow("was closed");
  });
});
