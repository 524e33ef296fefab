/**
 * 16-bit floats: IEEE binary16 ("F16") and bfloat16 ("BF16"), both ways.
 * Encoding rounds to nearest, ties to even, as PyTorch and ggml do; NaN stays NaN.
 */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

let halfTable: Float32Array | undefined;

/** The value of each of the 65 536 binary16 patterns (256 KiB, built at first use). */
export function halfValues(): Float32Array {
  if (halfTable) return halfTable;
  const table = new Float32Array(65536);
  for (let h = 0; h < 65536; h++) {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 0) table[h] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[h] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else table[h] = sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  halfTable = table;
  return table;
}

/** Value of one binary16 pattern (0–65535). */
export function halfToFloat(pattern: number): number {
  return halfValues()[pattern]!;
}

/** binary16 pattern nearest to `value`; overflow gives infinity. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const x = bits[0]!;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Below 2^-14: count units of 2^-24; the product is exact in double precision.
    const units = Math.abs(float[0]!) * 2 ** 24;
    const whole = Math.floor(units);
    const rest = units - whole;
    return sign | (whole + (rest > 0.5 || (rest === 0.5 && whole & 1) ? 1 : 0));
  }
  const rebased = magnitude - 0x38000000;
  return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
}

/** bfloat16 pattern nearest to `value`. */
export function floatToBfloat(value: number): number {
  float[0] = value;
  const x = bits[0]!;
  if ((x & 0x7fffffff) > 0x7f800000) return ((x >>> 16) | 0x40) & 0xffff;
  return (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
}

/** Decodes little-endian binary16 values into `out` from `outOffset`. */
export function decodeHalf(patterns: Uint16Array, out: Float32Array, outOffset = 0): void {
  const table = halfValues();
  for (let i = 0; i < patterns.length; i++) out[outOffset + i] = table[patterns[i]!]!;
}

/** Decodes bfloat16 values into `out` from `outOffset`. */
export function decodeBfloat(patterns: Uint16Array, out: Float32Array, outOffset = 0): void {
  const target = new Uint32Array(out.buffer, out.byteOffset + 4 * outOffset, patterns.length);
  for (let i = 0; i < patterns.length; i++) target[i] = patterns[i]! << 16;
}
