import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { signedDynamicMap } from "./dynamic-map.js";
import { dequantizeInt8, quantizeInt8 } from "./int8.js";
import {
  blockScales,
  decodeBlocks,
  dequantizeNf4,
  type NestedAbsmax,
  NF4_CODE,
  type Nf4Weight,
  quantizeNf4,
} from "./nf4.js";

interface Golden {
  packed: string;
  absmax: string;
  decoded: string;
  nested_absmax: string;
  offset: string;
}
type Kinds = Record<"nf4" | "nf4-double" | "fp4" | "fp4-double", Golden> & { int8: { data: string; rowmax: string } };
interface Fixture {
  dynamicMap: string;
  cases: Record<string, Kinds & { shape: [number, number]; input: string }>;
  large: (Kinds & { seed: number; blocks: number; input: string })[];
}

const fixture = JSON.parse(readFileSync(new URL("./fixtures/quant.json", import.meta.url), "utf8")) as Fixture;

function raw(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
function floats(text: string): Float32Array {
  return new Float32Array(raw(text).buffer);
}
function bytes(data: ArrayBufferView): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
function base64(data: ArrayBufferView): string {
  return bytes(data).toString("base64");
}
function digest(data: ArrayBufferView): string {
  return createHash("sha256").update(bytes(data)).digest("hex");
}
function decoded(weight: Nf4Weight): Float32Array {
  const out = new Float32Array(weight.shape[0] * weight.shape[1]);
  dequantizeNf4(weight, out);
  return out;
}

/** The integer hash that tools/golden/quant.py fills large weights with. */
function large(seed: number, blocks: number): Float32Array {
  return Float32Array.from({ length: blocks * 64 }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 15), 2246822519) >>> 0;
    x = (x ^ (x >>> 13)) >>> 0;
    return (x / 2 ** 32 - 0.5) * 0.1;
  });
}

describe("NF4 against bitsandbytes", () => {
  it("builds the signed dynamic map bit for bit", () => {
    expect(base64(signedDynamicMap())).toBe(fixture.dynamicMap);
  });

  it.each(Object.entries(fixture.cases))("%s: stores the same bytes and decodes to the same bits", (_name, golden) => {
    const input = floats(golden.input);
    const plain = quantizeNf4(input, golden.shape, { doubleQuant: false });
    expect(base64(plain.packed)).toBe(golden.nf4.packed);
    expect(base64(plain.absmax as Float32Array)).toBe(golden.nf4.absmax);
    expect(digest(decoded(plain))).toBe(golden.nf4.decoded);

    const double = quantizeNf4(input, golden.shape);
    const nested = double.absmax as NestedAbsmax;
    const expected = golden["nf4-double"];
    expect(base64(double.packed)).toBe(expected.packed);
    expect(base64(Float32Array.of(nested.offset))).toBe(expected.offset);
    expect(base64(nested.codes)).toBe(expected.absmax);
    expect(base64(nested.absmax)).toBe(expected.nested_absmax);
    expect(digest(decoded(double))).toBe(expected.decoded);
  });

  it.each(Object.entries(fixture.cases))("%s: decodes FP4 to the same bits", (_name, golden) => {
    const { shape } = golden;
    const common = { shape, blockSize: 64, quantType: "fp4" as const };
    const plain = { ...common, packed: raw(golden.fp4.packed), absmax: floats(golden.fp4.absmax) };
    expect(digest(decoded(plain))).toBe(golden.fp4.decoded);
    const stored = golden["fp4-double"];
    const absmax = {
      codes: raw(stored.absmax),
      absmax: floats(stored.nested_absmax),
      code: signedDynamicMap(),
      offset: floats(stored.offset)[0]!,
    };
    expect(digest(decoded({ ...common, packed: raw(stored.packed), absmax }))).toBe(stored.decoded);
  });

  it.each(Object.entries(fixture.cases))("%s: stores the same bytes in int8", (_name, golden) => {
    const input = floats(golden.input);
    const weight = quantizeInt8(input, golden.shape);
    const maxima = floats(golden.int8.rowmax);
    expect([...weight.scale]).toEqual([...maxima].map((m) => Math.fround(m / 127)));
    expect(base64(weight.data)).toBe(golden.int8.data);
    const back = new Float32Array(input.length);
    dequantizeInt8(weight, back);
    const allowed = (i: number): number => (maxima[Math.floor(i / golden.shape[1])]! * 0.5001) / 127 + 2 ** -126;
    const worst = Math.max(...back.map((v, i) => Math.abs(v - input[i]!) - allowed(i)));
    expect(worst).toBeLessThanOrEqual(0);
  });

  it.each(fixture.large)("$blocks blocks: the same bytes, whose scales sum in PyTorch's order", (golden) => {
    const input = large(golden.seed, golden.blocks);
    expect(digest(input)).toBe(golden.input);
    const double = quantizeNf4(input, [golden.blocks, 64]);
    const nested = double.absmax as NestedAbsmax;
    expect(base64(Float32Array.of(nested.offset))).toBe(golden["nf4-double"].offset);
    expect(digest(double.packed)).toBe(golden["nf4-double"].packed);
    expect(digest(nested.codes)).toBe(golden["nf4-double"].absmax);
    expect(digest(nested.absmax)).toBe(golden["nf4-double"].nested_absmax);
    expect(digest(decoded(double))).toBe(golden["nf4-double"].decoded);
    expect(digest(quantizeInt8(input, [golden.blocks, 64]).data)).toBe(golden.int8.data);
  });
});

describe("NF4", () => {
  const matrix = fc.float32Array({
    minLength: 1,
    maxLength: 400,
    noNaN: true,
    noDefaultInfinity: true,
    max: 2 ** 100,
    min: -(2 ** 100),
  });

  it("errs by at most half the widest gap of its code, times the block's scale", () => {
    fc.assert(
      fc.property(matrix, (values) => {
        const weight = quantizeNf4(values, [1, values.length], { doubleQuant: false });
        const scales = new Float32Array(Math.ceil(values.length / 64));
        blockScales(weight, scales);
        const out = decoded(weight);
        for (let i = 0; i < values.length; i++) {
          expect(Math.abs(out[i]! - values[i]!)).toBeLessThanOrEqual(scales[i >> 6]! * 0.1521 + 1e-37);
        }
      }),
    );
  });

  it("decodes any range of whole blocks as the whole does", () => {
    fc.assert(
      fc.property(matrix, fc.nat(5), fc.nat(5), (values, a, b) => {
        const weight = quantizeNf4(values, [1, values.length]);
        const start = Math.min(64 * a, 64 * Math.floor((values.length - 1) / 64));
        const count = Math.min(64 * (b + 1), values.length - start);
        const part = new Float32Array(count + 1).fill(7);
        decodeBlocks(weight, start, count, part, 0);
        expect([...part.subarray(0, count)]).toEqual([...decoded(weight).subarray(start, start + count)]);
        expect(part[count]).toBe(7);
      }),
    );
  });

  it("keeps its own values", () => {
    const weight = quantizeNf4(NF4_CODE, [2, 8], { doubleQuant: false });
    expect([...decoded(weight)]).toEqual([...NF4_CODE]);
  });

  it("refuses a matrix of another size and room too small", () => {
    expect(() => quantizeNf4(new Float32Array(5), [2, 3])).toThrow("2×3 weight needs 6 values, got 5");
    expect(() => dequantizeNf4(quantizeNf4(new Float32Array(6), [2, 3]), new Float32Array(5))).toThrow(
      "needs room for 6",
    );
    expect(() => quantizeInt8(new Float32Array(5), [2, 3])).toThrow("needs 6 values");
  });
});
