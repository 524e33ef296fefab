/** A GPU, by WebGPU or CUDA: the runtime allocates tensors in the device's memory, and this class keeps count of them. */
import { type DType, Graph, ops, type Shape } from "../graph/index.js";
import type { AdamWOptions, Parameter, StepSizes } from "./adamw.js";
import { shapesKey, squaredNormGraph, updateFeeds, updateGraph } from "./adamw-graph.js";
import type { CompileOptions, Device, DeviceName, Executable } from "./backend.js";
import { createSession, endSession, fixedShapes, runError } from "./onnx-session.js";
import { SessionCache } from "./session-cache.js";
import { hostTensor, type Tensor, type TypedArray, zeros } from "./tensor.js";

/** Parts that one graph joins: a shader binds a limited number of buffers. */
const JOINED_AT_ONCE = 4;

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

  get liveTensors(): number {
    return this.live.size;
  }

  availableBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Executable> {
    const onDevice = options.outputsOn !== "host";
    const { name: provider, threads, trace } = this;
    const session = await createSession(graph, { provider, threads, trace, onDevice }, options);
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      outputShapes: fixedShapes(graph),
      run: async (feeds) => {
        try {
          const results = (await session.run(feeds)) as Record<string, Tensor>;
          for (const tensor of Object.values(results)) if (tensor.location !== "cpu") this.live.add(tensor);
          return results;
        } catch (error) {
          throw runError(error);
        }
      },
      dispose: () => endSession(session, trace),
    };
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
    const graph = (): Graph => {
      const built = new Graph();
      const shape: Shape = dims.map((_, i) => `d${i}`);
      built.output("y", built.input("x", type as DType, shape));
      return built;
    };
    const run = async (executable: Executable) => (await executable.run({ x: tensor })).y!;
    return this.sessions.use(`copy ${type} ${dims.length} ${to}`, graph, run, { outputsOn: to });
  }

  free(tensor: Tensor): void {
    if (this.live.delete(tensor)) tensor.dispose();
  }

  resultMemory(): undefined {
    return undefined;
  }

  async clear(tensor: Tensor): Promise<Tensor> {
    const { dims } = tensor;
    this.free(tensor);
    return this.copy(zeros(dims), "device");
  }

  async rows(matrix: Tensor, from: number, to: number): Promise<Tensor> {
    const width = matrix.dims[1]!;
    const graph = (): Graph => {
      const built = new Graph();
      const x = built.input("x", "float32", ["rows", width]);
      const bounds = [built.input("from", "int64", [1]), built.input("to", "int64", [1])];
      const [y] = built.node(
        "Slice",
        [x, ...bounds, built.constant("int64", [1], [0])],
        [{ dtype: "float32", shape: ["part", width] }],
      );
      built.output("y", y!);
      return built;
    };
    const feeds = { x: matrix, from: integers(from), to: integers(to) };
    return this.sessions.use(`rows ${width}`, graph, async (executable) => (await executable.run(feeds)).y!);
  }

  async addRows(sum: Tensor, from: number, part: Tensor): Promise<Tensor> {
    const [rows, width] = sum.dims as [number, number];
    const graph = (): Graph => {
      const built = new Graph();
      const total = built.input("sum", "float32", ["rows", width]);
      const added = built.input("part", "float32", ["part", width]);
      const pads = built.input("pads", "int64", [4]);
      const [whole] = built.node("Pad", [added, pads], [{ dtype: "float32", shape: ["rows", width] }]);
      built.output("y", ops.add(total, whole!));
      return built;
    };
    const feeds = { sum, part, pads: integers(from, 0, rows - from - part.dims[0]!, 0) };
    const run = async (executable: Executable) => (await executable.run(feeds)).y!;
    const result = await this.sessions.use(`addRows ${width}`, graph, run);
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
    const graph = (): Graph => {
      const built = new Graph();
      const inputs = parts.map((_, i) => built.input(`x${i}`, "float32", [`rows${i}`, width]));
      const [y] = built.node("Concat", inputs, [{ dtype: "float32", shape: ["rows", width] }], {
        attributes: { axis: { int: 0 } },
      });
      built.output("y", y!);
      return built;
    };
    const feeds = Object.fromEntries(parts.map((part, i) => [`x${i}`, part]));
    const run = async (executable: Executable) => (await executable.run(feeds)).y!;
    const result = await this.sessions.use(`join ${parts.length} ${width}`, graph, run);
    for (const part of parts) this.free(part);
    return result;
  }

  async squaredNorm(group: readonly Parameter[]): Promise<number> {
    const feeds = Object.fromEntries(group.map(({ gradient }, i) => [`g${i}`, gradient]));
    const run = (executable: Executable) => executable.run(feeds);
    const key = `norm ${shapesKey(group)}`;
    const result = await this.sessions.use(key, () => squaredNormGraph(group), run, { outputsOn: "host" });
    return Object.values(result).reduce((sum, tensor) => sum + (tensor.data as Float32Array)[0]!, 0);
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
