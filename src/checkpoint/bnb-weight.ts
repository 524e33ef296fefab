import { FailureError } from "../errors.js";
import type { Nf4Weight } from "../quant/nf4.js";
import type { SafetensorsFile } from "./safetensors.js";

/** Tensors that bitsandbytes stores beside a quantised weight, by the ends of their names. */
const SIDECARS = [
  ".absmax",
  ".quant_map",
  ".nested_absmax",
  ".nested_quant_map",
  ".quant_state.bitsandbytes__nf4",
  ".quant_state.bitsandbytes__fp4",
];

/** Whether `name` belongs to a bitsandbytes weight instead of being one. */
export function isBnbSidecar(name: string): boolean {
  return SIDECARS.some((end) => name.endsWith(`.weight${end}`)) || /\.(SCB|weight_format)$/.test(name);
}

/** What a bitsandbytes 4-bit weight's packed state says, as `QuantState.as_dict(packed=True)` writes it. */
export interface BnbState {
  quantType: "nf4" | "fp4";
  shape: [number, number];
  blockSize: number;
  nestedOffset?: number;
}

/** The state of the 4-bit weight `name`; undefined when it is not one. `find` gives the file that holds a tensor. */
export function readBnbState(name: string, find: (name: string) => SafetensorsFile | undefined): BnbState | undefined {
  for (const quantType of ["nf4", "fp4"] as const) {
    const key = `${name}.quant_state.bitsandbytes__${quantType}`;
    const file = find(key);
    if (!file) continue;
    let state: Record<string, unknown>;
    try {
      state = JSON.parse(new TextDecoder().decode(file.bytes(key))) as Record<string, unknown>;
    } catch (error) {
      if (error instanceof FailureError) throw error;
      throw new FailureError(`${file.path}: ${key} is not valid JSON`);
    }
    const { shape, blocksize, nested_blocksize: nested, nested_offset: offset } = state ?? {};
    const valid =
      Array.isArray(shape) &&
      shape.length === 2 &&
      shape.every((n) => Number.isInteger(n) && n > 0) &&
      Number.isInteger(blocksize) &&
      (blocksize as number) >= 2 &&
      (blocksize as number) % 2 === 0 &&
      (offset === undefined || (typeof offset === "number" && nested === 256));
    if (!valid) throw new FailureError(`${file.path}: ${key} does not describe a matrix in blocks of 4-bit values`);
    return {
      quantType,
      shape: shape as [number, number],
      blockSize: blocksize as number,
      nestedOffset: offset as number | undefined,
    };
  }
  return undefined;
}

/** Reads a 4-bit weight as stored. @throws FailureError when a part is missing or has the wrong size. */
export function readBnbWeight(
  name: string,
  state: BnbState,
  find: (name: string) => SafetensorsFile | undefined,
): Nf4Weight {
  const part = (key: string, bytes: number): Uint8Array => {
    const file = find(key);
    if (!file) throw new FailureError(`${find(name)!.path}: ${key} is missing, ${name} cannot be decoded without it`);
    const found = file.entry(key).bytes;
    if (found !== bytes) throw new FailureError(`${file.path}: ${key} has ${found} bytes, ${bytes} were expected`);
    return file.bytes(key);
  };
  const floats = (key: string, length: number): Float32Array => new Float32Array(part(key, 4 * length).buffer);
  const { quantType, shape, blockSize } = state;
  const values = shape[0] * shape[1];
  const blocks = Math.ceil(values / blockSize);
  const packed = part(name, Math.ceil(values / 2));
  if (state.nestedOffset === undefined) {
    return { shape, packed, absmax: floats(`${name}.absmax`, blocks), blockSize, quantType };
  }
  const absmax = {
    codes: part(`${name}.absmax`, blocks),
    absmax: floats(`${name}.nested_absmax`, Math.ceil(blocks / 256)),
    code: floats(`${name}.nested_quant_map`, 256),
    offset: Math.fround(state.nestedOffset),
  };
  return { shape, packed, absmax, blockSize, quantType };
}
