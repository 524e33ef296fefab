/**
 * A place where graphs run: ONNX Runtime on the processor, on WebGPU (Vulkan, Metal or D3D12), or on CUDA where the
 * user installed that provider.
 */
import { cpus } from "node:os";
import * as ort from "onnxruntime-node";
import { FailureError, UsageError } from "../errors.js";
import { type DType, elementCount, Graph, ops, type Shape, toOnnx } from "../graph/index.js";

export type DeviceName = "cpu" | "webgpu" | "cuda";
export type Tensor = ort.Tensor;
export type TypedArray = Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;

export interface DeviceOptions {
  /** `auto` takes the first of cuda, webgpu, cpu that works. Default cpu. */
  device?: DeviceName | "auto";
  /** Threads of one operation on the processor. Default: the number of cores. */
  threads?: number;
  /**
   * Path that the names of trace files begin with: each compiled graph writes one when it is disposed of, in Chrome's
   * trace format, with the time of every operation. Default none; tracing costs some microseconds an operation.
   */
  trace?: string;
}

/** A compiled graph. */
export interface Executable {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs once.
   * @param feeds a tensor for every input name.
   * @param outputs tensors to write into (processor only); outputs that are not named are allocated anew. Where all
   * are named, no memory is taken and nothing copied.
   */
  run(feeds: Record<string, Tensor>, outputs?: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Keep the outputs on the device (default), or bring them to host memory. */
  outputsOn?: "device" | "host";
  /** 0 shows on stderr where each node is placed (for tests of placement). */
  logSeverity?: 0 | 1 | 2 | 3 | 4;
}

/**
 * The binding (1.30) writes into tensors it is given, and then hands back a copy of each in fresh memory all the same,
 * which costs several times what a copy into used memory does. It converts the outputs in their order and refuses one
 * that is not a tensor. So graphs on the processor have such an output, an empty sequence, before all others: where every
 * output is given a tensor, it is asked for too, and the refusal, which comes after the run, saves the copies.
 */
const NO_TENSOR = "no tensor";
const NOT_A_TENSOR = "Non tensor type";

/** A tensor over host memory, without a copy. */
export function hostTensor(dtype: DType, data: TypedArray, dims: readonly number[]): Tensor {
  return new ort.Tensor(dtype as "float32", data as Float32Array, dims as number[]);
}

export class Device {
  private constructor(
    readonly name: DeviceName,
    readonly threads: number,
    private readonly trace: string | undefined,
  ) {}

  /** Opens a device after running a small product on it. Throws UsageError if the named device does not work here. */
  static async open(options: DeviceOptions = {}): Promise<Device> {
    const threads = options.threads ?? Math.max(1, cpus().length);
    const wanted = options.device ?? "cpu";
    // Who names no provider need not read why one does not load. Counts before the process's first session only.
    if (wanted === "auto" || wanted === "cpu") ort.env.logLevel = "fatal";
    if (wanted === "cpu") return new Device("cpu", threads, options.trace);
    const supported = ort.listSupportedBackends().map((backend) => backend.name);
    const candidates: DeviceName[] = wanted === "auto" ? ["cuda", "webgpu"] : [wanted];
    let reason = `this build of ONNX Runtime offers ${supported.join(", ")}`;
    for (const name of candidates) {
      if (!supported.includes(name)) continue;
      const device = new Device(name, threads, options.trace);
      try {
        await device.check();
        return device;
      } catch (error) {
        reason = firstLine(error);
      }
    }
    if (wanted === "auto") return new Device("cpu", threads, options.trace);
    throw new UsageError(`device ${wanted} does not work here (${reason}); use --device cpu`);
  }

  private async check(): Promise<void> {
    const graph = new Graph();
    const a = graph.input("a", "float32", [2, 2]);
    graph.output("y", ops.gemm(a, a));
    const executable = await this.compile(graph, { outputsOn: "host" });
    const { y } = await executable.run({ a: hostTensor("float32", Float32Array.of(1, 2, 3, 4), [2, 2]) });
    const ok = [...(y!.data as Float32Array)].join() === "7,10,15,22";
    await executable.dispose();
    if (!ok) throw new Error("a 2×2 product came out wrong");
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Executable> {
    const model = toOnnx(graph, this.name === "cpu" ? { emptySequence: NO_TENSOR } : {});
    const onDevice = this.name !== "cpu" && options.outputsOn !== "host";
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(model.bytes, {
        executionProviders: [this.name],
        intraOpNumThreads: this.threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: "all",
        logSeverityLevel: options.logSeverity ?? 3,
        // A pattern saves no time here, and holds the memory of the run it was learnt in beside its own.
        enableMemPattern: false,
        ...(this.trace === undefined ? {} : { enableProfiling: true, profileFilePrefix: this.trace }),
        ...(model.external.length ? { externalData: model.external } : {}),
        ...(onDevice ? { preferredOutputLocation: "gpu-buffer" as const } : {}),
        // The exponential of a masked score is denormal, and arithmetic on denormals is many times slower than on other
        // numbers: a softmax took seven times as long. The first session sets this for the whole thread, JavaScript
        // included: from then on numbers below 1.2e-38 (float32) and 2.2e-308 (float64) count as zero.
        extra: { session: { set_denormal_as_zero: "1", intra_op: { allow_spinning: "1" } } },
      });
    } catch (error) {
      throw new Error(`ONNX Runtime refused a graph: ${firstLine(error)}`, { cause: error });
    }
    const outputNames = session.outputNames.filter((name) => name !== NO_TENSOR);
    return {
      inputNames: session.inputNames,
      outputNames,
      run: async (feeds, outputs = {}) => {
        const fetches: Record<string, Tensor | null> = {};
        for (const name of outputNames) fetches[name] = outputs[name] ?? null;
        const given = this.name === "cpu" && outputNames.every((name) => outputs[name]);
        try {
          if (given) fetches[NO_TENSOR] = null;
          return { ...((await session.run(feeds, fetches)) as Record<string, Tensor>), ...outputs };
        } catch (error) {
          if (given && firstLine(error).startsWith(NOT_A_TENSOR)) return outputs;
          throw memoryError(error) ?? error;
        }
      },
      dispose: () => {
        if (this.trace !== undefined) session.endProfiling();
        return session.release();
      },
    };
  }

  /** Copies host data to the device. On the processor the data is wrapped as it is. */
  async upload(dtype: DType, data: TypedArray, dims: readonly number[]): Promise<Tensor> {
    const tensor = hostTensor(dtype, data, dims);
    if (this.name === "cpu") return tensor;
    const copy = await this.identity(dtype, dims, "device");
    return (await copy.run({ x: tensor })).y!;
  }

  /** Brings a tensor to host memory. (Reading a device tensor directly ends the process in ONNX Runtime 1.30.) */
  async download(tensor: Tensor): Promise<TypedArray> {
    if (tensor.location === "cpu") return tensor.data as TypedArray;
    const copy = await this.identity(tensor.type as DType, tensor.dims, "host");
    return (await copy.run({ x: tensor })).y!.data as TypedArray;
  }

  private readonly copies = new Map<string, Promise<Executable>>();

  private identity(dtype: DType, dims: readonly number[], to: "host" | "device"): Promise<Executable> {
    const key = `${dtype} ${dims.length} ${to}`;
    let copy = this.copies.get(key);
    if (!copy) {
      const graph = new Graph();
      const shape: Shape = dims.map((_, i) => `d${i}`);
      graph.output("y", graph.input("x", dtype, shape));
      copy = this.compile(graph, { outputsOn: to });
      this.copies.set(key, copy);
    }
    return copy;
  }
}

/** Releases graphs; those whose compilation failed, which was reported then, hold nothing. */
export async function disposeCompiled(compiled: Iterable<Promise<Executable>>): Promise<void> {
  for (const outcome of await Promise.allSettled(compiled))
    if (outcome.status === "fulfilled") await outcome.value.dispose();
}

/** Zeros in host memory, as a tensor. */
export function zeros(dims: readonly number[]): Tensor {
  return hostTensor("float32", new Float32Array(elementCount(dims)), dims);
}

function firstLine(error: unknown): string {
  return String((error as Error).message ?? error).split("\n")[0]!;
}

function memoryError(error: unknown): FailureError | undefined {
  const message = firstLine(error);
  if (!/bad_alloc|Failed to allocate memory|Array buffer allocation failed/i.test(message)) return undefined;
  return new FailureError(
    "out of memory: use fewer tokens in a micro-batch (batch.micro, max_length) or a smaller memory.budget_gb",
    { cause: error },
  );
}
