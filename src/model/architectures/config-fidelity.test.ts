/** What config.json says is honoured, or refused by name. Values are against transformers in packed-model.test.ts. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fixtureNames } from "../../../tests/support/fixture-model.js";
import { decoderConfig } from "./index.js";

const fixture = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/${name}/config.json`, import.meta.url)), "utf8"));
const read = (fields: Record<string, unknown>) => decoderConfig(fields, "model");

describe("a field of config.json", () => {
  it.each(fixtureNames)("%s: that is not known is refused by name, unless it switches nothing on", (name) => {
    const fields = fixture(name);
    expect(() => read(fields)).not.toThrow();
    expect(() => read({ ...fields, attention_sinks: 4 })).toThrow(
      /^model: config field "attention_sinks" \(4\) is not known for .* models and may change what they compute$/,
    );
    for (const nothing of [false, null, {}, []])
      expect(() => read({ ...fields, attention_sinks: nothing })).not.toThrow();
    for (const note of ["_name_or_path", "transformers_version", "use_cache", "top_p", "pretraining_tp"])
      expect(() => read({ ...fields, [note]: "x" })).not.toThrow();
  });

  it("beyond all bounds is refused before anything is made of it", () => {
    const fields = fixture("llama");
    for (const [name, value] of Object.entries({
      num_hidden_layers: 1e8,
      num_attention_heads: 1e8,
      hidden_size: 1e8,
      vocab_size: 1e9,
      head_dim: 1e8,
      intermediate_size: 1e9,
    }))
      expect(() => read({ ...fields, [name]: value }), name).toThrow(
        `config field "${name}" must be a whole number from 1`,
      );
  });
});

describe("layer_types", () => {
  it.each(["qwen2", "qwen3", "gemma2", "gemma3", "olmo3", "smollm3"])("decide which layers of %s slide", (name) => {
    const switched = ["qwen2", "qwen3", "smollm3"].includes(name) ? { use_sliding_window: true } : {};
    const fields = { ...fixture(name), sliding_window: 8, ...switched };
    const layers = Number(fixture(name).num_hidden_layers);
    const all = (type: string) => read({ ...fields, layer_types: new Array(layers).fill(type) }).slidingWindow;
    expect(all("sliding_attention")).toEqual(new Array(layers).fill(8));
    expect(all("full_attention")).toEqual(new Array(layers).fill(undefined));
    expect(() => read({ ...fields, layer_types: ["full_attention"] })).toThrow(`must list ${layers} layers`);
    expect(() => all("linear_attention")).toThrow('layers of type "linear_attention" are not supported');
  });
});

describe("rotary settings", () => {
  const llama = (more: Record<string, unknown>) => read({ ...fixture("llama"), ...more }).rope[0]!;

  it("of rope_parameters count more than rope_theta, and rope_scaling more than those", () => {
    expect(llama({ rope_theta: 1e4, rope_parameters: { rope_type: "default", rope_theta: 7 } }).theta).toBe(7);
    const scaled = llama({
      rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 7 },
      rope_scaling: { type: "linear", factor: 4 },
    });
    expect(scaled).toMatchObject({ theta: 1e4, scaling: { type: "linear", factor: 4 } });
  });

  it("may rotate a part of each head", () => {
    expect(llama({ partial_rotary_factor: 0.5 }).dims).toBe(4);
    expect(() => llama({ partial_rotary_factor: 0.4 })).toThrow("does not give an even number");
    expect(() => llama({ partial_rotary_factor: 2 })).toThrow("partial_rotary_factor 2");
  });

  it("of other kinds, and fields that a kind does not know, are refused", () => {
    expect(() => llama({ rope_scaling: { type: "axial" } })).toThrow('rope scaling "axial" is not supported');
    expect(() => llama({ rope_scaling: { type: "linear", factor: 2, twist: 3 } })).toThrow(
      "rope_scaling.twist is not known for the type linear",
    );
    expect(() => llama({ rope_scaling: { type: "linear" } })).toThrow("rope_scaling.factor must be a number");
  });

  it("that depend on a text's length end where they would change", () => {
    expect(read(fixture("phi3")).maxPositions).toBe(64);
    expect(llama({ rope_scaling: { type: "dynamic", factor: 2 }, max_position_embeddings: 96 }).limit).toBe(96);
    expect(llama({ rope_scaling: { type: "linear", factor: 2 } }).limit).toBeUndefined();
  });
});

describe("models of several parts", () => {
  it.each([
    ["gemma3", "gemma3_text"],
    ["mistral3", "mistral"],
    ["llava", "llama"],
  ])("%s is refused with the name of its text part", (type, part) => {
    const fields = { model_type: type, text_config: { ...fixture("llama"), model_type: part }, vision_config: {} };
    expect(() => read(fields)).toThrow(`model_type "${type}" is a model of several parts, with a text part of type`);
    expect(() => read({ ...fixture("llama"), text_config: fields.text_config })).toThrow('config field "text_config"');
  });

  it.each(["qwen3_moe", "granitemoehybrid", "granitemoe", "mamba", "gpt_oss"])(
    "%s, which is not built, is refused by its name",
    (type) => {
      expect(() => read({ ...fixture("llama"), model_type: type })).toThrow(`unknown architecture "${type}"`);
    },
  );
});
