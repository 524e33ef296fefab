/** Writes GGUF files, version 3 (ggml docs/gguf.md): header in memory, weights one after the other. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { FailureError } from "../../errors.js";
import { replaceFile, writeFully } from "../../files/atomic-write.js";
import { ENCODERS, type GgufEncoding } from "../../quant/gguf-encode.js";

/** A metadata value with the type it is stored in. */
export type GgufField =
  | { u32: number }
  | { f32: number }
  | { bool: boolean }
  | { string: string }
  | { strings: readonly string[] }
  | { f32s: readonly number[] }
  | { i32s: readonly number[] };

export interface GgufTensorToWrite {
  name: string;
  /** Row-major, outermost first. */
  shape: readonly number[];
  encoding: GgufEncoding;
  /** Called when its turn comes. */
  data(): Float32Array;
}

const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
const ALIGNMENT = 32;
/** Bytes encoded at a time. */
const PIECE = 1 << 20;

/** Collects the header's bytes. */
class HeaderBytes {
  private readonly parts: Buffer[] = [];
  length = 0;

  private add(part: Buffer): void {
    this.parts.push(part);
    this.length += part.length;
  }

  u32(value: number): void {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(value);
    this.add(b);
  }

  u64(value: number): void {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(BigInt(value));
    this.add(b);
  }

  string(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    this.u64(bytes.length);
    this.add(bytes);
  }

  numbers(values: readonly number[], kind: "f32" | "i32"): void {
    const b = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => {
      if (kind === "f32") b.writeFloatLE(value, 4 * i);
      else b.writeInt32LE(value, 4 * i);
    });
    this.add(b);
  }

  field(field: GgufField): void {
    const array = (type: number, length: number): void => {
      this.u32(TYPE.array);
      this.u32(type);
      this.u64(length);
    };
    if ("u32" in field) {
      this.u32(TYPE.u32);
      this.u32(field.u32);
    } else if ("f32" in field) {
      this.u32(TYPE.f32);
      this.numbers([field.f32], "f32");
    } else if ("bool" in field) {
      this.u32(TYPE.bool);
      this.add(Buffer.from([Number(field.bool)]));
    } else if ("string" in field) {
      this.u32(TYPE.string);
      this.string(field.string);
    } else if ("strings" in field) {
      array(TYPE.string, field.strings.length);
      for (const value of field.strings) this.string(value);
    } else if ("f32s" in field) {
      array(TYPE.f32, field.f32s.length);
      this.numbers(field.f32s, "f32");
    } else {
      array(TYPE.i32, field.i32s.length);
      this.numbers(field.i32s, "i32");
    }
  }

  /** All bytes, filled up with zeros to the alignment. */
  bytes(): Buffer {
    return Buffer.concat([...this.parts, Buffer.alloc(aligned(this.length) - this.length)]);
  }
}

const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;
const valuesOf = ({ shape }: GgufTensorToWrite): number => shape.reduce((product, n) => product * n, 1);

function sizeOf(tensor: GgufTensorToWrite): number {
  const { values, bytes } = ENCODERS[tensor.encoding];
  return (valuesOf(tensor) / values) * bytes;
}

/**
 * Replaces `path` in one step.
 * @param onTensor called before each weight is written.
 * @throws FailureError when rows do not fit an encoding's blocks or data do not fit their shape.
 */
export function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufField>,
  tensors: readonly GgufTensorToWrite[],
  onTensor: (done: number, all: number) => void = () => {},
): void {
  const header = new HeaderBytes();
  header.u32(0x46554747);
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.size);
  for (const [key, field] of metadata) {
    header.string(key);
    header.field(field);
  }
  let offset = 0;
  for (const tensor of tensors) {
    const { type, values } = ENCODERS[tensor.encoding];
    if (tensor.shape.at(-1)! % values)
      throw new FailureError(`${path}: rows of ${tensor.name} do not fit blocks of ${values} (${tensor.encoding})`);
    header.string(tensor.name);
    header.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) header.u64(size);
    header.u32(type);
    header.u64(offset);
    offset += aligned(sizeOf(tensor));
  }
  replaceFile(path, (temporary) => {
    const fd = openSync(temporary, "w");
    try {
      writeFully(fd, header.bytes(), path);
      tensors.forEach((tensor, i) => {
        onTensor(i, tensors.length);
        writeTensor(fd, path, tensor);
      });
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

function writeTensor(fd: number, path: string, tensor: GgufTensorToWrite): void {
  const data = tensor.data();
  if (data.length !== valuesOf(tensor))
    throw new FailureError(`${path}: ${tensor.name} of shape [${tensor.shape}] was given ${data.length} values`);
  const { values, bytes, encode } = ENCODERS[tensor.encoding];
  const blocks = data.length / values;
  const each = Math.max(1, Math.floor(PIECE / bytes));
  const piece = new Uint8Array(Math.min(blocks, each) * bytes);
  const view = new DataView(piece.buffer);
  for (let done = 0; done < blocks; done += each) {
    const count = Math.min(each, blocks - done);
    for (let i = 0; i < count; i++) encode(data, (done + i) * values, view, i * bytes);
    writeFully(fd, piece.subarray(0, count * bytes), path);
  }
  writeFully(fd, new Uint8Array(aligned(sizeOf(tensor)) - sizeOf(tensor)), path);
}
