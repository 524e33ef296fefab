/**
 * Weights in 8-bit floats with a scale for the whole, for each row, or for each block: weight = code · scale. `weight_scale_inv`
 * (DeepSeek, Qwen 3) is no inverse in spite of its name; `weight_scale` is what compressed-tensors, FBGEMM and ModelOpt write.
 */
import { FailureError, UsageError } from "../errors.js";
import { FP8_VALUES } from "../quant/fp8.js";
import type { Quantization } from "./quantization.js";
import type { SafetensorsFile } from "./safetensors.js";

const SCALES = ["weight_scale_inv", "weight_scale"];
/** Of activations and caches, which are not quantised here. */
const OTHERS = ["activation_scale", "input_scale", "input_scale_ub", "output_scale", "k_scale", "v_scale", "q_scale"];

type Find = (name: string) => SafetensorsFile | undefined;

/** Whether `name` belongs to an 8-bit weight instead of being one. */
export function isFp8Sidecar(name: string, find: Find): boolean {
  const [, module, part] = /^(.+)\.(\w+)$/.exec(name) ?? [];
  if (part === undefined || ![...SCALES, ...OTHERS].includes(part)) return false;
  return isFp8(`${module}.weight`, find);
}

export function isFp8(name: string, find: Find): boolean {
  const dtype = find(name)?.entry(name).dtype;
  return dtype !== undefined && Object.hasOwn(FP8_VALUES, dtype);
}

/** A weight's scales: one for each piece of `rows` × `columns` values. */
interface Scales {
  values: Float32Array;
  rows: number;
  columns: number;
  across: number;
}

/**
 * Decodes rows of an 8-bit weight of shape [count, width] into `out`.
 * @throws UsageError for a weight without a scale, FailureError for scales of another shape.
 */
export function decodeFp8Rows(
  name: string,
  find: Find,
  { block }: Quantization,
  rows: ArrayLike<number>,
  out: Float32Array,
): void {
  const file = find(name)!;
  const { shape, dtype } = file.entry(name);
  const width = shape.slice(1).reduce((product, n) => product * n, 1);
  const codes = FP8_VALUES[dtype]!;
  const scales = scalesOf(name, find, [shape[0] ?? 1, width], block);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const bytes = file.bytes(name, row * width, width);
    const first = Math.floor(row / scales.rows) * scales.across;
    for (let column = 0; column < width; column++)
      out[i * width + column] = codes[bytes[column]!]! * scales.values[first + Math.floor(column / scales.columns)]!;
  }
}

function scalesOf(name: string, find: Find, [count, width]: [number, number], block: Quantization["block"]): Scales {
  const module = name.slice(0, name.lastIndexOf(".") + 1);
  const key = SCALES.map((part) => `${module}${part}`).find((scale) => find(scale) !== undefined);
  const source = find(name)!.path;
  if (key === undefined)
    throw new UsageError(
      `${source}: weight ${name} is stored as ${find(name)!.entry(name).dtype} without a scale (${SCALES.join(", ")})`,
    );
  const file = find(key)!;
  const { shape, values: length } = file.entry(key);
  const values = new Float32Array(length);
  file.decode(key, 0, length, values);
  const wanted: [rows: number, columns: number][] = [[count, width]];
  if (block) wanted.push([...block]);
  wanted.push([1, width]);
  for (const [rows, columns] of wanted) {
    const [down, across] = [Math.ceil(count / rows), Math.ceil(width / columns)];
    const plain = shape.length < 2 && across === 1 ? length === down : shape.join() === [down, across].join();
    if (plain) return { values, rows, columns, across };
  }
  throw new FailureError(
    `${file.path}: ${key} has shape [${shape.join(", ")}], which is no scale of ${name} [${count}, ${width}]${
      block ? ` in blocks of ${block.join(" × ")}` : ""
    }, of its rows or of the whole`,
  );
}
