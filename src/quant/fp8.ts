/** 8-bit floats as checkpoints store them: E4M3 without infinities ("fn"), and E5M2. */

function table(exponentBits: number, finite: boolean): Float32Array {
  const fractionBits = 7 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const values = new Float32Array(256);
  for (let code = 0; code < 256; code++) {
    const sign = code & 0x80 ? -1 : 1;
    const exponent = (code >> fractionBits) & (2 ** exponentBits - 1);
    const fraction = code & (2 ** fractionBits - 1);
    const last = exponent === 2 ** exponentBits - 1;
    if (last && finite && fraction === 2 ** fractionBits - 1) values[code] = Number.NaN;
    else if (last && !finite) values[code] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) values[code] = sign * fraction * 2 ** (1 - bias - fractionBits);
    else values[code] = sign * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias);
  }
  return values;
}

/** The value of each of the 256 codes, by the name safetensors has for the type. */
export const FP8_VALUES: Readonly<Record<string, Float32Array>> = {
  F8_E4M3: table(4, true),
  F8_E5M2: table(5, false),
};
