/** Every option of PEFT's LoraConfig: scored as PEFT does, or refused by its name (tools/golden/peft_adapters.py). */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixtureWeights } from "../../tests/support/fixture-model.js";
import { openCheckpoint } from "../checkpoint/open.js";
import { writeSafetensors } from "../checkpoint/safetensors-write.js";
import { UsageError } from "../errors.js";
import { Decoder } from "../generate/decoder.js";
import { KvCache } from "../generate/kv-cache.js";
import { SoloDecoder } from "../generate/solo/solo-decoder.js";
import type { Adapter } from "../model/adapter.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { loadDecoderWeights } from "../model/weights.js";
import { Device } from "../runtime/device.js";
import { loadAdapter, saveAdapter } from "./adapter-io.js";
import { mergeAdapter } from "./merge.js";

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const models = fileURLToPath(new URL("../model/fixtures/", import.meta.url));
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const {
  ids,
  versions: _,
  ...accepted
} = json(`${fixtures}accepted.json`) as {
  ids: number[];
  [name: string]: unknown;
};
const cases = Object.entries(accepted as Record<string, { base: string; logits: number[][] }>);
const refused = Object.entries(
  json(`${fixtures}refused.json`) as Record<
    string,
    { base: string; names: string; config: object; tensors: Record<string, number[]> }
  >,
);

const root = mkdtempSync(join(tmpdir(), "evoke-peft-"));
afterAll(() => rmSync(root, { recursive: true }));
let device: Device;
beforeAll(async () => {
  device = await Device.open({ threads: 1 });
});

const last = [ids.length - 1];
const furthest = (a: ArrayLike<number>, b: readonly number[][]): number =>
  Math.max(...b.flat().map((x, i) => Math.abs(x - a[i]!)));

async function scored(base: string, adapter?: Adapter, folder = `${models}${base}`): Promise<Float32Array> {
  const checkpoint = openCheckpoint(folder);
  const model = new PackedModel(loadDecoderWeights(checkpoint), device);
  checkpoint.close();
  const found = await model.logits(await model.hidden(packRow([ids]), { adapter }), last);
  await model.dispose();
  return found;
}

describe("adapters made by PEFT", () => {
  it.each(cases)("%s is scored as PEFT does, saved, and merged", async (name, { base, logits }) => {
    const { config } = fixtureWeights(base);
    const adapter = await loadAdapter(`${fixtures}${name}`, config);
    expect(furthest(await scored(base, adapter), logits)).toBeLessThan(1e-4);

    await saveAdapter(join(root, name), adapter, { base: { name: "ORG/BASE" } });
    expect({ ...(await loadAdapter(join(root, name), config)), baseModel: undefined }).toEqual({
      ...adapter,
      baseModel: undefined,
    });

    const checkpoint = openCheckpoint(`${models}${base}`);
    mergeAdapter(checkpoint, `${models}${base}`, adapter, join(root, `${name}-merged`), { dtype: "F32" });
    checkpoint.close();
    expect(furthest(await scored(base, undefined, join(root, `${name}-merged`)), logits)).toBeLessThan(1e-4);
  });

  it.each(cases.filter(([name]) => /pattern|dora|layer|rslora|exclude-e/.test(name)))(
    "%s is decoded as PEFT does",
    async (name, { base, logits }) => {
      const weights = fixtureWeights(base);
      const adapter = await loadAdapter(`${fixtures}${name}`, weights.config);
      for (const [decoder, tolerance] of [
        [new Decoder(weights, device, "float32"), 1e-4],
        [new Decoder(weights, device, "int8"), 0.35],
        [new SoloDecoder(weights, 1, new Decoder(weights, device, "float32")), 0.35],
      ] as const) {
        const cache = new KvCache(weights.config);
        cache.reserve(1, ids.length);
        cache.add(0);
        let found: Float32Array = new Float32Array();
        for (const id of ids) found = (await decoder.step(cache, [id], adapter)).slice();
        expect(furthest(found, logits)).toBeLessThan(tolerance);
        await decoder.dispose();
      }
    },
  );

  it.each(refused)("%s is refused by name", async (name, { base, names, config, tensors }) => {
    const folder = join(root, `refused-${name}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(config));
    await writeSafetensors(
      join(folder, "adapter_model.safetensors"),
      Object.entries(tensors).map(([tensor, shape]) => ({
        name: tensor,
        shape,
        dtype: "F32" as const,
        data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
      })),
    );
    const error = await loadAdapter(folder, fixtureWeights(base).config).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(String(error)).toContain(names);
  });
});
