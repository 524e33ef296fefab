/** ONNX Runtime's sessions: what both devices make of a graph. */
import { FailureError } from "../errors.js";
import { type Graph, type LoweringOptions, toOnnx } from "../graph/index.js";
import type { CompileOptions, DeviceName } from "./backend.js";
import { Session } from "./onnxruntime.js";

export interface SessionSettings {
  provider: DeviceName;
  threads: number;
  /** Path that trace files begin with; undefined for none. */
  trace: string | undefined;
  /** Leave results in the device's memory. */
  onDevice: boolean;
  lowering?: LoweringOptions;
  /** Refuse with `ProcessorFallback` what the provider cannot run without the processor. */
  whole?: boolean;
}

/** Some node of a graph has no kernel on the device. */
export class ProcessorFallback extends Error {}

/** @throws Error with the runtime's reason, in one line. */
export async function createSession(
  graph: Graph,
  settings: SessionSettings,
  options: CompileOptions,
): Promise<Session> {
  const model = toOnnx(graph, settings.lowering);
  try {
    return await Session.create(model.bytes, {
      executionProviders: [settings.provider],
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
      // The refusal of what is not whole is an answer, not an error to show.
      logSeverityLevel: options.logSeverity ?? (settings.whole ? 4 : 3),
      // A pattern saves no time here, and holds the memory of the run it was learnt in beside its own.
      enableMemPattern: false,
      ...(settings.trace === undefined ? {} : { enableProfiling: true, profileFilePrefix: settings.trace }),
      ...(model.external.length ? { externalData: model.external } : {}),
      ...(settings.onDevice ? { preferredOutputLocation: "gpu-buffer" as const } : {}),
      // The exponential of a masked score is denormal, and arithmetic on denormals is many times slower than on other
      // numbers: a softmax took seven times as long. The first session sets this for the whole thread, JavaScript
      // included: from then on numbers below 1.2e-38 (float32) and 2.2e-308 (float64) count as zero.
      // Each session has threads of its own. They spin while it runs, but no longer: else they would take the processor from
      // the next session's, which made decoding steps of two sessions half as fast.
      extra: {
        session: {
          set_denormal_as_zero: "1",
          intra_op: { allow_spinning: "1" },
          force_spinning_stop: "1",
          ...(settings.whole ? { disable_cpu_ep_fallback: "1" } : {}),
        },
      },
    });
  } catch (error) {
    if (firstLine(error).includes("fallback to CPU EP")) throw new ProcessorFallback(firstLine(error));
    throw new Error(`ONNX Runtime refused a graph: ${firstLine(error)}`, { cause: error });
  }
}

/** Sizes of the outputs whose shape is fixed. */
export function fixedShapes(graph: Graph): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, { shape }] of graph.outputs)
    if (shape.every((size) => typeof size === "number")) shapes.set(name, shape as readonly number[]);
  return shapes;
}

export async function endSession(session: Session, trace: string | undefined): Promise<void> {
  if (trace !== undefined) session.endProfiling();
  await session.release();
}

export function firstLine(error: unknown): string {
  return String((error as Error).message ?? error).split("\n")[0]!;
}

/** The runtime found no memory for a result. Who started the work knows what to make smaller. */
export class OutOfMemoryError extends FailureError {}

/** A run's error as it is to be reported: want of memory by name, everything else as it is. */
export function runError(error: unknown): unknown {
  if (!/bad_alloc|Failed to allocate memory|Array buffer allocation failed/i.test(firstLine(error))) return error;
  return new OutOfMemoryError("out of memory; use a smaller model or shorter texts", { cause: error });
}
