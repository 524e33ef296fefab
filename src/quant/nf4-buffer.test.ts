import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assemble } from "../../tools/wasm/assemble.js";
import { dequantizeNf4, type Nf4Weight, quantizeNf4 } from "./nf4.js";
import { Nf4Buffer } from "./nf4-buffer.js";
import { NF4_WASM } from "./simd/nf4-wasm.js";

function plain(weight: Nf4Weight): Float32Array {
  const out = new Float32Array(weight.shape[0] * weight.shape[1]);
  dequantizeNf4(weight, out);
  return out;
}

describe("Nf4Buffer", () => {
  it.each([true, false])(
    "decodes every code and any scale to the bits of the plain decoder (double: %s)",
    (doubleQuant) => {
      fc.assert(
        fc.property(
          fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 192, maxLength: 192 }),
          fc.constantFrom("nf4" as const, "fp4" as const),
          fc.uint8Array({ minLength: 96, maxLength: 96 }),
          (values, quantType, packed) => {
            const weight = quantizeNf4(Float32Array.from(values), [3, 64], { doubleQuant });
            const buffer = new Nf4Buffer(192, 64);
            for (const each of [weight, { ...weight, packed, quantType }]) {
              expect([...buffer.decode(each)]).toEqual([...plain(each)]);
            }
          },
        ),
      );
    },
  );

  it.each([
    [3, 30, 64],
    [2, 12, 8],
    [7, 64, 64],
    [4, 96, 32],
    [1, 4096, 4096],
  ])("decodes a %i × %i weight in blocks of %i", (rows, columns, blockSize) => {
    const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i) * (i % 17));
    const weight = quantizeNf4(data, [rows, columns], { blockSize });
    expect([...new Nf4Buffer(rows * columns, blockSize).decode(weight)]).toEqual([...plain(weight)]);
  });

  it("takes a weight of another block size, and none of another number of values", () => {
    const data = Float32Array.from({ length: 256 }, (_, i) => Math.cos(i));
    const buffer = new Nf4Buffer(256, 64);
    const weight = quantizeNf4(data, [4, 64], { blockSize: 128 });
    expect([...buffer.decode(weight)]).toEqual([...plain(weight)]);
    expect(() => buffer.decode(quantizeNf4(data.subarray(64), [3, 64]))).toThrow("3×64");
  });

  it("runs the module that nf4.wat gives", async () => {
    expect(
      Buffer.from(await assemble(fileURLToPath(new URL("./simd/nf4.wat", import.meta.url)))).toString("base64"),
    ).toBe(NF4_WASM);
  });
});
