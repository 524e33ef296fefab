/**
 * Who owns a tensor, and until when. A pass opens a scope; what it uploads and computes belongs to the scope and is freed
 * with it, unless it was freed before or handed on. On the host the scope's results lie in the memory of a pool, by name,
 * and the next pass writes over them.
 */
import { type DType, elementCount } from "../graph/index.js";
import type { Device, Executable, TensorSource } from "./backend.js";
import { hostTensor, type Tensor, type TypedArray } from "./tensor.js";

/** Host memory that passes use again; tensors of one name and different sizes share it. On a GPU it stays empty. */
export class TensorPool {
  private readonly memory = new Map<string, Float32Array>();
  private readonly bytes = new Map<string, Uint8Array>();

  constructor(readonly device: Device) {}

  /** A tensor to write a result into, until the next one of that name; undefined where the runtime allocates results. */
  result(name: string, dims: readonly number[]): Tensor | undefined {
    const count = elementCount(dims);
    const found = this.memory.get(name);
    if (found && found.length >= count) return view(found, count, dims);
    const made = this.device.resultMemory(dims);
    if (made) this.memory.set(name, made.data as Float32Array);
    return made;
  }

  /** Bytes in host memory, of any content, until the next ones of that name. */
  hostBytes(name: string, count: number): Uint8Array {
    let found = this.bytes.get(name);
    if (!found || found.length < count) this.bytes.set(name, (found = new Uint8Array(count)));
    return found.subarray(0, count);
  }
}

function view(memory: Float32Array, count: number, dims: readonly number[]): Tensor {
  return hostTensor("float32", memory.length === count ? memory : memory.subarray(0, count), dims);
}

/** For each output of a graph: the name of its memory in the pool, or a host tensor to write into. */
export type Results = Record<string, string | Tensor | undefined>;

export class TensorScope {
  private readonly owned = new Set<Tensor>();

  constructor(
    readonly device: Device,
    private readonly pool?: TensorPool,
  ) {}

  async upload(dtype: DType, data: TypedArray, dims: readonly number[]): Promise<Tensor> {
    return this.own(await this.device.upload(dtype, data, dims));
  }

  /** Runs a graph with the feeds it asks for; what comes out belongs to the scope. */
  async run(
    executable: Executable,
    feeds: Record<string, Tensor>,
    results: Results = {},
  ): Promise<Record<string, Tensor>> {
    const wanted: Record<string, Tensor> = {};
    for (const name of executable.inputNames) {
      const tensor = feeds[name];
      if (!tensor) throw new Error(`no tensor for graph input ${name}`);
      wanted[name] = tensor;
    }
    const outputs: Record<string, Tensor> = {};
    for (const name of executable.outputNames) {
      const result = results[name];
      const shape = executable.outputShapes.get(name);
      const tensor = typeof result === "string" ? shape && this.pool?.result(result, shape) : result;
      if (tensor) outputs[name] = tensor;
    }
    const made = await executable.run(wanted, outputs);
    for (const tensor of Object.values(made)) this.own(tensor);
    return made;
  }

  /** Memory of the pool for a result; undefined where the runtime allocates results. */
  result(name: string, dims: readonly number[]): Tensor | undefined {
    return this.pool?.result(name, dims);
  }

  /** A tensor of zeros; on the host in the memory of that name. */
  async zeros(name: string, dims: readonly number[]): Promise<Tensor> {
    const memory = this.result(name, dims);
    if (memory) return this.own(await this.device.clear(memory));
    return this.own(await this.device.zeros(dims));
  }

  /** Makes a tensor in the way that suits the device; it belongs to the scope. */
  async make(source: TensorSource): Promise<Tensor> {
    return this.own(await this.device.make(source));
  }

  own(tensor: Tensor): Tensor {
    this.owned.add(tensor);
    return tensor;
  }

  /** Hands a tensor on: the caller owns it. */
  release(tensor: Tensor): Tensor {
    this.owned.delete(tensor);
    return tensor;
  }

  /** Frees a tensor of the scope that nothing reads any more. */
  free(tensor: Tensor): void {
    if (this.owned.delete(tensor)) this.device.free(tensor);
  }

  /** Frees all that the scope still owns. */
  close(): void {
    for (const tensor of this.owned) this.device.free(tensor);
    this.owned.clear();
  }
}
