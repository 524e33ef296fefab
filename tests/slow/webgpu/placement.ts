/** Compiles every graph of a training step on WebGPU with ONNX Runtime's placement log on stderr. */
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../../src/checkpoint/open.js";
import { decoderConfig } from "../../../src/model/architectures/index.js";
import { Device } from "../../../src/runtime/device.js";
import { LayerPasses } from "../../../src/train/layer-passes.js";
import { lossHeadGraph } from "../../../src/train/loss-head.js";

const folder = fileURLToPath(new URL("../../../src/model/fixtures/llama", import.meta.url));
const checkpoint = openCheckpoint(folder);
const config = decoderConfig(checkpoint.config, folder);
const adapter = {
  rank: 8,
  alpha: 16,
  scaling: 2,
  dropout: 0.1,
  targets: ["self_attn.q_proj", "mlp.down_proj"] as const,
};
const device = await Device.open({ device: "webgpu", threads: 1 });
const loud = new Proxy(device, {
  get: (target, key) =>
    key === "compile"
      ? (graph: Parameters<Device["compile"]>[0], options = {}) => target.compile(graph, { ...options, logSeverity: 0 })
      : Reflect.get(target, key),
});
const passes = new LayerPasses(config, 160, { adapter }, loud);
await passes.forward();
await passes.forwardKeeping();
await passes.backward({ kept: true });
await passes.backward({ kept: false });
await loud.compile(lossHeadGraph(config, 8, { trainable: false, backward: true }));
process.exit(0);
