/** Compiles every graph of a training step on WebGPU with ONNX Runtime's placement log on stderr. */

import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../../src/checkpoint/open.js";
import { graphAdapter } from "../../../src/model/adapter.js";
import { decoderConfig } from "../../../src/model/architectures/index.js";
import { adapterShape } from "../../../src/peft/targets.js";
import { Device } from "../../../src/runtime/device.js";
import { LayerPasses } from "../../../src/train/layer-passes.js";
import { lossHeadGraph } from "../../../src/train/loss-head.js";

const folder = fileURLToPath(new URL("../../../src/model/fixtures/llama", import.meta.url));
const checkpoint = openCheckpoint(folder);
const config = decoderConfig(checkpoint.config, folder);
const settings = { r: 8, alpha: 16, dropout: 0.1, target_modules: ["q_proj", "down_proj"] };
const adapter = graphAdapter(adapterShape(config, settings));
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
const finalNorm = new Float32Array(config.hiddenSize);
await loud.compile(lossHeadGraph({ config, finalNorm }, 8, { trainable: false, backward: true }));
process.exit(0);
