/** Graphs on the CPU, run without the copies that the binding makes of their results. */
import { Graph, ops } from "../graph/index.js";
import type { CompileOptions, Executable } from "./backend.js";
import { createSession, endSession, firstLine, fixedShapes, runError } from "./onnx-session.js";
import { hostTensor, type Tensor, zeros } from "./tensor.js";

/**
 * The binding (1.30) writes into tensors it is given, and then hands back a copy of each in fresh memory all the same,
 * which costs several times what a copy into used memory does. It converts the outputs in their order and refuses one
 * that is not a tensor. So graphs on the CPU have such an output, an empty sequence, before all others: where every
 * output is given a tensor, it is asked for too, and the refusal, which comes after the run, saves the copies.
 * `refusalSavesCopies` tries that out, once a process; where a binding behaves otherwise, graphs have no such output.
 */
const NO_TENSOR = "no tensor";
const NOT_A_TENSOR = "Non tensor type";

interface HostSettings {
  threads: number;
  trace: string | undefined;
}

export async function compileOnHost(
  graph: Graph,
  settings: HostSettings,
  options: CompileOptions = {},
): Promise<Executable> {
  return compileWith(await refusalSavesCopies(), graph, settings, options);
}

let trial: Promise<boolean> | undefined;

/** Whether a run into given tensors ends in the refusal, and they hold the results then. */
export function refusalSavesCopies(): Promise<boolean> {
  trial ??= (async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    graph.output("y", ops.add(x, x));
    let refused = false;
    const note = (): void => void (refused = true);
    const executable = await compileWith(true, graph, { threads: 1, trace: undefined }, {}, note);
    const y = zeros([2]);
    try {
      await executable.run({ x: hostTensor("float32", Float32Array.of(1, 2), [2]) }, { y });
    } finally {
      await executable.dispose();
    }
    return refused && (y.data as Float32Array)[0] === 2 && (y.data as Float32Array)[1] === 4;
  })().catch(() => false);
  return trial;
}

async function compileWith(
  refusal: boolean,
  graph: Graph,
  { threads, trace }: HostSettings,
  options: CompileOptions,
  onRefusal = () => {},
): Promise<Executable> {
  const lowering = refusal ? { emptySequence: NO_TENSOR } : {};
  const session = await createSession(graph, { provider: "cpu", threads, trace, onDevice: false, lowering }, options);
  const outputNames = session.outputNames.filter((name) => name !== NO_TENSOR);
  return {
    inputNames: session.inputNames,
    outputNames,
    outputShapes: fixedShapes(graph),
    run: async (feeds, outputs = {}) => {
      const fetches: Record<string, Tensor | null> = {};
      for (const name of outputNames) fetches[name] = outputs[name] ?? null;
      const given = refusal && outputNames.every((name) => outputs[name]);
      try {
        if (given) fetches[NO_TENSOR] = null;
        return { ...((await session.run(feeds, fetches)) as Record<string, Tensor>), ...outputs };
      } catch (error) {
        if (!given || !firstLine(error).startsWith(NOT_A_TENSOR)) throw runError(error);
        onRefusal();
        return outputs;
      }
    },
    dispose: () => endSession(session, trace),
  };
}
