/** Compiles every graph of a training step on WebGPU with ONNX Runtime's placement log on stderr. */

import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../../src/checkpoint/open.js";
import { graphAdapter } from "../../../src/model/adapter.js";
import { decoderConfig } from "../../../src/model/architectures/index.js";
import { adapterShape } from "../../../src/peft/targets.js";
import { Device, SessionCache } from "../../../src/runtime/device.js";
import { WholeBlockPasses } from "../../../src/train/block-passes.js";
import { lossHeadGraph } from "../../../src/train/loss-head.js";

const folder = fileURLToPath(new URL("../../../src/model/fixtures/llama", import.meta.url));
const checkpoint = openCheckpoint(folder);
const config = decoderConfig(checkpoint.config, folder);
const settings = { r: 8, alpha: 16, dropout: 0.1, target_modules: ["q_proj", "down_proj"] };
const adapter = graphAdapter(adapterShape(config, settings));
const device = await Device.open({ device: "webgpu", threads: 1 });
const passes = new WholeBlockPasses(config, 160, { adapter }, new SessionCache(device));
for (const graph of [
  passes.forwardGraph(false),
  passes.forwardGraph(true),
  passes.backwardGraph(true),
  passes.backwardGraph(false),
])
  await device.compile(graph, { logSeverity: 0 });
await device.compile(lossHeadGraph(config, 8, { trainable: false, backward: true }), { logSeverity: 0 });
process.exit(0);
