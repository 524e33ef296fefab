import { FailureError } from "../errors.js";
import { decodeBfloat, decodeHalf } from "../quant/half.js";
import { ByteFile, bytesOf, isShowable } from "./byte-file.js";

export interface SafetensorsEntry {
  name: string;
  dtype: string;
  shape: number[];
  /** Number of values. */
  values: number;
  /** Absolute byte position and length of the data. */
  position: number;
  bytes: number;
}

/** Bits per value of every dtype of the format that fills whole bytes. */
const DTYPE_BYTES: Record<string, number> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

/** Limit on the JSON header; that of 100,000 weights takes half of it. */
const MAX_HEADER = 32_000_000;
const MAX_DIMENSIONS = 8;
/** Values decoded at a time. */
const PIECE = 1 << 19;

/** A safetensors file: its header, checked against the file's size, and its data read by position. */
export class SafetensorsFile {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #file: ByteFile;

  /** @throws UsageError when the file is missing, FailureError (one line) when its header is damaged. */
  constructor(readonly path: string) {
    this.#file = new ByteFile(path);
    try {
      const { entries, metadata } = readHeader(this.#file);
      this.entries = entries;
      this.metadata = metadata;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  entry(name: string): SafetensorsEntry {
    const entry = this.entries.get(name);
    if (!entry) throw new FailureError(`${this.path}: weight ${name} is missing`);
    return entry;
  }

  /** The stored bytes of a weight, or of `length` of them from byte `offset`, as a fresh, aligned array. */
  bytes(name: string, offset = 0, length?: number): Uint8Array {
    const entry = this.entry(name);
    const data = new Uint8Array(length ?? entry.bytes);
    this.#file.read(entry.position + offset, data);
    return data;
  }

  /** Decodes `count` values from value `start` to fp32 into `out` from `at`. F32, F16, BF16 and F64 weights only. */
  decode(name: string, start: number, count: number, out: Float32Array, at = 0): void {
    const { dtype, position } = this.entry(name);
    if (dtype === "F32") {
      this.#file.read(position + 4 * start, bytesOf(out.subarray(at, at + count)));
      return;
    }
    if (dtype !== "F16" && dtype !== "BF16" && dtype !== "F64") {
      throw new FailureError(`${this.path}: weight ${name} is stored as ${dtype}, F32, F16, BF16 or F64 was expected`);
    }
    const size = DTYPE_BYTES[dtype]!;
    const buffer = new ArrayBuffer(size * Math.min(count, PIECE));
    for (let done = 0; done < count; done += PIECE) {
      const n = Math.min(PIECE, count - done);
      this.#file.read(position + size * (start + done), new Uint8Array(buffer, 0, size * n));
      if (dtype === "F64") out.set(new Float64Array(buffer, 0, n), at + done);
      else (dtype === "F16" ? decodeHalf : decodeBfloat)(new Uint16Array(buffer, 0, n), out, at + done);
    }
  }

  close(): void {
    this.#file.close();
  }
}

function readHeader(file: ByteFile): { entries: Map<string, SafetensorsEntry>; metadata: Record<string, string> } {
  const fail = (problem: string): never => {
    throw new FailureError(`${file.path}: not a usable safetensors file: ${problem}`);
  };
  if (file.size < 10) fail(`it has only ${file.size} bytes`);
  const prefix = Buffer.alloc(8);
  file.read(0, prefix);
  const length = Number(prefix.readBigUInt64LE());
  if (length > MAX_HEADER) fail(`its header claims ${length} bytes, at most ${MAX_HEADER} are allowed`);
  if (length > file.size - 8) fail(`its header claims ${length} bytes, the file has ${file.size}: it is truncated`);
  const text = Buffer.alloc(length);
  file.read(8, text);
  let header: unknown;
  try {
    header = JSON.parse(text.toString("utf8"));
  } catch {
    fail("its header is not valid JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fail("its header is not a JSON object");
  const start = 8 + length;
  const entries = new Map<string, SafetensorsEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    if (name === "__metadata__") {
      if (typeof value === "object" && value !== null) metadata = value as Record<string, string>;
      continue;
    }
    if (!isShowable(name)) fail("a weight's name is too long or holds control characters");
    const { dtype, shape, data_offsets: range } = (value ?? {}) as Record<string, unknown>;
    const size = typeof dtype === "string" && Object.hasOwn(DTYPE_BYTES, dtype) ? DTYPE_BYTES[dtype] : undefined;
    if (size === undefined) fail(`weight ${name} has the unknown type ${JSON.stringify(dtype)?.slice(0, 40)}`);
    if (!isSizes(shape) || shape.length > MAX_DIMENSIONS) fail(`weight ${name} has no valid shape`);
    if (!isSizes(range) || range.length !== 2) fail(`weight ${name} has no valid data_offsets`);
    const [from, to] = range as [number, number];
    const values = (shape as number[]).reduce((product, n) => product * n, 1);
    if (!Number.isSafeInteger(values) || values * size! !== to - from) {
      fail(
        `weight ${name} of shape [${(shape as number[]).join(", ")}] and type ${dtype} does not fit its ${to - from} bytes`,
      );
    }
    if (start + to > file.size) {
      fail(`the data of ${name} ends at byte ${start + to}, the file at ${file.size}: it is truncated`);
    }
    const position = start + from;
    entries.set(name, { name, dtype: dtype as string, shape: shape as number[], values, position, bytes: to - from });
  }
  let end = start;
  for (const entry of [...entries.values()].sort((a, b) => a.position - b.position || a.bytes - b.bytes)) {
    if (entry.position !== end) fail(`the data of ${entry.name} overlaps another weight's or leaves a gap`);
    end += entry.bytes;
  }
  if (end !== file.size) fail(`its weights end at byte ${end}, the file at ${file.size}`);
  return { entries, metadata };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
