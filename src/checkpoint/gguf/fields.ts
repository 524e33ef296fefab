/** Metadata of a GGUF file by its architecture's prefix. */
import { FailureError } from "../../errors.js";
import type { GgufFile, GgufValue } from "./parse.js";

/** Looks up metadata with the architecture's prefix and checks types. */
export class Fields {
  constructor(
    readonly path: string,
    readonly metadata: Map<string, GgufValue>,
    readonly architecture: string,
  ) {}

  number(key: string): number | undefined {
    const value = this.metadata.get(`${this.architecture}.${key}`);
    if (value === undefined) return undefined;
    // Some converters store one number a layer; equal ones are one number.
    if (Array.isArray(value) && value.length && value.every((v) => v === value[0]))
      return this.#checked(key, value[0]!);
    return this.#checked(key, value);
  }

  #checked(key: string, value: GgufValue): number {
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new FailureError(`${this.path}: metadata ${this.architecture}.${key} is not one number`);
    }
    return value;
  }

  flag(key: string): boolean | undefined {
    const value = this.metadata.get(`${this.architecture}.${key}`);
    if (value !== undefined && typeof value !== "boolean")
      throw new FailureError(`${this.path}: metadata ${this.architecture}.${key} is not true or false`);
    return value;
  }

  required(key: string): number {
    const value = this.number(key);
    if (value === undefined) throw new FailureError(`${this.path}: metadata ${this.architecture}.${key} is missing`);
    return value;
  }
}

/** The architecture a GGUF file names, as written there. */
export function ggufArchitecture(gguf: GgufFile): string {
  const name = gguf.metadata.get("general.architecture");
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw new FailureError(`${gguf.file.path}: metadata general.architecture is missing or not a name`);
  }
  return name;
}

/** The shortest decimal that has this fp32 value: 9.999999747378752e-06 was written as 1e-5. */
export function shortest(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}
