import { FailureError } from "../../errors.js";
import type { Checkpoint, WeightInfo } from "../checkpoint.js";
import { checkRow, outputOf } from "../checkpoint-output.js";
import { transpose } from "../transpose.js";
import { ggufConfig, ggufGenerationConfig, ggufHeads } from "./config.js";
import { ggufArchitecture } from "./fields.js";
import type { GgufFile, GgufTensor } from "./parse.js";
import { openGguf } from "./parts.js";
import { type HeadCounts, type RowOrder, restoreRows, rowOrder, rowsFit } from "./row-order.js";
import { hfName, isTransposed, normOffset } from "./tensor-names.js";

/** Bytes decoded at a time. */
const PIECE = 1 << 20;

/** Weights of a GGUF file under Hugging Face names and layouts, decoded to fp32 on reading. */
export class GgufCheckpoint implements Checkpoint {
  readonly config: Record<string, unknown>;
  readonly generationConfig: Record<string, unknown>;
  readonly #gguf: GgufFile;
  readonly #architecture: string;
  readonly #heads: HeadCounts;
  readonly #byName = new Map<string, GgufTensor>();
  #buffer = new Uint8Array(0);

  /** @throws UsageError or FailureError, one line, when the file is missing, damaged or lacks what a model needs. */
  constructor(readonly source: string) {
    this.#gguf = openGguf(source);
    try {
      this.#architecture = ggufArchitecture(this.#gguf);
      this.config = ggufConfig(this.#gguf, (name) => this.#decode(this.#gguf.tensors.get(name)!));
      this.#heads = ggufHeads(this.#gguf);
      this.generationConfig = ggufGenerationConfig(this.#gguf.metadata);
      for (const tensor of this.#gguf.tensors.values()) {
        const name = hfName(tensor.name, this.#architecture);
        if (name === undefined) continue;
        this.#byName.set(name, tensor);
        if (!rowsFit(tensor.name, this.#architecture, this.#heads, tensor.shape[0]!)) {
          const { heads, kvHeads } = this.#heads;
          throw new FailureError(
            `${source}: ${tensor.name} has ${tensor.shape[0]} rows, which ${heads} heads (${kvHeads} of keys) cannot share`,
          );
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  info(name: string): WeightInfo {
    const tensor = this.#tensor(name);
    const shape = this.#transposed(tensor) ? tensor.shape.toReversed() : [...tensor.shape];
    return { name, shape, format: tensor.format.name };
  }

  read(name: string, out?: Float32Array): Float32Array {
    const tensor = this.#tensor(name);
    const result = outputOf(name, tensor.values, out);
    this.#decode(tensor, result);
    const order = this.#order(tensor);
    if (order) restoreRows(result, tensor.shape[0]!, order);
    if (this.#transposed(tensor)) result.set(transpose(result, tensor.shape[0]!, tensor.shape[1]!));
    const offset = normOffset(tensor.name, this.#architecture);
    if (offset) for (let i = 0; i < result.length; i++) result[i] = result[i]! - offset;
    return result;
  }

  readRows(name: string, rows: ArrayLike<number>, out?: Float32Array): Float32Array {
    const tensor = this.#tensor(name);
    if (this.#transposed(tensor)) return this.#rowsOfTransposed(tensor, name, rows, out);
    const width = tensor.shape.at(-1)!;
    const result = outputOf(name, rows.length * width, out);
    const { values, bytes, decode } = tensor.format;
    const blocks = width / values;
    const count = tensor.values / width;
    const order = this.#order(tensor) ?? ((row: number) => row);
    for (let i = 0; i < rows.length; i++) {
      const row = order(checkRow(this.source, name, rows[i]!, count));
      const piece = this.#bytes(tensor, row * blocks * bytes, blocks * bytes);
      decode(piece, blocks, result, i * width);
    }
    return result;
  }

  readNf4(): undefined {
    return undefined;
  }

  close(): void {
    this.#gguf.close();
  }

  #tensor(name: string): GgufTensor {
    const tensor = this.#byName.get(name);
    if (!tensor) throw new FailureError(`${this.source}: weight ${name} is missing`);
    return tensor;
  }

  #order({ name, shape }: GgufTensor): RowOrder | undefined {
    return rowOrder(name, this.#architecture, this.#heads, shape[0]!);
  }

  #transposed({ name, shape }: GgufTensor): boolean {
    return shape.length === 2 && isTransposed(name, this.#architecture);
  }

  #rowsOfTransposed(tensor: GgufTensor, name: string, rows: ArrayLike<number>, out?: Float32Array): Float32Array {
    const [width, count] = tensor.shape as [number, number];
    const result = outputOf(name, rows.length * width, out);
    const whole = this.read(name);
    for (let i = 0; i < rows.length; i++) {
      const row = checkRow(this.source, name, rows[i]!, count);
      result.set(whole.subarray(row * width, (row + 1) * width), i * width);
    }
    return result;
  }

  /** @param from first byte within the tensor's data. */
  #bytes({ file, position }: GgufTensor, from: number, length: number): Uint8Array {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    const piece = this.#buffer.subarray(0, length);
    file.read(position + from, piece);
    return piece;
  }

  #decode(tensor: GgufTensor, out: Float32Array = new Float32Array(tensor.values)): Float32Array {
    const { values, bytes, decode } = tensor.format;
    const blocks = tensor.values / values;
    const each = Math.max(1, Math.floor(PIECE / bytes));
    for (let done = 0; done < blocks; done += each) {
      const n = Math.min(each, blocks - done);
      decode(this.#bytes(tensor, done * bytes, n * bytes), n, out, done * values);
    }
    return out;
  }
}
