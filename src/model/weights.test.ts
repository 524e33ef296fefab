import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Checkpoint, openCheckpoint } from "../checkpoint/open.js";
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

describe("a checkpoint that names layers to be left as they are", () => {
  it.each([
    ["model.layers.1", (_: string, layer: number) => layer === 1],
    ["down_proj", (name: string) => name.endsWith("down_proj")],
    ["lm_head", () => false],
  ] as [string, (name: string, layer: number) => boolean][])(
    "keeps %s whole under quantisation",
    (skipped, isWhole) => {
      const checkpoint = openCheckpoint(folder);
      checkpoint.config.quantization_config = { quant_method: "bitsandbytes", llm_int8_skip_modules: [skipped] };
      for (const precision of ["nf4", "int8"] as const) {
        const { layers } = loadDecoderWeights(checkpoint, { precision });
        for (const [layer, { linear }] of layers.entries())
          for (const [name, { kind }] of linear) expect(kind).toBe(isWhole(name, layer) ? "float32" : precision);
      }
      checkpoint.close();
    },
  );
});

describe("the head", () => {
  const [embedding, own] = ["model.embed_tokens.weight", "lm_head.weight"];
  /** The model with another word about sharing in its configuration, and another head in its file. */
  function changed(tie: boolean | undefined, head: "own" | "same" | "none") {
    const checkpoint = openCheckpoint(folder);
    checkpoint.config.tie_word_embeddings = tie;
    const stored = (name: string): string => (name === own && head === "same" ? embedding : name);
    const view: Checkpoint = {
      source: checkpoint.source,
      config: checkpoint.config,
      generationConfig: {},
      names: () => checkpoint.names().filter((name) => name !== own || head !== "none"),
      has: (name) => checkpoint.has(name) && (name !== own || head !== "none"),
      info: (name) => ({ ...checkpoint.info(stored(name)), name }),
      read: (name) => checkpoint.read(stored(name)),
      readRows: (name, rows, out) => checkpoint.readRows(stored(name), rows, out),
      readNf4: () => undefined,
      close: () => {},
    };
    return { load: () => loadDecoderWeights(view), read: (name: string) => checkpoint.read(name) };
  }

  it.each([
    [true, "own", own, false],
    [true, "same", embedding, true],
    [true, "none", embedding, true],
    [false, "own", own, false],
    [false, "same", embedding, false],
    [undefined, "own", own, false],
  ] as const)("with tie_word_embeddings %s and %s in the file is %s", (tie, head, expected, tied) => {
    const { load, read } = changed(tie, head);
    const loaded = load();
    expect(loaded.head).toEqual(read(expected));
    expect(loaded.config.tiedEmbeddings).toBe(tied);
  });

  it.each([false, undefined])("is missed where nothing is shared (%s)", (tie) => {
    expect(changed(tie, "none").load).toThrow('weight "lm_head.weight" is missing');
  });
});
