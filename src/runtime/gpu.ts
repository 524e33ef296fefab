/** A GPU, by WebGPU or CUDA: the runtime allocates tensors in the device's memory, and this class keeps count of them. */
import { bytesPerElement, type DType, elementCount, type Graph } from "../graph/index.js";
import type { AdamWOptions, Parameter, StepSizes } from "./adamw.js";
import { shapesKey, squaredNormGraph, updateFeeds, updateGraph } from "./adamw-graph.js";
import type { CompileOptions, Device, DeviceName, Executable, TensorSource, Traffic } from "./backend.js";
import { addRowsGraph, copyGraph, joinGraph, rowsGraph, zerosGraph } from "./gpu-graphs.js";
import { createSession, endSession, fixedShapes, ProcessorFallback, runError } from "./onnx-session.js";
import { SessionCache } from "./session-cache.js";
import { hostTensor, type Tensor, type TypedArray } from "./tensor.js";

/** Parts that one graph joins: a shader binds a limited number of buffers. */
const JOINED_AT_ONCE = 4;

const bytesOf = ({ type, dims }: Tensor): number => elementCount(dims) * bytesPerElement(type as DType);

const integers = (...values: number[]): Tensor =>
  hostTensor("int64", BigInt64Array.from(values, BigInt), [values.length]);

export class GpuDevice implements Device {
  private readonly live = new Set<Tensor>();
  private readonly sessions = new SessionCache(this);

  constructor(
    readonly name: DeviceName,
    readonly threads: number,
    private readonly trace: string | undefined,
  ) {}

  readonly traffic: Traffic = { bytesUp: 0, bytesDown: 0, liveBytes: 0, splitGraphs: 0 };

  get liveTensors(): number {
    return this.live.size;
  }

  availableBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Executable> {
    const session = await this.session(graph, options);
    const { traffic, trace } = this;
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      outputShapes: fixedShapes(graph),
      run: async (feeds) => {
        for (const tensor of Object.values(feeds)) if (tensor.location === "cpu") traffic.bytesUp += bytesOf(tensor);
        try {
          const results = (await session.run(feeds)) as Record<string, Tensor>;
          for (const tensor of Object.values(results)) this.count(tensor);
          return results;
        } catch (error) {
          throw runError(error);
        }
      },
      dispose: () => endSession(session, trace),
    };
  }

  private count(result: Tensor): void {
    if (result.location === "cpu") this.traffic.bytesDown += bytesOf(result);
    else {
      this.live.add(result);
      this.traffic.liveBytes += bytesOf(result);
    }
  }

  /** A session that has all its nodes on the device; where the runtime cannot do that, one that shares them, counted. */
  private async session(graph: Graph, options: CompileOptions) {
    const onDevice = options.outputsOn !== "host";
    const { name: provider, threads, trace } = this;
    const settings = { provider, threads, trace, onDevice };
    try {
      return await createSession(graph, { ...settings, whole: true }, options);
    } catch (error) {
      if (!(error instanceof ProcessorFallback)) throw error;
      this.traffic.splitGraphs++;
      return createSession(graph, settings, options);
    }
  }

  async upload(dtype: DType, data: TypedArray, dims: readonly number[]): Promise<Tensor> {
    return this.copy(hostTensor(dtype, data, dims), "device");
  }

  /** (Reading a device tensor directly ends the process in ONNX Runtime 1.30.) */
  async download(tensor: Tensor): Promise<TypedArray> {
    const onHost = tensor.location === "cpu" ? tensor : await this.copy(tensor, "host");
    return onHost.data as TypedArray;
  }

  private copy(tensor: Tensor, to: "host" | "device"): Promise<Tensor> {
    const { type, dims } = tensor;
    const long = type === "int64" && to === "device";
    const x = long ? hostTensor("int32", Int32Array.from(tensor.data as BigInt64Array, Number), dims) : tensor;
    const graph = (): Graph => copyGraph(type as DType, dims.length, to);
    const run = async (executable: Executable) => (await executable.run({ x })).y!;
    return this.sessions.use(`copy ${type} ${dims.length} ${to}`, graph, run, { outputsOn: to });
  }

  free(tensor: Tensor): void {
    if (!this.live.delete(tensor)) return;
    this.traffic.liveBytes -= bytesOf(tensor);
    tensor.dispose();
  }

  resultMemory(): undefined {
    return undefined;
  }

  zeros(dims: readonly number[]): Promise<Tensor> {
    const run = async (executable: Executable) => (await executable.run({ shape: integers(...dims) })).y!;
    return this.sessions.use(`zeros ${dims.length}`, () => zerosGraph(dims.length), run);
  }

  async clear(tensor: Tensor): Promise<Tensor> {
    const { dims } = tensor;
    this.free(tensor);
    return this.zeros(dims);
  }

  async make({ key, graph, feeds }: TensorSource): Promise<Tensor> {
    const given = await feeds();
    return this.sessions.use(key, graph, async (executable) => (await executable.run(given)).y!);
  }

  async rows(matrix: Tensor, from: number, to: number): Promise<Tensor> {
    const width = matrix.dims[1]!;
    const feeds = { x: matrix, from: integers(from), to: integers(to) };
    const run = async (executable: Executable) => (await executable.run(feeds)).y!;
    return this.sessions.use(`rows ${width}`, () => rowsGraph(width), run);
  }

  async addRows(sum: Tensor, from: number, part: Tensor): Promise<Tensor> {
    const [rows, width] = sum.dims as [number, number];
    const feeds = { sum, part, pads: integers(from, 0, rows - from - part.dims[0]!, 0) };
    const run = async (executable: Executable) => (await executable.run(feeds)).y!;
    const result = await this.sessions.use(`addRows ${width}`, () => addRowsGraph(width), run);
    this.free(sum);
    this.free(part);
    return result;
  }

  async joinRows(parts: readonly Tensor[]): Promise<Tensor> {
    let left = [...parts];
    while (left.length > 1) {
      const joined: Tensor[] = [];
      for (let at = 0; at < left.length; at += JOINED_AT_ONCE) {
        const some = left.slice(at, at + JOINED_AT_ONCE);
        joined.push(some.length === 1 ? some[0]! : await this.joinSome(some));
      }
      left = joined;
    }
    return left[0]!;
  }

  private async joinSome(parts: readonly Tensor[]): Promise<Tensor> {
    const width = parts[0]!.dims[1]!;
    const feeds = Object.fromEntries(parts.map((part, i) => [`x${i}`, part]));
    const run = async (executable: Executable) => (await executable.run(feeds)).y!;
    const result = await this.sessions.use(`join ${parts.length} ${width}`, () => joinGraph(parts.length, width), run);
    for (const part of parts) this.free(part);
    return result;
  }

  async squaredNorm(group: readonly Parameter[]): Promise<number> {
    const feeds = Object.fromEntries(group.map(({ gradient }, i) => [`g${i}`, gradient]));
    const run = (executable: Executable) => executable.run(feeds);
    const key = `norm ${shapesKey(group)}`;
    const result = await this.sessions.use(key, () => squaredNormGraph(group), run, { outputsOn: "host" });
    return (result.sum!.data as Float32Array)[0]!;
  }

  async adamw(group: readonly Parameter[], options: AdamWOptions, sizes: StepSizes): Promise<void> {
    const feeds = updateFeeds(group, options, sizes);
    const key = `adamw ${JSON.stringify(options)} ${shapesKey(group)}`;
    const result = await this.sessions.use(
      key,
      () => updateGraph(group, options),
      (executable) => executable.run(feeds),
    );
    group.forEach((parameter, i) => {
      for (const part of ["value", "m", "v"] as const) this.free(parameter[part]);
      parameter.value = result[`p${i}.next`]!;
      parameter.m = result[`m${i}.next`]!;
      parameter.v = result[`v${i}.next`]!;
    });
  }
}
