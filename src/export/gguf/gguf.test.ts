import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { fixtureWeights, randomAdapter } from "../../../tests/support/fixture-model.js";
import { stretchedModel } from "../../../tests/support/stretched-model.js";
import { parseGguf } from "../../checkpoint/gguf/parse.js";
import { type Checkpoint, openCheckpoint } from "../../checkpoint/open.js";
import { UsageError } from "../../errors.js";
import { decoderConfig } from "../../model/architectures/index.js";
import { renderModelTemplate } from "../../tokenizer/chat-template.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { writeGgufAdapter } from "./adapter.js";
import { writeGgufModel } from "./model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-gguf-"));
afterAll(() => rmSync(root, { recursive: true }));
const fixtures = fileURLToPath(new URL("../../model/fixtures/", import.meta.url));
const mini = fileURLToPath(new URL("../../../models/mini", import.meta.url));

const LLAMA3 = { rope_type: "llama3", low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
const YARN = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 };

/** What a model computes, in numbers as a GGUF file holds them. */
function shapeOf({ config, source }: Checkpoint): unknown {
  const shape = decoderConfig(config, source);
  const { block, rope, attentionScale, residualScale, logitScale } = { ...shape, ...shape.block, block: shape.block };
  const activation = block.mlp.activation === "gelu" ? "gelu-tanh" : block.mlp.activation;
  return {
    ...shape,
    maxPositions: 0,
    attentionScale: Math.fround(attentionScale),
    logitScale: Math.fround(logitScale),
    block: { ...block, residualScale: Math.fround(residualScale), mlp: { ...block.mlp, activation } },
    rope: rope.map((one) => ({ ...one, magnitude: one.magnitude && Math.fround(one.magnitude) })),
  };
}

/** A fixture, with a tokenizer that it does not have itself. */
async function exported(name: string, encoding: "f32" | "q8_0" | "q4_0" | "bf16" = "f32"): Promise<string> {
  const checkpoint = stretchedModel(name);
  const path = join(root, `${name}-${encoding}.gguf`);
  const chat = { template: "{{ messages }}", stops: [] };
  try {
    writeGgufModel(checkpoint, mini, await loadTokenizer(mini), path, { encoding, chat, name });
  } finally {
    checkpoint.close();
  }
  return path;
}

describe("models as GGUF files", () => {
  const families = [
    "llama",
    "llama-bias",
    "llama-tied-rope3",
    "mistral",
    "qwen2",
    "qwen2-untied",
    "qwen3",
    "gemma2",
    "olmo-clip",
    "olmo2",
    "gemma3",
    "olmo3",
    "smollm3",
    "granite",
    "phi3",
    "gpt-neox",
    "gpt2",
  ];
  it.each(families)("%s is read back as it was", async (name) => {
    const before = stretchedModel(name);
    const after = openCheckpoint(await exported(name));
    // Gemma's norms are stored with 1 added, which rounds.
    const most = name.startsWith("gemma") ? 1e-6 : 0;
    for (const weight of before.names()) {
      // GPT-NeoX' head has its own name in GGUF files' Hugging Face form.
      const there = after.has(weight) ? weight : "embed_out.weight";
      const [a, b] = [before.read(weight), after.read(there)];
      expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!))), weight).toBeLessThanOrEqual(most);
    }
    expect(after.names()).toHaveLength(before.names().length);
    expect(shapeOf(after)).toEqual(shapeOf(before));
    before.close();
    after.close();
  });

  it("carry tokenizer, template and stops", async () => {
    const checkpoint = openCheckpoint(mini);
    const base = await loadTokenizer(mini);
    const path = join(root, "mini.gguf");
    const template = "{% for m in messages %}<|pad|>{{ m.content }}{% endfor %}";
    writeGgufModel(checkpoint, mini, base, path, { encoding: "q8_0", chat: { template, stops: [1, 0] }, name: "mini" });
    checkpoint.close();
    const found = await loadTokenizer(path);
    for (const text of ["Hello, world!", "  two\n\nlines\t1234", "Grüße, 世界 🌍", "<|endoftext|>"])
      expect(found.encode(text)).toEqual(base.encode(text));
    expect(renderModelTemplate(found, [{ role: "user", content: "a" }])).toBe("<|pad|>a");
    expect(openCheckpoint(path).generationConfig.eos_token_id).toEqual([0, 1]);
  });

  it.each(["q8_0", "q4_0", "bf16"] as const)("in %s are as near as that storage is", async (encoding) => {
    const before = openCheckpoint(`${fixtures}llama`);
    const after = openCheckpoint(await exported("llama", encoding));
    const name = "model.layers.0.self_attn.q_proj.weight";
    const [a, b] = [before.read(name), after.read(name)];
    const most = a.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const furthest = a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
    expect(furthest / most).toBeLessThan({ q8_0: 0.005, q4_0: 0.13, bf16: 0.004 }[encoding]);
    expect(after.read("model.norm.weight")).toEqual(before.read("model.norm.weight"));
    before.close();
    after.close();
  });

  it("are refused for families and settings that llama.cpp has no place for", async () => {
    const tokenizer = await loadTokenizer(mini);
    const write = (name: string, changes: Record<string, unknown>): void => {
      const checkpoint = stretchedModel(name, changes);
      try {
        const options = { encoding: "f32", chat: { stops: [] }, name } as const;
        writeGgufModel(checkpoint, mini, tokenizer, join(root, "refused.gguf"), options);
      } finally {
        checkpoint.close();
      }
    };
    expect(() => write("gemma3-types", {})).toThrow(UsageError);
    const gemma3 = { query_pre_attn_scalar: 16, num_hidden_layers: 6 };
    expect(() => write("gemma3", gemma3)).toThrow(/layer_types/);
    expect(() => write("gemma3", { ...gemma3, sliding_window_pattern: 6 })).toThrow(/rope_local/);
    expect(() => write("smollm3", {})).toThrow(/no_rope_layers/);
    expect(() => write("smollm3", { no_rope_layers: [1, 1], rope_scaling: { ...LLAMA3, factor: 8 } })).toThrow(
      /llama3/,
    );
    expect(() => write("olmo3", {})).toThrow(/layer_types/);
    expect(() => write("llama", { rope_scaling: { ...YARN, beta_fast: 8 } })).toThrow(/beta_fast/);
    expect(() => write("llama", { partial_rotary_factor: 0.5 })).toThrow(/partial_rotary_factor/);
    expect(() => write("llama", { hidden_act: "gelu" })).toThrow(/activation/);
    expect(() => write("gpt2", { scale_attn_weights: false })).toThrow(/attention scale/);
    expect(() => write("gemma2", { query_pre_attn_scalar: 24 })).toThrow(/query_pre_attn_scalar/);
    expect(() => write("llama", { model_type: "mamba" })).toThrow(/model_type "mamba"/);
    expect(existsSync(join(root, "refused.gguf"))).toBe(false);
  });
});

describe("adapters as GGUF files", () => {
  it("hold the factors that llama.cpp multiplies, with their scale", () => {
    const { config } = fixtureWeights("llama");
    const adapter = randomAdapter(config, ["self_attn.q_proj", "mlp.down_proj"], 4, "gguf");
    const path = join(root, "adapter.gguf");
    writeGgufAdapter(adapter, { model_type: "llama" }, config, path, "f32", "a");
    const { metadata, tensors, file } = parseGguf(path);
    file.close();
    expect(Object.fromEntries(metadata)).toEqual({
      "general.architecture": "llama",
      "general.type": "adapter",
      "adapter.type": "lora",
      "adapter.lora.alpha": 8,
    });
    expect(tensors.get("blk.1.attn_q.weight.lora_a")!.shape).toEqual([4, config.hiddenSize]);
    expect(tensors.get("blk.0.ffn_down.weight.lora_b")!.shape).toEqual([config.hiddenSize, 4]);
    expect(tensors.size).toBe(4 * config.layers);
  });

  it("are not written for DoRA", () => {
    const { config } = fixtureWeights("llama");
    const adapter = randomAdapter(config, ["self_attn.q_proj"], 4, "gguf");
    const dora = { ...adapter, shape: { ...adapter.shape, dora: true } };
    expect(() => writeGgufAdapter(dora, { model_type: "llama" }, config, join(root, "d.gguf"), "f32", "a")).toThrow(
      /use_dora/,
    );
  });
});
