import type { Nf4Weight } from "../quant/nf4.js";

export interface WeightInfo {
  name: string;
  /** Row-major, outermost first. */
  shape: number[];
  /** How it is stored: F32, F16, BF16, Q8_0, Q4_K, …, bnb-nf4, bnb-fp4, bnb-int8. */
  format: string;
}

/** Weights and configuration of a model on disk, under Hugging Face names and layouts whatever the format. */
export interface Checkpoint {
  /** Path, for messages. */
  readonly source: string;
  /** Fields of config.json; for GGUF the same fields rebuilt from its metadata. */
  readonly config: Record<string, unknown>;
  readonly generationConfig: Record<string, unknown>;
  names(): string[];
  has(name: string): boolean;
  /** @throws FailureError naming the weight when it is missing. */
  info(name: string): WeightInfo;
  /** The whole weight in fp32, row-major, read in pieces. `out` must have exactly its number of values. */
  read(name: string, out?: Float32Array): Float32Array;
  /** Some rows of a matrix, in the order asked for, without reading the rest. */
  readRows(name: string, rows: ArrayLike<number>, out?: Float32Array): Float32Array;
  /** The weight as stored when that is bitsandbytes 4 bit. */
  readNf4(name: string): Nf4Weight | undefined;
  close(): void;
}
