/** ONNX Runtime's binding for Node.js: loaded when the first session or question needs it, never by an import. */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import type * as Common from "onnxruntime-common";
import { UsageError } from "../errors.js";
import { bindingPath } from "./library/find.js";

export { runtimeVersion } from "./library/find.js";

const require = createRequire(import.meta.url);
// As the binding's own package loads it, so that tensors of both are of one class.
const common = require("onnxruntime-common") as typeof Common;

export const Tensor = common.Tensor;
export type Tensor = Common.Tensor;
export type SessionOptions = Common.InferenceSession.SessionOptions;

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
