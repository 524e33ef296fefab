/** The further threads of a decoder: each waits in the module for the next step. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { FailureError } from "../../errors.js";
import { type SoloMemory, STATE } from "./solo-memory.js";

/** Runs in each further thread: its part of every step. If it fails, the others need not wait for it. */
const WORKER = `
const { parentPort, workerData } = require("node:worker_threads");
const { module, memory, thread, STATE } = workerData;
const { serve } = new WebAssembly.Instance(module, { evoke: { memory } }).exports;
const state = new Int32Array(memory.buffer);
const seen = state[STATE.step];
parentPort.postMessage("ready");
try {
  serve(thread, seen);
} catch {
  Atomics.store(state, STATE.stop, 1);
  Atomics.add(state, STATE.barrier, 1);
  Atomics.notify(state, STATE.barrier);
}
`;

/** Starts threads 1, 2, … @throws FailureError when one does not start. */
export async function startWorkers(
  module: WebAssembly.Module,
  { memory }: SoloMemory,
  count: number,
): Promise<Worker[]> {
  const workers = Array.from({ length: count }, (_, i) => {
    return new Worker(WORKER, { eval: true, execArgv: [], workerData: { module, memory, thread: i + 1, STATE } });
  });
  try {
    await Promise.all(workers.map((worker) => once(worker, "message")));
  } catch (error) {
    for (const worker of workers) void worker.terminate();
    throw new FailureError("a thread of the decoder did not start", { cause: error });
  }
  // They wait for steps as long as the process lives, and do not keep it alive. That one ended is seen in the next step.
  for (const worker of workers) worker.on("error", () => {}).unref();
  return workers;
}
