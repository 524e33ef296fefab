/** Opens the place where graphs run: ONNX Runtime on the CPU, on WebGPU (Vulkan, Metal or D3D12), or on CUDA. */
import { availableParallelism } from "node:os";
import { UsageError } from "../errors.js";
import { Graph, ops } from "../graph/index.js";
import type { Device as DeviceContract, DeviceName } from "./backend.js";
import { GpuDevice } from "./gpu.js";
import { HostDevice } from "./host.js";
import { firstLine } from "./onnx-session.js";
import { silenceRuntime, supportedDevices } from "./onnxruntime.js";
import { hostTensor } from "./tensor.js";

export type { AdamWOptions, Parameter, StepSizes } from "./adamw.js";
export type { CompileOptions, DeviceName, Executable, TensorSource, Traffic } from "./backend.js";
export { OutOfMemoryError } from "./onnx-session.js";
export { SessionCache, type SessionKey } from "./session-cache.js";
export { hostTensor, type Tensor, type TypedArray, zeros } from "./tensor.js";
export { TensorPool, TensorScope } from "./tensor-scope.js";

export interface DeviceOptions {
  /**
   * `auto` takes cuda where it works, else cpu. Never WebGPU: the runtime does not tell whether its adapter is a GPU or
   * software, which is slower than the processor. Default cpu.
   */
  device?: DeviceName | "auto";
  /** Threads of one operation on the CPU. Default: as many as the process may use. */
  threads?: number;
  /**
   * Path that the names of trace files begin with: each compiled graph writes one when it is disposed of, in Chrome's
   * trace format, with the time of every operation. Default none; tracing costs some microseconds an operation.
   */
  trace?: string;
}

/** A place where graphs run. */
export type Device = DeviceContract;

export const Device = {
  /** Opens a device after running a small product on it. @throws UsageError if the named device does not work here. */
  async open({ device: wanted = "cpu", threads = availableParallelism(), trace }: DeviceOptions = {}): Promise<Device> {
    // Who names no provider need not read why one does not load. Counts before the process's first session only.
    if (wanted === "auto" || wanted === "cpu") silenceRuntime();
    if (wanted === "cpu") return new HostDevice(threads, trace);
    const supported = supportedDevices();
    const candidates: DeviceName[] = [wanted === "auto" ? "cuda" : wanted];
    let reason = `this build of ONNX Runtime offers ${supported.join(", ")}`;
    for (const name of candidates) {
      if (!supported.includes(name)) continue;
      const device = new GpuDevice(name, threads, trace);
      try {
        await check(device);
        return device;
      } catch (error) {
        reason = firstLine(error);
      }
    }
    if (wanted === "auto") return new HostDevice(threads, trace);
    throw new UsageError(`device ${wanted} does not work here (${reason}); use --device cpu`);
  },
};

async function check(device: Device): Promise<void> {
  const graph = new Graph();
  const a = graph.input("a", "float32", [2, 2]);
  graph.output("y", ops.gemm(a, a));
  const executable = await device.compile(graph, { outputsOn: "host" });
  const { y } = await executable.run({ a: hostTensor("float32", Float32Array.of(1, 2, 3, 4), [2, 2]) });
  const ok = [...(y!.data as Float32Array)].join() === "7,10,15,22";
  await executable.dispose();
  if (!ok) throw new Error("a 2×2 product came out wrong");
}
