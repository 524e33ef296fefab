import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fixtureWeights, randomAdapter } from "../../tests/support/fixture-model.js";
import { SafetensorsFile } from "../checkpoint/safetensors.js";
import { writeSafetensors } from "../checkpoint/safetensors-write.js";
import { FailureError, UsageError } from "../errors.js";
import { linearNames } from "../model/decoder-layer.js";
import { loadAdapter, saveAdapter } from "./adapter-io.js";

const root = mkdtempSync(join(tmpdir(), "evoke-adapter-"));
afterAll(() => rmSync(root, { recursive: true }));
const { config } = fixtureWeights("llama");
const adapter = randomAdapter(config, ["self_attn.q_proj", "mlp.down_proj"], 3, "io");
let count = 0;

async function saved(change: (fields: Record<string, unknown>) => void = () => {}): Promise<string> {
  const folder = join(root, `a${count++}`);
  await saveAdapter(folder, adapter, { base: { name: "ORG/BASE", revision: "v1" } });
  const path = join(folder, "adapter_config.json");
  const fields = JSON.parse(readFileSync(path, "utf8"));
  change(fields);
  writeFileSync(path, JSON.stringify(fields));
  return folder;
}

describe("adapter folders", () => {
  it("come back as they were written", async () => {
    expect(await loadAdapter(await saved(), config)).toEqual({ ...adapter, baseModel: "ORG/BASE" });
  });

  it("hold PEFT's names, shapes and settings", async () => {
    const folder = await saved();
    const file = new SafetensorsFile(join(folder, "adapter_model.safetensors"));
    expect(file.entries.size).toBe(2 * 2 * config.layers);
    expect(file.entry("base_model.model.model.layers.1.mlp.down_proj.lora_A.weight").shape).toEqual([
      3,
      config.block.mlp.width,
    ]);
    expect(file.entry("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight").shape).toEqual([
      config.hiddenSize,
      3,
    ]);
    file.close();
    expect(JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"))).toMatchObject({
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      base_model_name_or_path: "ORG/BASE",
      r: 3,
      lora_alpha: 6,
      target_modules: ["q_proj", "down_proj"],
      revision: "v1",
      use_rslora: false,
    });
  });

  it.each([
    ["gpt2", "base_model.model.transformer.h.1.attn.c_attn.lora_A.weight"],
    ["gpt-neox", "base_model.model.gpt_neox.layers.1.attention.query_key_value.lora_A.weight"],
    ["phi3", "base_model.model.model.layers.1.mlp.gate_up_proj.lora_A.weight"],
  ])("carry the names of their family: %s", async (family, tensor) => {
    const weights = fixtureWeights(family);
    const made = randomAdapter(weights.config, linearNames(weights.config), 2, family);
    const folder = mkdtempSync(join(tmpdir(), "evoke-adapter-"));
    await saveAdapter(folder, made);
    const file = new SafetensorsFile(join(folder, "adapter_model.safetensors"));
    expect([...file.entries.keys()]).toContain(tensor);
    file.close();
    expect((await loadAdapter(folder, weights.config)).layers).toEqual(made.layers);
    rmSync(folder, { recursive: true });
  });

  it("may be rank-stabilised", async () => {
    const folder = await saved((fields) => (fields.use_rslora = true));
    const loaded = await loadAdapter(folder, config);
    expect(loaded.shape.layers[0]!.get("mlp.down_proj")!.scaling).toBeCloseTo(6 / Math.sqrt(3));
    await saveAdapter(folder, loaded);
    expect((await loadAdapter(folder, config)).shape).toEqual(loaded.shape);
  });

  it("for another base are refused, naming it", async () => {
    const folder = await saved();
    for (const other of [
      { ...config, block: fixtureWeights("gemma2").config.block },
      { ...config, layers: 1 },
    ]) {
      const error = await loadAdapter(folder, other).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(UsageError);
      expect(String(error)).toMatch(/another base model \(ORG\/BASE\)/);
    }
    await expect(loadAdapter(folder, { ...config, layers: 3 })).rejects.toThrow(/layers\.2\..*is missing/);
    const otherRank = await saved((fields) => (fields.r = 4));
    await expect(loadAdapter(otherRank, config)).rejects.toThrow(UsageError);
  });

  it("that are missing or damaged are named", async () => {
    await expect(loadAdapter(join(root, "none"), config)).rejects.toThrow(/adapter_config.json is missing/);
    const noWeights = await saved();
    rmSync(join(noWeights, "adapter_model.safetensors"));
    await expect(loadAdapter(noWeights, config)).rejects.toThrow(/adapter_model.safetensors is missing/);
    const noRank = await saved((fields) => delete fields.r);
    await expect(loadAdapter(noRank, config)).rejects.toThrow(FailureError);
    const half = await saved();
    writeSafetensors(join(half, "adapter_model.safetensors"), [
      {
        name: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        shape: [3, 32],
        dtype: "F32",
        data: new Float32Array(96),
      },
    ]);
    await expect(loadAdapter(half, config)).rejects.toThrow(/lora_B.weight is missing/);
    const strange = await saved();
    writeSafetensors(join(strange, "adapter_model.safetensors"), [
      { name: "base_model.model.lm_head.lora_A.weight", shape: [3, 32], dtype: "F32", data: new Float32Array(96) },
    ]);
    await expect(loadAdapter(strange, config)).rejects.toThrow(/lm_head/);
    expect(existsSync(strange)).toBe(true);
  });
});
