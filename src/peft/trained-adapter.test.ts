import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixtureWeights } from "../../tests/support/fixture-model.js";
import { UsageError } from "../errors.js";
import { parseRecipe } from "../recipe/load.js";
import { newAdapter } from "../train/parameter-store.js";
import { loadAdapter, saveAdapter } from "./adapter-io.js";
import { peftBase } from "./base-model.js";
import { adapterShape } from "./targets.js";
import { trainedShape } from "./trained-adapter.js";

const root = mkdtempSync(join(tmpdir(), "evoke-trained-"));
afterAll(() => rmSync(root, { recursive: true }));
const weights = fixtureWeights("llama");
const { config } = weights;
const made = join(root, "made");
beforeAll(async () => {
  const shape = adapterShape(config, { r: 3, alpha: 7, dropout: 0.2, target_modules: ["q_proj"], use_rslora: true });
  await saveAdapter(made, newAdapter(weights, shape, 0), { base: { name: "ORG/BASE" } });
});

const recipe = (lora: object | undefined, more: object = {}) =>
  parseRecipe({
    model: "m",
    method: "lora",
    mode: "it",
    adapter: made,
    data: { path: "rows.jsonl" },
    ...(lora && { lora }),
    ...more,
  });

describe("an adapter that is continued", () => {
  it.each([
    ["no lora block", undefined],
    ["an equal block", { r: 3, alpha: 7, use_rslora: true, target_modules: ["self_attn.q_proj"] }],
    ["a part of it", { alpha: 7 }],
  ])("keeps its own shape with %s", async (_, lora) => {
    const { shape } = await loadAdapter(made, config);
    expect(trainedShape(config, recipe(lora))).toEqual(shape);
  });

  it("keeps its own shape under a preset", async () => {
    const { shape } = await loadAdapter(made, config);
    expect(trainedShape(config, recipe(undefined, { preset: "paper-lora" }))).toEqual(shape);
  });

  it("may get another dropout", () => {
    expect(trainedShape(config, recipe({ dropout: 0 })).dropout).toBe(0);
    expect(trainedShape(config, recipe(undefined)).dropout).toBe(0.2);
  });

  it.each([
    ["r", 8],
    ["alpha", 16],
    ["use_rslora", false],
    ["use_dora", true],
    ["target_modules", "all-linear"],
    ["target_modules", ["q_proj", "v_proj"]],
  ])("contradicted in lora.%s (%o) is refused", (key, value) => {
    const contradicted = () => trainedShape(config, recipe({ [key]: value }));
    expect(contradicted).toThrow(UsageError);
    expect(contradicted).toThrow(new RegExp(`^lora\\.${key}: .* contradicts the adapter`));
  });

  it("keeps PEFT's patterns when it is saved again", async () => {
    for (const name of ["rank-pattern", "alpha-pattern", "layers", "exclude-expression", "dora"]) {
      const source = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
      const loaded = await loadAdapter(source, config);
      const shape = trainedShape(config, { adapter: source, lora: {} });
      await saveAdapter(join(root, name), { ...loaded, shape });
      expect((await loadAdapter(join(root, name), config)).shape).toEqual(loaded.shape);
    }
  });
});

describe("a new adapter", () => {
  it("starts from PEFT's lengths under DoRA", async () => {
    const source = fileURLToPath(new URL("../train/fixtures/dora-init", import.meta.url));
    const biased = fixtureWeights("llama-bias");
    const theirs = await loadAdapter(source, biased.config);
    const ours = newAdapter(biased, theirs.shape, 0);
    for (const [layer, factors] of theirs.layers.entries())
      for (const [name, { magnitude }] of factors) {
        const found = ours.layers[layer]!.get(name)!.magnitude!;
        expect(Math.max(...magnitude!.map((value, i) => Math.abs(value - found[i]!)))).toBeLessThan(1e-5);
      }
  });
});

describe("the base that an adapter names", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const cached = `/cache/models--ORG--NAME/snapshots/${commit}`;
  it.each([
    ["hf:ORG/NAME", cached, { name: "ORG/NAME", revision: commit }],
    ["hf:ORG/NAME@v2", cached, { name: "ORG/NAME", revision: "v2" }],
    ["hf:A/B@v1,hf:ORG/NAME@v2", cached, { name: "ORG/NAME", revision: "v2" }],
    ["hf:ORG/NAME", `${cached}/model.gguf`, { name: "ORG/NAME", revision: commit }],
    ["pip:name==1", "/cache/pip/name", { name: "/cache/pip/name" }],
    ["bundled:mini", "/x/models/mini", { name: "/x/models/mini" }],
  ])("%s at %s", (reference, path, expected) => {
    expect(peftBase(reference, path)).toEqual(expected);
  });
});
