/** Weights in 8-bit floats, and checkpoints in forms that are not read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { loadDecoderWeights } from "../model/weights.js";
import { Device } from "../runtime/device.js";
import { openCheckpoint } from "./open.js";
import { readQuantization } from "./quantization.js";
import { writeSafetensors } from "./safetensors-write.js";

const fixtures = fileURLToPath(new URL("../model/fixtures/", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "evoke-fp8-"));
afterAll(() => rmSync(root, { recursive: true }));
const fixture = (folder: string, file: string): Record<string, string> =>
  JSON.parse(readFileSync(join(fixtures, folder, file), "utf8"));

describe.each(["fp8-block", "fp8-row", "fp8-tensor"])("%s", (folder) => {
  const checkpoint = openCheckpoint(join(fixtures, folder));
  afterAll(() => checkpoint.close());

  it("decodes as PyTorch does, bit for bit, whole and by rows", () => {
    const expected = fixture(folder, "expected.json");
    expect(Object.keys(expected)).toHaveLength(7);
    for (const [name, base64] of Object.entries(expected)) {
      const values = new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
      expect(checkpoint.read(name)).toEqual(values);
      const width = checkpoint.info(name).shape[1]!;
      const rows = [17, 2];
      const some = rows.flatMap((row) => [...values.subarray(row * width, (row + 1) * width)]);
      expect([...checkpoint.readRows(name, rows)]).toEqual(some);
    }
  });

  it("shows the weights of the model that it was made from, no scales", () => {
    const plain = openCheckpoint(join(fixtures, "qwen3"));
    expect(checkpoint.names().sort()).toEqual(plain.names().sort());
    plain.close();
  });
});

it("gives transformers' logits", async () => {
  const [golden] = (
    fixture("fp8-block", "logits.json") as unknown as { sequences: { ids: number[]; logits: number[][] }[] }
  ).sequences;
  const checkpoint = openCheckpoint(join(fixtures, "fp8-block"));
  const model = new PackedModel(loadDecoderWeights(checkpoint), await Device.open({ threads: 1 }));
  checkpoint.close();
  const { ids, logits } = golden!;
  const hidden = await model.hidden(packRow([ids]));
  const found = await model.logits(hidden, [ids.length - 3, ids.length - 2, ids.length - 1]);
  expect(Math.max(...logits.flat().map((x, i) => Math.abs(x - found[i]!)))).toBeLessThan(1e-4);
  await model.dispose();
});

describe("an 8-bit weight", () => {
  const folder = mkdtempSync(join(root, "bad-"));
  /** A folder with one weight [4, 6] of ones and what lies beside it. */
  const opened = (scale: { name: string; shape: number[] } | undefined, quantization: unknown) => {
    writeFileSync(join(folder, "config.json"), JSON.stringify({ quantization_config: quantization }));
    const path = join(folder, "model.safetensors");
    const size = scale?.shape.reduce((a, b) => a * b, 1) ?? 0;
    const tensors = scale
      ? [{ ...scale, dtype: "F32" as const, data: Float32Array.from({ length: size }, (_, i) => i + 1) }]
      : [];
    writeSafetensors(path, tensors);
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    header["x.weight"] = { dtype: "F8_E4M3", shape: [4, 6], data_offsets: [4 * size, 4 * size + 24] };
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(path, Buffer.concat([length, text, bytes.subarray(bytes.length - 4 * size), Buffer.alloc(24, 0x38)]));
    return openCheckpoint(folder);
  };
  const fp8 = (block?: number[]) => ({ quant_method: "fp8", weight_block_size: block });

  const rows = [1, 2, 3, 4].flatMap((scale) => new Array(6).fill(scale));
  const blocks = [1, 1, 1, 1, 2, 2];
  const ragged = [...blocks, ...blocks, ...blocks.map((scale) => scale + 2), ...blocks.map((scale) => scale + 2)];
  it.each([
    [[], undefined, new Array(24).fill(1)],
    [[1], undefined, new Array(24).fill(1)],
    [[4, 1], undefined, rows],
    [[4], undefined, rows],
    [[2, 2], [2, 4], ragged],
    [[1, 1], [128, 128], new Array(24).fill(1)],
  ])("takes a scale of shape %j in blocks of %j", (shape, block, values) => {
    const found = opened({ name: "x.weight_scale_inv", shape }, fp8(block)).read("x.weight");
    expect([...found]).toEqual(values);
  });

  it.each([
    [[6], undefined],
    [[1, 6], undefined],
    [[4, 6], undefined],
    [
      [2, 2],
      [2, 2],
    ],
    [
      [3, 1],
      [2, 4],
    ],
  ])("refuses a scale of shape %j in blocks of %j", (shape, block) => {
    const checkpoint = opened({ name: "x.weight_scale", shape }, fp8(block));
    expect(() => checkpoint.read("x.weight")).toThrow(
      /x\.weight_scale has shape .* which is no scale of x\.weight \[4, 6\]/,
    );
  });

  it("without a scale is refused", () => {
    const checkpoint = opened(undefined, fp8());
    expect(() => checkpoint.read("x.weight")).toThrow("x.weight is stored as F8_E4M3 without a scale");
  });
});

describe("quantization_config", () => {
  const group = (weights: object) => ({ quant_method: "compressed-tensors", config_groups: { group_0: { weights } } });
  it.each([
    ...[
      "gptq",
      "awq",
      "auto-round",
      "hqq",
      "aqlm",
      "quanto",
      "eetq",
      "torchao",
      "vptq",
      "spqr",
      "higgs",
      "bitnet",
      "mxfp4",
      "quark",
    ].map((method): [object | string, string] => [
      { quant_method: method, bits: 4 },
      `weights of quant_method "${method}" are not read`,
    ]),
    [{ bits: 4 }, "weights of quant_method undefined are not read"],
    ["fp8", '"fp8" is not an object'],
    [{ quant_method: "fp8", weight_block_size: [128] }, "a block of size [128] is none"],
    [{ quant_method: "fp8", weight_block_size: [0, 128] }, "a block of size [0,128] is none"],
    [{ quant_method: "modelopt", quant_algo: "NVFP4" }, 'quant_algo "NVFP4" of modelopt is not read'],
    [group({ type: "int", num_bits: 8, strategy: "channel" }), '8-bit weights of type "int" (compressed-tensors)'],
    [group({ type: "int", num_bits: 4, strategy: "group" }), '4-bit weights of type "int" (compressed-tensors)'],
    [group({ type: "float", num_bits: 4, strategy: "group" }), '4-bit weights of type "float" (compressed-tensors)'],
    [group({ type: "float", num_bits: 8, strategy: "group" }), 'weights scaled by "group" (compressed-tensors)'],
    [
      {
        ...group({ type: "float", num_bits: 8, strategy: "tensor" }),
        sparsity_config: { format: "sparse-24-bitmask" },
      },
      "sparsity_config.format",
    ],
    [{ quant_method: "compressed-tensors" }, "compressed-tensors without config_groups"],
  ])("%j is refused by name", (quantization, what) => {
    expect(() => readQuantization({ quantization_config: quantization }, "model")).toThrow(
      new RegExp(`^model: config field "quantization_config": ${what.replace(/[[\]().]/g, "\\$&")}`),
    );
  });
});
