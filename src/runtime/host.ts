/** The CPU: tensors are JavaScript's own memory, results are written where they are wanted, updates happen in place. */
import { type DType, elementCount, type Graph } from "../graph/index.js";
import { type AdamWOptions, decays, type Parameter, type StepSizes } from "./adamw.js";
import { squaredNormOnHost, updateOnHost } from "./adamw-host.js";
import { availableMemory } from "./available-memory.js";
import type { CompileOptions, Device, Executable, TensorSource } from "./backend.js";
import { compileOnHost } from "./host-executable.js";
import { hostTensor, type Tensor, type TypedArray, zeros } from "./tensor.js";

const floats = (tensor: Tensor): Float32Array => tensor.data as Float32Array;

export class HostDevice implements Device {
  readonly name = "cpu";
  readonly liveTensors = 0;
  readonly traffic = { bytesUp: 0, bytesDown: 0, liveBytes: 0, splitGraphs: 0 };

  constructor(
    readonly threads: number,
    private readonly trace: string | undefined,
  ) {}

  availableBytes(): number {
    return availableMemory();
  }

  compile(graph: Graph, options?: CompileOptions): Promise<Executable> {
    return compileOnHost(graph, { threads: this.threads, trace: this.trace }, options);
  }

  async upload(dtype: DType, data: TypedArray, dims: readonly number[]): Promise<Tensor> {
    return hostTensor(dtype, data, dims);
  }

  async download(tensor: Tensor): Promise<TypedArray> {
    return tensor.data as TypedArray;
  }

  free(): void {}

  resultMemory(dims: readonly number[]): Tensor {
    return hostTensor("float32", new Float32Array(elementCount(dims)), dims);
  }

  async zeros(dims: readonly number[]): Promise<Tensor> {
    return zeros(dims);
  }

  async make({ host }: TensorSource): Promise<Tensor> {
    return host();
  }

  async clear(tensor: Tensor): Promise<Tensor> {
    floats(tensor).fill(0);
    return tensor;
  }

  async rows(matrix: Tensor, from: number, to: number): Promise<Tensor> {
    const width = matrix.dims[1]!;
    return hostTensor("float32", floats(matrix).subarray(from * width, to * width), [to - from, width]);
  }

  async addRows(sum: Tensor, from: number, part: Tensor): Promise<Tensor> {
    const target = floats(sum);
    const source = floats(part);
    const start = from * sum.dims[1]!;
    for (let i = 0; i < source.length; i++) target[start + i]! += source[i]!;
    return sum;
  }

  async joinRows(parts: readonly Tensor[], memory: Tensor | undefined): Promise<Tensor> {
    if (!memory) throw new Error(`${parts.length} parts without the memory they are views of`);
    return memory;
  }

  async squaredNorm(group: readonly Parameter[]): Promise<number> {
    return group.reduce((sum, { gradient }) => sum + squaredNormOnHost(floats(gradient)), 0);
  }

  async adamw(group: readonly Parameter[], options: AdamWOptions, sizes: StepSizes): Promise<void> {
    for (const { dims, value, gradient, m, v } of group) {
      const parts = { value: floats(value), gradient: floats(gradient), m: floats(m), v: floats(v) };
      updateOnHost(parts, decays(dims), options, sizes);
    }
  }
}
