/**
 * The contract between what computes and where it computes. Above this folder nobody asks which device there is: a device
 * does what differs between them, and says nothing of where its tensors lie. Implementations: host.ts and gpu.ts.
 */
import type { DType, Graph } from "../graph/index.js";
import type { AdamWOptions, Parameter, StepSizes } from "./adamw.js";
import type { Tensor, TypedArray } from "./tensor.js";

/** Where graphs run. */
export type DeviceName = "cpu" | "webgpu" | "cuda";

export interface CompileOptions {
  /** Keep the outputs on the device (default), or bring them to host memory. */
  outputsOn?: "device" | "host";
  /** 0 shows on stderr where each node is placed (for tests of placement). */
  logSeverity?: 0 | 1 | 2 | 3 | 4;
}

/** A compiled graph. */
export interface Executable {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Sizes of the outputs whose shape is fixed, by name. */
  readonly outputShapes: ReadonlyMap<string, readonly number[]>;
  /**
   * Runs once. The caller owns the results.
   * @param feeds a tensor for every input name.
   * @param outputs host tensors to write into; outputs that are not named are allocated anew. Where all are named, no
   * memory is taken and nothing copied.
   */
  run(feeds: Record<string, Tensor>, outputs?: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

/** What a device with memory of its own has moved and holds. All 0 on the host. */
export interface Traffic {
  /** Bytes of host tensors that graphs were fed with. */
  bytesUp: number;
  /** Bytes of results in host memory. */
  bytesDown: number;
  /** Bytes of tensors that were allocated on the device and not freed. */
  liveBytes: number;
  /** Graphs with nodes that the runtime had to leave to the processor. */
  splitGraphs: number;
}

/** A tensor that the host writes into its memory by code of its own, and other devices make by a graph, where it stays. */
export interface TensorSource {
  host(): Tensor | Promise<Tensor>;
  /** Equal for graphs that are equal. */
  key: string;
  /** Its only output is y. */
  graph(): Graph;
  feeds(): Record<string, Tensor> | Promise<Record<string, Tensor>>;
}

export interface Device {
  readonly name: DeviceName;
  /** Threads of one operation on the CPU. */
  readonly threads: number;
  /** Tensors that were allocated on the device and not freed. Always 0 on the host, whose memory is collected. */
  readonly liveTensors: number;
  readonly traffic: Readonly<Traffic>;
  /** Bytes that tensors of this device may take now. Infinity where the device does not tell. */
  availableBytes(): number;
  /** @throws Error naming the runtime's reason. */
  compile(graph: Graph, options?: CompileOptions): Promise<Executable>;
  /** Copies host data to the device; on the host the data is wrapped as it is. The caller owns the result. */
  upload(dtype: DType, data: TypedArray, dims: readonly number[]): Promise<Tensor>;
  /** The values of a tensor in host memory; on the host its own memory. */
  download(tensor: Tensor): Promise<TypedArray>;
  /** Frees a tensor that the caller owns. */
  free(tensor: Tensor): void;
  /** Memory to write a float32 result into, not cleared; undefined where the runtime itself allocates results. */
  resultMemory(dims: readonly number[]): Tensor | undefined;
  /** Zeros, which the caller owns. */
  zeros(dims: readonly number[]): Promise<Tensor>;
  /** Makes a tensor in the way that suits the device. The caller owns the result; on the host it may be memory of others. */
  make(source: TensorSource): Promise<Tensor>;
  /** Sets all values to 0 and returns the tensor, or frees it and returns another one of zeros in its place. */
  clear(tensor: Tensor): Promise<Tensor>;
  /** Rows `from` ≤ i < `to` of a float32 matrix: the same memory on the host, else a copy. The caller owns the result. */
  rows(matrix: Tensor, from: number, to: number): Promise<Tensor>;
  /** Adds `part` to the rows of `sum` from `from` on, in place or in a new tensor that replaces it; frees `part`. */
  addRows(sum: Tensor, from: number, part: Tensor): Promise<Tensor>;
  /** One matrix of successive rows; frees the parts. On the host the parts must be successive views of `memory`. */
  joinRows(parts: readonly Tensor[], memory: Tensor | undefined): Promise<Tensor>;
  /** Σ g² over a group of parameters. */
  squaredNorm(group: readonly Parameter[]): Promise<number>;
  /** One AdamW update of a group: in place, or the group's tensors are replaced and the old ones freed. */
  adamw(group: readonly Parameter[], options: AdamWOptions, sizes: StepSizes): Promise<void>;
}
