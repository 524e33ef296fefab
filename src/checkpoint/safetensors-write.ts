import { closeSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";
import { FailureError } from "../errors.js";
import { naming, replaceFile, writeFileAtomically, writeFully } from "../files/atomic-write.js";
import { floatToBfloat, floatToHalf } from "../quant/half.js";
import { bytesOf } from "./byte-file.js";

/** A weight to write. A function is called when the weight's turn comes, so that not all must be in memory at once. */
export interface TensorToWrite {
  name: string;
  shape: number[];
  dtype: "F32" | "BF16" | "F16";
  data: Float32Array | (() => Float32Array);
}

const BYTES = { F32: 4, BF16: 2, F16: 2 } as const;
/** Values converted at a time. */
const PIECE = 1 << 19;

function valuesOf(tensor: TensorToWrite): number {
  return tensor.shape.reduce((product, n) => product * n, 1);
}

function sizeOf(tensor: TensorToWrite): number {
  return valuesOf(tensor) * BYTES[tensor.dtype];
}

/**
 * Writes a safetensors file in one step: a temporary sibling is streamed, fsynced and renamed. The header is padded with spaces
 * to a multiple of 8 bytes, weights follow in the order given (larger dtypes should come first where readers map the file).
 * `metadata` defaults to `{format: "pt"}`, which transformers asks for.
 *
 * @throws FailureError when a name appears twice or data do not fit their shape; what the file system says otherwise.
 */
export function writeSafetensors(
  path: string,
  tensors: TensorToWrite[],
  metadata: Record<string, string> = { format: "pt" },
): void {
  const header: Record<string, unknown> = Object.create(null);
  header.__metadata__ = metadata;
  let offset = 0;
  for (const tensor of tensors) {
    if (tensor.name in header) throw new FailureError(`${path}: weight ${tensor.name} was given twice`);
    const end = offset + sizeOf(tensor);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const prefix = Buffer.alloc(8 + padded, " ");
  prefix.writeBigUInt64LE(BigInt(padded));
  text.copy(prefix, 8);

  replaceFile(path, (temporary) => {
    const fd = openSync(temporary, "w");
    try {
      writeFully(fd, prefix, path);
      for (const tensor of tensors) writeValues(fd, path, tensor);
      naming(path, () => fsyncSync(fd));
    } finally {
      closeSync(fd);
    }
  });
}

function writeValues(fd: number, path: string, tensor: TensorToWrite): void {
  const data = typeof tensor.data === "function" ? tensor.data() : tensor.data;
  const values = valuesOf(tensor);
  if (data.length !== values) {
    throw new FailureError(
      `${path}: weight ${tensor.name} of shape [${tensor.shape.join(", ")}] was given ${data.length} values`,
    );
  }
  if (tensor.dtype === "F32") {
    writeFully(fd, bytesOf(data), path);
    return;
  }
  const encode = tensor.dtype === "F16" ? floatToHalf : floatToBfloat;
  const piece = new Uint16Array(Math.min(values, PIECE));
  for (let done = 0; done < values; done += PIECE) {
    const n = Math.min(PIECE, values - done);
    for (let i = 0; i < n; i++) piece[i] = encode(data[done + i]!);
    writeFully(fd, bytesOf(piece.subarray(0, n)), path);
  }
}

/**
 * Writes the weights of a Hugging Face folder: one `model.safetensors` when they fit `maxShardBytes` (default 5 GB, as
 * transformers), else `model-0000i-of-0000n.safetensors` and `model.safetensors.index.json`, which is written last.
 * A weight larger than the limit gets a shard of its own. Returns the names of the files written.
 */
export function writeShardedSafetensors(
  folder: string,
  tensors: TensorToWrite[],
  options: { maxShardBytes?: number; metadata?: Record<string, string> } = {},
): string[] {
  const limit = options.maxShardBytes ?? 5e9;
  const shards: TensorToWrite[][] = [[]];
  let total = 0;
  let used = 0;
  for (const tensor of tensors) {
    const size = sizeOf(tensor);
    if (used > 0 && used + size > limit) {
      shards.push([]);
      used = 0;
    }
    shards.at(-1)!.push(tensor);
    used += size;
    total += size;
  }
  if (shards.length === 1) {
    writeSafetensors(join(folder, "model.safetensors"), tensors, options.metadata);
    return ["model.safetensors"];
  }
  const number = (n: number): string => String(n).padStart(5, "0");
  const map: Record<string, string> = {};
  const names = shards.map((shard, i) => {
    const name = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    for (const tensor of shard) map[tensor.name] = name;
    writeSafetensors(join(folder, name), shard, options.metadata);
    return name;
  });
  const index = "model.safetensors.index.json";
  writeFileAtomically(
    join(folder, index),
    `${JSON.stringify({ metadata: { total_size: total }, weight_map: map }, null, 2)}\n`,
  );
  return [...names, index];
}
