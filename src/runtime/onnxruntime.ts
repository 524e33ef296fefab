/** ONNX Runtime's binding for Node.js: loaded when the first session or question needs it, never by an import. */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import { UsageError } from "../errors.js";
import { bindingPath } from "./library/find.js";

export { runtimeVersion } from "./library/find.js";

const require = createRequire(import.meta.url);
// As the binding's own package loads it, so that tensors of both are of one class.
const common = require("onnxruntime-common") as { Tensor: TensorConstructor };

export type TypedArray = Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;

/**
 * A tensor over host memory or a device's. What evoke uses of ONNX Runtime's class, whose own declarations name types of
 * browsers.
 */
export interface Tensor {
  /** Element type, by ONNX Runtime's name. */
  readonly type: string;
  readonly dims: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Elements in row-major order; of a tensor on the host only. */
  readonly data: TypedArray;
  readonly location: "none" | "cpu" | "cpu-pinned" | "texture" | "gpu-buffer" | "ml-tensor";
  /** Frees a device's memory. */
  dispose(): void;
}

type TensorConstructor = new (type: string, data: TypedArray, dims: readonly number[]) => Tensor;

export const Tensor = common.Tensor;

/** ONNX Runtime's options of a session, by its names. */
export interface SessionOptions {
  executionProviders: readonly string[];
  /** CPU threads within an operation, and for operations side by side. */
  intraOpNumThreads: number;
  interOpNumThreads: number;
  graphOptimizationLevel: "all";
  /** 0 (all) to 4 (fatal). */
  logSeverityLevel: number;
  enableMemPattern: boolean;
  enableProfiling?: boolean;
  profileFilePrefix?: string;
  externalData?: readonly { path: string; data: Uint8Array }[];
  preferredOutputLocation?: "gpu-buffer";
  /** Further settings by their dotted names, as nested objects. */
  extra: object;
}

type Values = Readonly<Record<string, Tensor>>;
type Fetches = Readonly<Record<string, Tensor | null>>;

/** What the addon offers. Its calls block. */
interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: SessionOptions): void;
  readonly inputMetadata: readonly { name: string }[];
  readonly outputMetadata: readonly { name: string }[];
  run(feeds: Values, fetches: Fetches, options: object): Record<string, Tensor>;
  endProfiling(): void;
  dispose(): void;
}

interface Binding {
  InferenceSession: new () => NativeSession;
  listSupportedBackends(): { name: string }[];
  initOrtOnce(logLevel: number, tensor: typeof Tensor, isMainThread: boolean): void;
}

const WARNINGS = 2;
const NOTHING_BUT_CRASHES = 4;
let logLevel = WARNINGS;
let binding: Binding | undefined;
let initialised = false;

/** Keeps the runtime's own lines off the terminal. Counts before the process's first session only. */
export function silenceRuntime(): void {
  logLevel = NOTHING_BUT_CRASHES;
}

/** Names of the devices that the library was built for. */
export function supportedDevices(): string[] {
  return load()
    .listSupportedBackends()
    .map(({ name }) => name);
}

/** A compiled model. */
export class Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];

  private constructor(private readonly native: NativeSession) {
    this.inputNames = native.inputMetadata.map(({ name }) => name);
    this.outputNames = native.outputMetadata.map(({ name }) => name);
  }

  /** @param model bytes of an ONNX model. @throws Error with the runtime's reason */
  static async create(model: Uint8Array, options: SessionOptions): Promise<Session> {
    await nextTurn();
    const library = load();
    if (!initialised) library.initOrtOnce(logLevel, Tensor, isMainThread);
    initialised = true;
    const native = new library.InferenceSession();
    native.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    return new Session(native);
  }

  /**
   * @param outputs which ones, in the model's order, each into a given tensor or (null) into fresh memory; all by default
   * @throws Error with the runtime's reason
   */
  async run(feeds: Values, outputs: Fetches = {}): Promise<Record<string, Tensor>> {
    const asked = this.outputNames.filter((name) => outputs[name] !== undefined);
    const names = asked.length ? asked : this.outputNames;
    const missing = this.inputNames.find((name) => feeds[name] === undefined);
    if (missing !== undefined) throw new Error(`input ${missing} is missing`);
    const fetches = Object.fromEntries(names.map((name) => [name, outputs[name] ?? null]));
    await nextTurn();
    return this.native.run(feeds, fetches, {});
  }

  endProfiling(): void {
    this.native.endProfiling();
  }

  async release(): Promise<void> {
    this.native.dispose();
  }
}

function load(): Binding {
  if (binding) return binding;
  const path = bindingPath();
  // The library (1.30) reports its use to its maker unless this is set before it is loaded.
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  try {
    binding = require(path) as Binding;
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    const advice = process.platform === "linux" ? "; it wants glibc 2.28 or later" : "";
    throw new UsageError(`ONNX Runtime does not load here (${reason})${advice}`, { cause: error });
  }
  return binding;
}

/** Between two calls that block, the event loop turns. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
