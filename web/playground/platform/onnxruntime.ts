/** ONNX Runtime in a browser, in the place of the binding for Node.js (src/runtime/onnxruntime.ts): the same names. */
import type * as Web from "onnxruntime-web";
import type { SessionOptions, Tensor as TensorOf, TypedArray } from "../../../src/runtime/onnxruntime.js";

export type { SessionOptions, TypedArray };
export type Tensor = TensorOf;

type Values = Readonly<Record<string, Tensor>>;

let library: typeof Web;
let webgpu = false;
/** Set by `startRuntime`. */
export let Tensor: new (type: string, data: TypedArray, dims: readonly number[]) => TensorOf;

/**
 * Loads the runtime's files, which lie in `base`. Threads need a page that is isolated from others (COOP and COEP).
 * @param gpu the build that also has WebGPU, twice as large.
 */
export async function startRuntime(base: string, options: { gpu: boolean; threads: number }): Promise<void> {
  const name = options.gpu ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs";
  library = (await import(new URL(name, base).href)) as typeof Web;
  library.env.wasm.wasmPaths = base;
  library.env.wasm.numThreads = options.threads;
  library.env.logLevel = "fatal";
  webgpu = options.gpu;
  Tensor = library.Tensor as unknown as typeof Tensor;
}

export const runtimeVersion = (): string => library.env.versions.web ?? "";
export const silenceRuntime = (): void => {};
export const supportedDevices = (): string[] => (webgpu ? ["cpu", "webgpu"] : ["cpu"]);

export class Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];

  private constructor(private readonly inner: Web.InferenceSession) {
    this.inputNames = inner.inputNames;
    this.outputNames = inner.outputNames;
  }

  static async create(model: Uint8Array, options: SessionOptions): Promise<Session> {
    const executionProviders = options.executionProviders.map((name) => (name === "cpu" ? "wasm" : name));
    const settings = { ...options, executionProviders } as Web.InferenceSession.SessionOptions;
    return new Session(await library.InferenceSession.create(model, settings));
  }

  /** Results that were given a tensor are copied into it. */
  async run(feeds: Values, outputs: Readonly<Record<string, Tensor | null>> = {}): Promise<Record<string, Tensor>> {
    const asked = this.outputNames.filter((name) => outputs[name] !== undefined);
    const made = (await this.inner.run(
      feeds as unknown as Web.InferenceSession.FeedsType,
      asked.length ? asked : this.outputNames,
    )) as unknown as Record<string, Tensor>;
    for (const [name, given] of Object.entries(outputs)) {
      if (!given) continue;
      (given.data as Float32Array).set(made[name]!.data as Float32Array);
      made[name] = given;
    }
    return made;
  }

  endProfiling(): void {}

  release(): Promise<void> {
    return this.inner.release();
  }
}
