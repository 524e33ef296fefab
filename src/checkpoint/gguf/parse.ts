import { FailureError } from "../../errors.js";
import { BLOCK_FORMATS, type BlockFormat } from "../../quant/gguf-blocks.js";
import { ByteFile, isShowable } from "../byte-file.js";

export type GgufValue = number | boolean | string | GgufValue[];

export interface GgufTensor {
  name: string;
  /** Row-major, outermost first (the file stores the innermost first). */
  shape: number[];
  format: BlockFormat;
  /** Where the data lies. */
  file: ByteFile;
  /** Absolute byte position of the data. */
  position: number;
  /** Number of values. */
  values: number;
}

export interface GgufFile {
  file: ByteFile;
  metadata: Map<string, GgufValue>;
  tensors: Map<string, GgufTensor>;
  /** Closes every file that tensors lie in. */
  close(): void;
}

/** Bytes of each scalar metadata type, by type number; 8 = string, 9 = array. */
const SCALAR_BYTES: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const MAX_ENTRIES = 1_000_000;
const MAX_STRING = 16 << 20;
/** Items of one array; vocabularies have a few hundred thousand. */
const MAX_ITEMS = 8_000_000;
const MAX_DEPTH = 3;
const WINDOW = 1 << 20;

/** Reads forward through a file by a sliding window; every read is checked against what is left of the file. */
class Cursor {
  position = 0;
  #start = 0;
  #buffer = Buffer.alloc(0);

  constructor(readonly file: ByteFile) {}

  fail(problem: string): never {
    throw new FailureError(`${this.file.path}: not a usable GGUF file: ${problem} (at byte ${this.position})`);
  }

  get left(): number {
    return this.file.size - this.position;
  }

  /** Makes `n` bytes available and returns their place in the buffer. */
  take(n: number): number {
    if (n > this.left) this.fail(`it ends inside the header, ${n} bytes were expected and ${this.left} are left`);
    if (this.position + n > this.#start + this.#buffer.length) {
      const size = Math.min(Math.max(n, WINDOW), this.left);
      const next = Buffer.allocUnsafe(size);
      this.file.read(this.position, next);
      this.#buffer = next;
      this.#start = this.position;
    }
    const at = this.position - this.#start;
    this.position += n;
    return at;
  }

  u32(): number {
    const at = this.take(4);
    return this.#buffer.readUInt32LE(at);
  }

  /** An unsigned 64-bit number that must be a safe integer. */
  size(what: string): number {
    const at = this.take(8);
    const value = this.#buffer.readBigUInt64LE(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what} is ${value}`);
    return Number(value);
  }

  count(what: string, bytesEach: number): number {
    const value = this.size(what);
    if (value * bytesEach > this.left) this.fail(`${what} is ${value}, more than the file can hold`);
    return value;
  }

  string(what: string): string {
    const length = this.count(`length of ${what}`, 1);
    if (length > MAX_STRING) this.fail(`${what} has ${length} bytes`);
    const at = this.take(length);
    return this.#buffer.toString("utf8", at, at + length);
  }

  /** A string that names something. */
  name(what: string): string {
    const name = this.string(what);
    if (!isShowable(name)) this.fail(`${what} is too long or holds control characters`);
    return name;
  }

  scalar(type: number): GgufValue {
    const at = this.take(SCALAR_BYTES[type]!);
    const b = this.#buffer;
    switch (type) {
      case 0:
        return b.readUInt8(at);
      case 1:
        return b.readInt8(at);
      case 2:
        return b.readUInt16LE(at);
      case 3:
        return b.readInt16LE(at);
      case 4:
        return b.readUInt32LE(at);
      case 5:
        return b.readInt32LE(at);
      case 6:
        return b.readFloatLE(at);
      case 7:
        return b.readUInt8(at) !== 0;
      case 10:
        return Number(b.readBigUInt64LE(at));
      case 11:
        return Number(b.readBigInt64LE(at));
      default:
        return b.readDoubleLE(at);
    }
  }

  value(type: number, key: string, depth = 0): GgufValue {
    if (type === 8) return this.string(`the value of ${key}`);
    if (SCALAR_BYTES[type] !== undefined) return this.scalar(type);
    if (type !== 9) this.fail(`${key} has the unknown type ${type}`);
    if (depth >= MAX_DEPTH) this.fail(`${key} nests too deep`);
    const inner = this.u32();
    const length = this.count(`length of ${key}`, SCALAR_BYTES[inner] ?? (inner === 8 ? 8 : 12));
    if (length > MAX_ITEMS) this.fail(`${key} claims ${length} items`);
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(inner, key, depth + 1));
    return values;
  }
}

function readTensor(cursor: Cursor): GgufTensor & { offset: number } {
  const name = cursor.name("a tensor name");
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > 4) cursor.fail(`tensor ${name} has ${dimensions} dimensions`);
  const shape: number[] = [];
  let values = 1;
  for (let i = 0; i < dimensions; i++) {
    const size = cursor.size(`a dimension of ${name}`);
    values *= size;
    if (size < 1 || !Number.isSafeInteger(values)) cursor.fail(`tensor ${name} has a dimension of ${size}`);
    shape.unshift(size);
  }
  const type = cursor.u32();
  const format = BLOCK_FORMATS.get(type);
  if (!format) {
    const known = [...BLOCK_FORMATS.values()].map((f) => f.name).join(", ");
    cursor.fail(`tensor ${name} is stored in type ${type}; supported are ${known}`);
  }
  if (shape.at(-1)! % format.values)
    cursor.fail(`tensor ${name}: rows of ${shape.at(-1)} do not fit blocks of ${format.values}`);
  return { name, shape, format, values, file: cursor.file, position: 0, offset: cursor.size(`the offset of ${name}`) };
}

/**
 * Parses the header of a GGUF file, version 2 or 3, little-endian (ggml docs/gguf.md). Tensor data stays on disk.
 * Counts, lengths and offsets are checked against the file's size before anything is allocated for them.
 *
 * @throws UsageError when the file is missing, FailureError when it is damaged or holds formats we do not read.
 */
export function parseGguf(path: string): GgufFile {
  const file = new ByteFile(path);
  try {
    const cursor = new Cursor(file);
    if (file.size < 24 || cursor.u32() !== 0x46554747) cursor.fail("it does not start with GGUF");
    const version = cursor.u32();
    if (version !== 2 && version !== 3) cursor.fail(`version ${version}, versions 2 and 3 are supported`);
    const tensorCount = cursor.count("the number of tensors", 32);
    const entryCount = cursor.count("the number of metadata entries", 13);
    if (tensorCount > MAX_ENTRIES || entryCount > MAX_ENTRIES)
      cursor.fail(`it claims ${tensorCount} tensors and ${entryCount} entries`);
    const metadata = new Map<string, GgufValue>();
    for (let i = 0; i < entryCount; i++) {
      const key = cursor.name("a metadata key");
      metadata.set(key, cursor.value(cursor.u32(), key));
    }
    const found = Array.from({ length: tensorCount }, () => readTensor(cursor));
    const alignment = Number(metadata.get("general.alignment") ?? 32);
    if (!(alignment >= 1 && alignment <= 1 << 20) || !Number.isInteger(alignment))
      cursor.fail(`alignment ${alignment}`);
    const start = Math.ceil(cursor.position / alignment) * alignment;
    const tensors = new Map<string, GgufTensor>();
    for (const { offset, ...tensor } of found) {
      tensor.position = start + offset;
      const bytes = (tensor.values / tensor.format.values) * tensor.format.bytes;
      if (tensor.position + bytes > file.size) {
        cursor.fail(
          `the data of ${tensor.name} ends at byte ${tensor.position + bytes}, the file at ${file.size}: it is truncated`,
        );
      }
      if (tensors.has(tensor.name)) cursor.fail(`tensor ${tensor.name} appears twice`);
      tensors.set(tensor.name, tensor);
    }
    return { file, metadata, tensors, close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}
