import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { FailureError, UsageError } from "../errors.js";
import { readJsonObject } from "../files/json-object.js";
import { regularFiles } from "../files/regular-file.js";
import { dequantizeNf4, type Nf4Weight } from "../quant/nf4.js";
import { type BnbState, isBnbSidecar, readBnbState, readBnbWeight } from "./bnb-weight.js";
import { isShowable } from "./byte-file.js";
import type { Checkpoint, WeightInfo } from "./checkpoint.js";
import { checkRow, outputOf } from "./checkpoint-output.js";
import { decodeFp8Rows, isFp8, isFp8Sidecar } from "./fp8-weight.js";
import { type Quantization, readQuantization } from "./quantization.js";
import { SafetensorsFile } from "./safetensors.js";

/** A Hugging Face model folder: config.json and one or many safetensors files, plain, in bitsandbytes' 4 or 8 bits, or in 8-bit floats. */
export class HfFolder implements Checkpoint {
  readonly config: Record<string, unknown>;
  readonly generationConfig: Record<string, unknown>;
  readonly #files: SafetensorsFile[] = [];
  readonly #owner = new Map<string, SafetensorsFile>();
  readonly #quantization: Quantization;
  readonly #states = new Map<string, BnbState>();
  readonly #find = (name: string): SafetensorsFile | undefined => this.#owner.get(name);

  /** @throws UsageError when files are missing, FailureError when they are damaged; one line each. */
  constructor(readonly source: string) {
    this.config = readJsonObject(join(source, "config.json"));
    this.#quantization = readQuantization(this.config, source);
    const generation = join(source, "generation_config.json");
    this.generationConfig = existsSync(generation) ? readJsonObject(generation) : {};
    try {
      this.#open();
      for (const name of this.#owner.keys()) {
        const state = name.endsWith(".weight") ? readBnbState(name, this.#find) : undefined;
        if (state) this.#states.set(name, state);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  names(): string[] {
    return [...this.#owner.keys()].filter((name) => !isBnbSidecar(name) && !isFp8Sidecar(name, this.#find));
  }

  has(name: string): boolean {
    return this.#owner.has(name);
  }

  info(name: string): WeightInfo {
    const entry = this.#fileOf(name).entry(name);
    const state = this.#states.get(name);
    if (state) return { name, shape: [...state.shape], format: `bnb-${state.quantType}` };
    return { name, shape: [...entry.shape], format: this.#rowScales(name) ? "bnb-int8" : entry.dtype };
  }

  read(name: string, out?: Float32Array): Float32Array {
    const file = this.#fileOf(name);
    const nf4 = this.readNf4(name);
    if (nf4) {
      const result = outputOf(name, nf4.shape[0] * nf4.shape[1], out);
      dequantizeNf4(nf4, result);
      return result;
    }
    const { values, shape } = file.entry(name);
    const result = outputOf(name, values, out);
    const rows = (): number[] => Array.from({ length: shape[0] ?? 1 }, (_, i) => i);
    if (this.#rowScales(name)) this.#decodeInt8(name, result, shape, rows());
    else if (isFp8(name, this.#find)) decodeFp8Rows(name, this.#find, this.#quantization, rows(), result);
    else file.decode(name, 0, values, result);
    return result;
  }

  readRows(name: string, rows: ArrayLike<number>, out?: Float32Array): Float32Array {
    const file = this.#fileOf(name);
    const { shape } = this.info(name);
    const width = shape.slice(1).reduce((product, n) => product * n, 1);
    const result = outputOf(name, rows.length * width, out);
    for (let i = 0; i < rows.length; i++) checkRow(this.source, name, rows[i]!, shape[0] ?? 0);
    if (this.#states.has(name)) {
      const whole = this.read(name);
      for (let i = 0; i < rows.length; i++)
        result.set(whole.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
    } else if (this.#rowScales(name)) {
      this.#decodeInt8(name, result, shape, rows);
    } else if (isFp8(name, this.#find)) {
      decodeFp8Rows(name, this.#find, this.#quantization, rows, result);
    } else {
      for (let i = 0; i < rows.length; i++) file.decode(name, rows[i]! * width, width, result, i * width);
    }
    return result;
  }

  readNf4(name: string): Nf4Weight | undefined {
    const state = this.#states.get(name);
    return state && readBnbWeight(name, state, this.#find);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #fileOf(name: string): SafetensorsFile {
    const file = this.#owner.get(name);
    if (!file) throw new FailureError(`${this.source}: weight ${name} is missing`);
    return file;
  }

  /** Name of the row maxima beside a weight in LLM.int8() form. */
  #rowScales(name: string): string | undefined {
    const key = name.replace(/weight$/, "SCB");
    return key !== name && this.#owner.has(key) && this.#owner.get(name)!.entry(name).dtype === "I8" ? key : undefined;
  }

  #decodeInt8(name: string, out: Float32Array, shape: number[], rows: ArrayLike<number>): void {
    const key = this.#rowScales(name)!;
    const maxima = new Float32Array(shape[0]!);
    const file = this.#fileOf(key);
    if (file.entry(key).values !== shape[0]) {
      throw new FailureError(`${file.path}: ${key} has ${file.entry(key).values} values, ${shape[0]} were expected`);
    }
    file.decode(key, 0, shape[0]!, maxima);
    const width = shape[1] ?? 1;
    for (let i = 0; i < rows.length; i++) {
      const data = new Int8Array(this.#fileOf(name).bytes(name, rows[i]! * width, width).buffer);
      const scale = maxima[rows[i]!]! / 127;
      for (let j = 0; j < width; j++) out[i * width + j] = data[j]! * scale;
    }
  }

  #add(path: string): SafetensorsFile {
    const file = new SafetensorsFile(path);
    this.#files.push(file);
    return file;
  }

  #open(): void {
    const single = join(this.source, "model.safetensors");
    const index = join(this.source, "model.safetensors.index.json");
    if (!existsSync(single) && existsSync(index)) this.#openShards(index);
    else {
      const file = this.#add(existsSync(single) ? single : this.#onlySafetensors());
      for (const name of file.entries.keys()) this.#owner.set(name, file);
    }
  }

  #openShards(index: string): void {
    const map = readJsonObject(index).weight_map;
    if (typeof map !== "object" || map === null) throw new FailureError(`${index}: has no weight_map`);
    const shards = new Map<string, SafetensorsFile>();
    for (const [name, shard] of Object.entries(map)) {
      if (!isShowable(name))
        throw new FailureError(`${index}: a weight's name is too long or holds control characters`);
      if (typeof shard !== "string" || basename(shard) !== shard) {
        throw new FailureError(`${index}: ${name} is mapped to ${JSON.stringify(shard)}, a file name was expected`);
      }
      let file = shards.get(shard);
      if (!file) shards.set(shard, (file = this.#add(join(this.source, shard))));
      file.entry(name);
      this.#owner.set(name, file);
    }
  }

  #onlySafetensors(): string {
    const names = regularFiles(this.source);
    const found = names.filter((name) => name.endsWith(".safetensors"));
    if (found.length === 1) return join(this.source, found[0]!);
    const pickle = names.some((name) => /^pytorch_model.*\.bin$/.test(name));
    throw new UsageError(
      pickle
        ? `${this.source}: has its weights in PyTorch's pickle format only; convert them to safetensors first`
        : `${this.source}: has no model.safetensors and no model.safetensors.index.json`,
    );
  }
}
