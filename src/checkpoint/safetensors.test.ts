import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decodeBfloat, decodeHalf, floatToBfloat, floatToHalf, halfToFloat } from "../quant/half.js";
import { dequantizeNf4 } from "../quant/nf4.js";
import { openCheckpoint } from "./open.js";
import { SafetensorsFile } from "./safetensors.js";
import { writeSafetensors, writeShardedSafetensors } from "./safetensors-write.js";

const fixtures = fileURLToPath(new URL("../model/fixtures/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "evoke-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file of this header and data; the length prefix can lie. */
function craft(header: unknown, data = 0, claimed?: bigint): string {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimed ?? BigInt(text.length));
  const path = join(folder, "crafted.safetensors");
  writeFileSync(path, Buffer.concat([prefix, text, Buffer.alloc(data)]));
  return path;
}

function refusal(header: unknown, data = 0, claimed?: bigint): string {
  try {
    new SafetensorsFile(craft(header, data, claimed)).close();
  } catch (error) {
    return (error as Error).message
      .replace(folder, "")
      .replace("/crafted.safetensors: not a usable safetensors file: ", "");
  }
  return "opened";
}

describe("16-bit floats", () => {
  it("every pattern survives the way to fp32 and back", () => {
    for (let bits = 0; bits < 65536; bits++) {
      if (Number.isNaN(halfToFloat(bits))) expect(floatToHalf(Number.NaN) & 0x7c00).toBe(0x7c00);
      else expect(floatToHalf(halfToFloat(bits))).toBe(bits);
    }
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((i) => (i & 0x7f80) !== 0x7f80);
    const values = new Float32Array(patterns.length);
    decodeBfloat(patterns, values);
    expect([...values].every((value, i) => floatToBfloat(value) === patterns[i])).toBe(true);
  });

  it("rounds to the nearest, ties to even", () => {
    expect(floatToHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(floatToHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(floatToHalf(65519.996)).toBe(0x7bff);
    expect(floatToHalf(65520)).toBe(0x7c00);
    expect(floatToHalf(2 ** -25)).toBe(0);
    expect(floatToHalf(-(2 ** -25) * 1.001)).toBe(0x8001);
    expect(floatToBfloat(1 + 2 ** -8)).toBe(0x3f80);
    expect(floatToBfloat(1 + 3 * 2 ** -8)).toBe(0x3f82);
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65000, max: 65000 }), (x) => {
        const out = new Float32Array(1);
        decodeHalf(Uint16Array.of(floatToHalf(x)), out);
        const near = (bits: number): number => {
          const distance = Math.abs(halfToFloat(bits) - x);
          return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
        };
        const bits = floatToHalf(x);
        expect(near(bits)).toBeLessThanOrEqual(Math.min(near(bits + 1), near(Math.max(bits - 1, 0))));
        expect(out[0]).toBe(halfToFloat(bits));
      }),
    );
  });
});

describe("writing safetensors", () => {
  it("reads back what was written, in every dtype and any shape", () => {
    const tensor = fc.record({
      shape: fc.array(fc.nat(5), { maxLength: 3 }),
      dtype: fc.constantFrom("F32" as const, "BF16" as const, "F16" as const),
      lazy: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 5 }), (shapes) => {
        const path = join(folder, "round.safetensors");
        const values = shapes.map(({ shape }, t) =>
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i - 7) * 0.25 + t),
        );
        const tensors = shapes.map(({ shape, dtype, lazy }, t) => ({
          name: `t${t}`,
          shape,
          dtype,
          data: lazy ? () => values[t]! : values[t]!,
        }));
        writeSafetensors(path, tensors, { note: "x" });
        const file = new SafetensorsFile(path);
        expect(file.metadata).toEqual({ note: "x" });
        for (const [t, { name, shape, dtype }] of tensors.entries()) {
          expect(file.entry(name)).toMatchObject({ shape, dtype });
          const out = new Float32Array(values[t]!.length);
          file.decode(name, 0, out.length, out);
          expect(out).toEqual(values[t]);
        }
        file.close();
      }),
      { numRuns: 50 },
    );
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("makes the same file as the reference library from the same weights", () => {
    const reference = join(fixtures, "llama/model.safetensors");
    const file = new SafetensorsFile(reference);
    const entries = [...file.entries.values()].sort((a, b) => a.position - b.position);
    const tensors = entries.map(({ name, shape, values }) => {
      const data = new Float32Array(values);
      file.decode(name, 0, values, data);
      return { name, shape, dtype: "F32" as const, data };
    });
    const path = join(folder, "same.safetensors");
    writeSafetensors(path, tensors, { ...file.metadata });
    expect(readFileSync(path).equals(readFileSync(reference))).toBe(true);
  });

  it("shards by size, and the folder opens as a whole", () => {
    const out = join(folder, "sharded");
    mkdirSync(out);
    writeFileSync(join(out, "config.json"), '{"model_type": "llama"}');
    const tensors = Array.from({ length: 7 }, (_, i) => ({
      name: `w${i}`,
      shape: [2, 5 + i],
      dtype: "F32" as const,
      data: new Float32Array(2 * (5 + i)).fill(i),
    }));
    const files = writeShardedSafetensors(out, tensors, { maxShardBytes: 120 });
    expect(files).toEqual([
      "model-00001-of-00005.safetensors",
      "model-00002-of-00005.safetensors",
      "model-00003-of-00005.safetensors",
      "model-00004-of-00005.safetensors",
      "model-00005-of-00005.safetensors",
      "model.safetensors.index.json",
    ]);
    const index = JSON.parse(readFileSync(join(out, "model.safetensors.index.json"), "utf8"));
    expect(index.metadata.total_size).toBe(8 * (5 + 6 + 7 + 8 + 9 + 10 + 11));
    const checkpoint = openCheckpoint(out);
    expect(checkpoint.names()).toEqual(tensors.map(({ name }) => name));
    for (const { name, data } of tensors) expect(checkpoint.read(name)).toEqual(data);
    checkpoint.close();
    rmSync(join(out, files[1]!));
    expect(() => openCheckpoint(out)).toThrow(/model-00002-of-00005\.safetensors: no such file/);
    writeFileSync(join(out, "model.safetensors.index.json"), '{"weight_map": {"w0": "../../etc/passwd"}}');
    expect(() => openCheckpoint(out)).toThrow("a file name was expected");
  });

  it("leaves nothing behind when the data are wrong", () => {
    const path = join(folder, "wrong.safetensors");
    const one = { name: "a", shape: [2], dtype: "F32" as const, data: new Float32Array(3) };
    expect(() => writeSafetensors(path, [one])).toThrow("weight a of shape [2] was given 3 values");
    expect(() => writeSafetensors(path, [one, one])).toThrow("weight a was given twice");
    expect(readdirSync(folder).filter((name) => name.includes("wrong"))).toEqual([]);
  });
});

describe("a damaged safetensors file", () => {
  const f32 = (from: number, to: number, shape: unknown): unknown => ({
    dtype: "F32",
    shape,
    data_offsets: [from, to],
  });

  it("is refused with one line that says what is wrong", () => {
    expect(refusal({ a: f32(0, 8, [2]) }, 8)).toBe("opened");
    expect(refusal({ a: f32(0, 8, [2]) }, 7)).toMatch(
      /the data of a ends at byte \d+, the file at \d+: it is truncated/,
    );
    expect(refusal({ a: f32(0, 8, [2]) }, 9)).toMatch(/its weights end at byte/);
    expect(refusal({ a: f32(0, 8, [3]) }, 8)).toBe("weight a of shape [3] and type F32 does not fit its 8 bytes");
    expect(refusal({ a: f32(0, 8, [-2]) }, 8)).toBe("weight a has no valid shape");
    expect(refusal({ a: f32(8, 0, [2]) }, 8)).toContain("does not fit its -8 bytes");
    expect(refusal({ a: f32(0, 8, [2 ** 40, 2 ** 40]) }, 8)).toContain("does not fit");
    expect(refusal({ a: { dtype: "toString", shape: [], data_offsets: [0, 4] } }, 4)).toContain(
      'unknown type "toString"',
    );
    expect(refusal({ a: f32(0, 8, [2]), b: f32(4, 12, [2]) }, 12)).toContain("the data of b overlaps");
    expect(refusal({ "a\nb": f32(0, 8, [2]) }, 8)).toContain("control characters");
    expect(refusal({ a: null })).toContain("unknown type");
    expect(refusal("{")).toBe("it has only 9 bytes");
    expect(refusal("{     ")).toBe("its header is not valid JSON");
    expect(refusal("[      ]")).toBe("its header is not a JSON object");
    expect(refusal({}, 0, 1n << 62n)).toContain("at most 32000000 are allowed");
    expect(refusal({}, 100, 20_000_000n)).toContain("it is truncated");
  });
});

describe("a bitsandbytes checkpoint", () => {
  const checkpoint = openCheckpoint(join(fixtures, "bnb"));
  const expected = JSON.parse(readFileSync(join(fixtures, "bnb/expected.json"), "utf8")) as Record<string, string>;
  afterAll(() => checkpoint.close());
  const floats = (name: string): Float32Array =>
    new Float32Array(Uint8Array.from(Buffer.from(expected[name]!, "base64")).buffer);

  it("shows its weights, not their parts", () => {
    expect(checkpoint.names().sort()).toEqual([
      "fp4.weight",
      "int8.weight",
      "nf4.weight",
      "norm.weight",
      "plain.weight",
    ]);
    expect(checkpoint.info("nf4.weight")).toEqual({ name: "nf4.weight", shape: [24, 96], format: "bnb-nf4" });
    expect(checkpoint.info("fp4.weight").format).toBe("bnb-fp4");
    expect(checkpoint.info("int8.weight").format).toBe("bnb-int8");
    expect(checkpoint.read("norm.weight")).toEqual(new Float32Array(96).fill(1.5));
  });

  it.each(["nf4", "plain", "fp4", "int8"])("decodes %s to the same bits", (kind) => {
    const name = `${kind}.weight`;
    expect(checkpoint.read(name)).toEqual(floats(name));
    expect(checkpoint.readRows(name, [4, 1])).toEqual(
      Float32Array.of(...floats(name).slice(4 * 96, 5 * 96), ...floats(name).slice(96, 192)),
    );
  });

  it("hands out 4-bit weights as stored", () => {
    const weight = checkpoint.readNf4("nf4.weight")!;
    expect(weight).toMatchObject({ shape: [24, 96], blockSize: 64, quantType: "nf4" });
    const out = new Float32Array(24 * 96);
    dequantizeNf4(weight, out);
    expect(out).toEqual(floats("nf4.weight"));
    expect(checkpoint.readNf4("int8.weight")).toBeUndefined();
    expect(checkpoint.readNf4("norm.weight")).toBeUndefined();
  });
});

describe("a Hugging Face folder", () => {
  it("says what it lacks", () => {
    const bare = mkdtempSync(join(folder, "bare-"));
    writeFileSync(join(bare, "config.json"), "{}");
    expect(() => openCheckpoint(bare)).toThrow("has no model.safetensors and no model.safetensors.index.json");
    writeFileSync(join(bare, "pytorch_model.bin"), "");
    expect(() => openCheckpoint(bare)).toThrow("convert them to safetensors first");
    writeFileSync(join(bare, "config.json"), "[1]");
    expect(() => openCheckpoint(bare)).toThrow("config.json: a JSON object was expected");
    writeFileSync(join(bare, "config.json"), "{");
    expect(() => openCheckpoint(bare)).toThrow("config.json: not valid JSON");
  });

  it("names a missing weight and reads rows of any plain weight", () => {
    const checkpoint = openCheckpoint(join(fixtures, "llama"));
    expect(() => checkpoint.read("model.nothing")).toThrow(/fixtures\/llama: weight model\.nothing is missing/);
    const whole = checkpoint.read("model.embed_tokens.weight");
    const width = checkpoint.info("model.embed_tokens.weight").shape[1]!;
    expect(checkpoint.readRows("model.embed_tokens.weight", [9])).toEqual(whole.slice(9 * width, 10 * width));
    expect(() => checkpoint.readRows("model.embed_tokens.weight", [-1])).toThrow("row -1 of model.embed_tokens.weight");
    checkpoint.close();
  });
});
