/**
 * Quantised weights that stay on a device in the bits they have, and the graphs that decode them there, to the bits that the
 * host's decoders give.
 */
import { Graph, ops } from "../graph/index.js";
import type { Int8Weight } from "../quant/int8.js";
import { blockScales, FP4_CODE, NF4_CODE, type Nf4Weight } from "../quant/nf4.js";
import { hostTensor, type Tensor, type TensorScope } from "../runtime/device.js";
import type { StoredWeight } from "./weights.js";

/** Codes that the runtime's kernel takes as one block; its own scales are all 1. */
const KERNEL_BLOCK = 32;

type Quantised = Exclude<StoredWeight, { kind: "float32" }>;

/** Half-bytes swapped: bitsandbytes has the first of two values in the high four bits, the kernel in the low ones. */
const swapped = (packed: Uint8Array): Uint8Array => packed.map((byte) => (byte << 4) | (byte >> 4));

/** Columns of the matrix of codes: rows of the weight, or single blocks where rows are not made of whole ones. */
function nf4Columns({ shape: [rows, columns], blockSize }: Nf4Weight): { lines: number; width: number } {
  if (columns % blockSize === 0) return { lines: rows, width: columns };
  return { lines: (rows * columns) / blockSize, width: blockSize };
}

/** Whether a device can decode a weight itself: whole blocks that the kernel's own fit into. */
const decodable = (stored: Quantised): boolean =>
  stored.kind === "int8" ||
  ((stored.weight.shape[0] * stored.weight.shape[1]) % stored.weight.blockSize === 0 &&
    stored.weight.blockSize % KERNEL_BLOCK === 0);

export class DeviceWeights {
  private readonly resident = new WeakMap<Quantised, Promise<Record<string, Tensor>>>();

  /** @param scope owner of what stays on the device. */
  constructor(private readonly scope: TensorScope) {}

  /** The float32 matrix, for the caller to free. @param onHost decodes it in host memory. */
  decoded(stored: Quantised, onHost: () => Float32Array): Promise<Tensor> {
    const { device } = this.scope;
    const { shape } = stored.weight;
    const host = (): Tensor => hostTensor("float32", onHost(), shape);
    if (!decodable(stored)) return device.upload("float32", onHost(), shape);
    return device.make({
      host,
      key: `decode ${stored.kind} ${shape} ${stored.kind === "nf4" ? `${stored.weight.blockSize} ${stored.weight.quantType}` : ""}`,
      graph: () => (stored.kind === "nf4" ? nf4Graph(stored.weight) : int8Graph(stored.weight)),
      feeds: () => {
        let found = this.resident.get(stored);
        if (!found) this.resident.set(stored, (found = this.place(stored)));
        return found;
      },
    });
  }

  private async place(stored: Quantised): Promise<Record<string, Tensor>> {
    if (stored.kind === "int8") {
      const { data, scale, shape } = stored.weight;
      const bytes = Uint8Array.from(data, (value) => value + 128);
      return {
        codes: await this.scope.upload("uint8", bytes, shape),
        scales: await this.scope.upload("float32", scale, [shape[0], 1]),
      };
    }
    const { weight } = stored;
    const { lines, width } = nf4Columns(weight);
    const scales = new Float32Array((lines * width) / weight.blockSize);
    blockScales(weight, scales);
    return {
      codes: await this.scope.upload("uint8", swapped(weight.packed), [lines, width / 2]),
      scales: await this.scope.upload("float32", scales, [scales.length, 1]),
    };
  }
}

/** value = table[code] · scale; GatherBlockQuantized with scales of 1 gives code − 8 (WebGPU has no operation on bits). */
function nf4Graph(weight: Nf4Weight): Graph {
  const { blockSize, quantType, shape } = weight;
  const { lines, width } = nf4Columns(weight);
  const blocks = (lines * width) / blockSize;
  const graph = new Graph();
  const codes = graph.input("codes", "uint8", [lines, width / 2]);
  const scales = graph.input("scales", "float32", [blocks, 1]);
  const all = graph.constant(
    "int32",
    [lines],
    Int32Array.from({ length: lines }, (_, i) => i),
  );
  const ones = graph.constant("float32", [1, 1], [1]);
  const kernelBlocks = [lines, width / KERNEL_BLOCK];
  const [own] = graph.node(
    "Expand",
    [ones, graph.constant("int64", [2], kernelBlocks)],
    [{ dtype: "float32", shape: kernelBlocks }],
  );
  const attributes = {
    bits: { int: 4 },
    block_size: { int: KERNEL_BLOCK },
    gather_axis: { int: 0 },
    quantize_axis: { int: 1 },
  };
  const [shifted] = graph.node(
    "GatherBlockQuantized",
    [codes, all, own!],
    [{ dtype: "float32", shape: [lines, width] }],
    { domain: "com.microsoft", attributes },
  );
  const index = ops.cast(ops.add(shifted!, graph.scalar(8)), "int32");
  const table = graph.constant("float32", [16], quantType === "nf4" ? NF4_CODE : FP4_CODE);
  const values = ops.rowsAt(table, index);
  graph.output("y", ops.reshape(ops.mul(ops.reshape(values, [blocks, blockSize]), scales), shape));
  return graph;
}

/** value = (byte − 128) · scale of the row. */
function int8Graph({ shape }: Int8Weight): Graph {
  const graph = new Graph();
  const codes = ops.cast(graph.input("codes", "uint8", shape), "float32");
  const scales = graph.input("scales", "float32", [shape[0], 1]);
  graph.output("y", ops.mul(ops.sub(codes, graph.scalar(128)), scales));
  return graph;
}
