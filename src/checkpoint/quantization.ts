/** What `quantization_config` says of a folder's weights: which forms are read, and a refusal by name for the others. */
import { UsageError } from "../errors.js";

type Json = Record<string, unknown>;

export interface Quantization {
  /** Rows and columns of a weight that share a scale, for FP8 in blocks. */
  block?: readonly [rows: number, columns: number];
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const READ = "bitsandbytes, FP8 (fp8, fbgemm_fp8, modelopt, compressed-tensors), and GGUF files are read";

/** @throws UsageError for weights in another form; what is wrong with the weights themselves shows when they are read. */
export function readQuantization(config: Json, source: string): Quantization {
  const given = config.quantization_config ?? config.compression_config;
  if (given === undefined || given === null) return {};
  const refuse = (what: string): never => {
    throw new UsageError(`${source}: config field "quantization_config": ${what}; ${READ}`);
  };
  if (!isObject(given)) return refuse(`${short(given)} is not an object`);
  const method = given.quant_method ?? (given.load_in_4bit || given.load_in_8bit ? "bitsandbytes" : undefined);
  switch (method) {
    case "bitsandbytes":
    case "fbgemm_fp8":
      return {};
    case "fp8":
      return { ...blockOf(given.weight_block_size, refuse) };
    case "modelopt": {
      const algorithm = given.quant_algo ?? (given.quantization as Json | undefined)?.quant_algo;
      return algorithm === "FP8" ? {} : refuse(`quant_algo ${short(algorithm)} of modelopt is not read`);
    }
    case "compressed-tensors":
      return compressedTensors(given, refuse);
    default:
      return refuse(`weights of quant_method ${short(method)} are not read`);
  }
}

function compressedTensors(given: Json, refuse: (what: string) => never): Quantization {
  const sparsity = given.sparsity_config;
  if (isObject(sparsity) && sparsity.format !== undefined && sparsity.format !== "dense")
    refuse(`sparsity_config.format ${short(sparsity.format)} of compressed-tensors is not read`);
  const groups = isObject(given.config_groups) ? Object.values(given.config_groups) : [];
  const blocks: Quantization[] = groups.map((group) => {
    const weights = isObject(group) ? group.weights : undefined;
    if (!isObject(weights)) return refuse("config_groups of compressed-tensors without weights are not read");
    const { type, num_bits: bits, strategy } = weights;
    if (type !== "float" || bits !== 8)
      refuse(`${short(bits)}-bit weights of type ${short(type)} (compressed-tensors) are not read`);
    if (!["tensor", "channel", "block"].includes(String(strategy)))
      refuse(`weights scaled by ${short(strategy)} (compressed-tensors) are not read`);
    return strategy === "block" ? blockOf(weights.block_structure, refuse) : {};
  });
  if (blocks.length === 0) refuse("compressed-tensors without config_groups is not read");
  const sizes = new Set(blocks.map(({ block }) => block?.join()).filter((size) => size !== undefined));
  if (sizes.size > 1) refuse("blocks of several sizes (compressed-tensors) are not read");
  return blocks.find(({ block }) => block) ?? {};
}

function blockOf(size: unknown, refuse: (what: string) => never): Quantization {
  if (size === undefined || size === null) return {};
  const isSize = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1;
  if (!Array.isArray(size) || size.length !== 2 || !size.every(isSize))
    return refuse(`a block of size ${short(size)} is none`);
  return { block: size as [number, number] };
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
