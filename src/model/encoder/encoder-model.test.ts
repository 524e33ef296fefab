/** transformers' hidden states of tiny random encoders (tools/golden/encoders.py). */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Device } from "../../runtime/device.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { EncoderModel } from "./encoder-model.js";

interface Golden {
  pairs: [string, string][];
  encoders: Record<string, { ids: number[][]; states: { text: number; layers: number[][] }[] }>;
}

const fixtures = fileURLToPath(new URL("fixtures/", import.meta.url));
const golden = JSON.parse(readFileSync(join(fixtures, "golden.json"), "utf8")) as Golden;

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await Device.open({ threads: 1 });
  folder = mkdtempSync(join(tmpdir(), "evoke-encoder-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function statesOf(model: EncoderModel, texts: number[][]): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  await model.encode(texts, (i, states) => {
    found[i] = states;
  });
  return found;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity);

describe.each(["bert", "roberta"])("%s", (name) => {
  const { ids, states } = golden.encoders[name]!;

  it("has transformers' hidden states after every layer", async () => {
    for (let layer = 0; layer <= 3; layer++) {
      const model = await EncoderModel.load(join(fixtures, name), device, layer);
      const found = await statesOf(
        model,
        states.map(({ text }) => ids[text]!),
      );
      for (const [i, { layers }] of states.entries()) expect(largest(found[i]!, layers[layer]!)).toBeLessThan(1e-4);
      await model.dispose();
    }
  });

  it("gives a text the same states beside longer ones", async () => {
    const model = await EncoderModel.load(join(fixtures, name), device);
    const together = await statesOf(model, ids);
    for (const i of [0, 3, 20]) {
      const [alone] = await statesOf(model, [ids[i]!]);
      expect(largest(alone!, together[i]!)).toBeLessThan(1e-5);
    }
    await model.dispose();
  });

  it("refuses what it cannot run, in one line", async () => {
    const load = (path: string, layers?: number) => EncoderModel.load(path, device, layers);
    await expect(load(join(fixtures, name), 4)).rejects.toThrow("has 3 layers, layer 4 was asked for");
    await expect(load(fileURLToPath(new URL("../fixtures/llama", import.meta.url)))).rejects.toThrow(
      '"llama" is not an encoder that is supported',
    );
    const damaged = join(folder, name);
    cpSync(join(fixtures, name), damaged, { recursive: true });
    const config = JSON.parse(readFileSync(join(damaged, "config.json"), "utf8"));
    writeFileSync(join(damaged, "config.json"), JSON.stringify({ ...config, intermediate_size: 41 }));
    await expect(load(damaged)).rejects.toThrow("config.json asks for [41, 24]");
    writeFileSync(join(damaged, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 4 }));
    await expect(load(damaged)).rejects.toThrow("the checkpoint is not complete");
    writeFileSync(join(damaged, "config.json"), JSON.stringify({ ...config, hidden_act: "relu6" }));
    await expect(load(damaged)).rejects.toThrow('activation "relu6" is not supported');
    writeFileSync(join(damaged, "config.json"), JSON.stringify({ ...config, position_embedding_type: "relative_key" }));
    await expect(load(damaged)).rejects.toThrow("relative_key");
  });

  it("refuses tokens and texts outside its tables", async () => {
    const model = await EncoderModel.load(join(fixtures, name), device, 1);
    await expect(statesOf(model, [[1, 4000]])).rejects.toThrow("token 4000 is not in the encoder's vocabulary");
    await expect(statesOf(model, [new Array(65).fill(1)])).rejects.toThrow("a text of 65 tokens for an encoder of 64");
    await model.dispose();
  });

  it("tokenises as transformers", async () => {
    const tokenizer = await loadTokenizer(join(fixtures, name));
    const space = name === "roberta" ? " " : "";
    for (const [i, text] of golden.pairs.flat().entries()) {
      const expected = ids[i]!;
      if (text.trim() === "" || expected.length === 64) continue;
      expect(tokenizer.encode(space + text.trim()), text).toEqual(expected);
    }
  });
});
