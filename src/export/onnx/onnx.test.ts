import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { fixtureWeights, golden } from "../../../tests/support/fixture-model.js";
import { openCheckpoint } from "../../checkpoint/open.js";
import { toOnnx } from "../../graph/onnx/lower.js";
import { decoderConfig } from "../../model/architectures/index.js";
import { vectorShapes } from "../../model/decoder-layer.js";
import { PackedModel } from "../../model/packed-model.js";
import { packRow } from "../../model/packed-row.js";
import type { DecoderWeights } from "../../model/weights.js";
import { Random } from "../../random/counter.js";
import { Device } from "../../runtime/device.js";
import { type OnnxStorage, onnxGraph } from "./graph.js";
import { writeOnnxFolder } from "./model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-onnx-"));
afterAll(() => rmSync(root, { recursive: true }));

const int64 = (values: readonly number[], dims: number[]): ort.Tensor =>
  new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);

/** Logits of the last tokens: the first part of a text at once, the others one by one over the cache. */
async function logitsOf(
  weights: DecoderWeights,
  storage: OnnxStorage,
  ids: number[],
  last: number,
): Promise<number[][]> {
  const { bytes, external } = toOnnx(onnxGraph(weights, storage), { inside: true });
  expect(external).toEqual([]);
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const { layers, kvHeads, headDim, vocabSize } = weights.config;
  let cache: Record<string, ort.Tensor> = {};
  for (let layer = 0; layer < layers; layer++)
    for (const part of ["key", "value"])
      cache[`past_key_values.${layer}.${part}`] = new ort.Tensor("float32", new Float32Array(0), [
        1,
        kvHeads,
        0,
        headDim,
      ]);
  const found: number[][] = [];
  const first = ids.length - last + 1;
  for (let at = 0; at < ids.length; ) {
    const some = at === 0 ? ids.slice(0, first) : [ids[at]!];
    at += some.length;
    const mask = int64(new Array<number>(at).fill(1), [1, at]);
    const result = await session.run({ input_ids: int64(some, [1, some.length]), attention_mask: mask, ...cache });
    const logits = result.logits!.data as Float32Array;
    expect(result.logits!.dims).toEqual([1, some.length, vocabSize]);
    found.push([...logits.subarray(logits.length - vocabSize)]);
    cache = Object.fromEntries(
      Object.keys(cache).map((name) => [name, result[name.replace("past_key_values", "present")]!]),
    );
  }
  await session.release();
  return found;
}

const furthest = (a: number[][], b: number[][]): number =>
  Math.max(...a.flat().map((value, i) => Math.abs(value - b.flat()[i]!)));

/** A fixture's architecture with heads of another size and random weights. */
function withHeads(name: string, headDim: number): DecoderWeights {
  const plain = fixtureWeights(name);
  const checkpoint = openCheckpoint(fileURLToPath(new URL(`../../model/fixtures/${name}`, import.meta.url)));
  const config = {
    ...decoderConfig({ ...checkpoint.config, head_dim: headDim }, name),
    tiedEmbeddings: plain.config.tiedEmbeddings,
  };
  checkpoint.close();
  const random = new Random("onnx", name);
  const fill = (size: number, scale: number): Float32Array =>
    Float32Array.from({ length: size }, () => scale * random.normal());
  const layers = plain.layers.map(() => ({
    linear: new Map(
      config.block.linears.map(({ name: linear, shape: [out, width] }) => [
        linear,
        { kind: "float32" as const, data: fill(out * width, 1 / Math.sqrt(width)) },
      ]),
    ),
    biases: new Map(
      config.block.linears.filter(({ bias }) => bias).map(({ name: linear, shape }) => [linear, fill(shape[0], 0.3)]),
    ),
    vectors: new Map([...vectorShapes(config)].map(([vector, size]) => [vector, fill(size, 0.3).map((x) => 1 + x)])),
  }));
  return { ...plain, config, layers };
}

describe("models as ONNX files", () => {
  it.each(["gemma2", "gemma3"])("%s gives transformers' logits over a cache", async (name) => {
    const weights = fixtureWeights(name);
    for (const { ids, logits } of golden(name)) {
      const found = await logitsOf(weights, "f32", ids, logits.length);
      expect(furthest(logits, found)).toBeLessThan(1e-4);
    }
  });

  const families = ["llama", "llama-tied-rope3", "llama-bias", "mistral", "qwen2", "qwen3", "olmo-clip", "olmo2"];
  it.each(families)("%s, with heads of 16, gives the engine's logits over a cache", async (name) => {
    const weights = withHeads(name, 16);
    const { ids } = golden(name)[0]!;
    const model = new PackedModel(weights, await Device.open({ threads: 1 }));
    const positions = [ids.length - 3, ids.length - 2, ids.length - 1];
    const logits = await model.logits(await model.hidden(packRow([ids])), positions);
    await model.dispose();
    expect(furthest([[...logits]], [(await logitsOf(weights, "f32", ids, 3)).flat()])).toBeLessThan(1e-4);
    expect(Math.max(...logits)).toBeGreaterThan(0.1);
  });

  it("need heads that ONNX Runtime's attention takes", () => {
    expect(() => onnxGraph(fixtureWeights("llama"), "f32")).toThrow(/heads of 8 numbers/);
  });

  it("are near in 4 bits", async () => {
    const weights = fixtureWeights("gemma2");
    const { ids, logits } = golden("gemma2")[0]!;
    const found = await logitsOf(weights, "q4", ids, logits.length);
    const error = Math.sqrt(logits.flat().reduce((sum, value, i) => sum + (value - found.flat()[i]!) ** 2, 0));
    expect(error / Math.hypot(...logits.flat())).toBeLessThan(0.25);
    expect(error).toBeGreaterThan(0);
  });

  it("come with configuration and tokenizer", () => {
    const mini = fileURLToPath(new URL("../../../models/mini", import.meta.url));
    const checkpoint = openCheckpoint(mini);
    writeOnnxFolder(checkpoint, mini, join(root, "mini"), "q4", { jinja: "{{ messages }}", stops: [0] });
    checkpoint.close();
    expect(openFiles(join(root, "mini"))).toEqual([
      ...["chat_template.jinja", "config.json", "generation_config.json", "onnx", "onnx/model_q4.onnx"],
      ...["tokenizer.json", "tokenizer_config.json"],
    ]);
  });
});

function openFiles(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort();
}
