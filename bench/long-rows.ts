/**
 * Training and scoring of one long row: CPU time for each arithmetic operation and memory, by the row's length. One thread,
 * and its own time, so that other programs count less. Each length has a process of its own, so that the peak of its memory
 * is its own.
 *   npx tsx bench/long-rows.ts [--lengths 1024,4096,16384,32768] [--recompute]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openCheckpoint } from "../src/checkpoint/open.js";
import { linearNames, linearShape } from "../src/model/decoder-layer.js";
import { PackedModel } from "../src/model/packed-model.js";
import { loadDecoderWeights } from "../src/model/weights.js";
import { trainedShape } from "../src/peft/trained-adapter.js";
import { Device } from "../src/runtime/device.js";
import { trainingRow } from "../src/train/examples.js";
import { newAdapter } from "../src/train/parameter-store.js";
import { TrainingModel } from "../src/train/training-model.js";

const { values } = parseArgs({
  options: {
    lengths: { type: "string", default: "1024,4096,16384,32768" },
    recompute: { type: "boolean", default: false },
    one: { type: "string" },
  },
});

async function measure(tokens: number): Promise<void> {
  const folder = fileURLToPath(new URL("../models/mini", import.meta.url));
  const checkpoint = openCheckpoint(folder);
  const weights = loadDecoderWeights(checkpoint);
  checkpoint.close();
  const device = await Device.open({ threads: 1 });
  const { config } = weights;
  const shape = trainedShape(config, {
    lora: { r: 64, alpha: 16, dropout: 0.1, target_modules: "all-linear", use_rslora: false, use_dora: false },
  } as never);
  const keptLayers = values.recompute ? 0 : config.layers;
  const model = await TrainingModel.create(device, weights, { adapter: newAdapter(weights, shape, 0), keptLayers });
  const row = trainingRow([
    {
      tokens: Int32Array.from({ length: tokens }, (_, i) => (i * 104729) % config.vocabSize),
      mask: new Uint8Array(tokens).fill(1),
      index: 0,
    },
  ]);
  const before = process.memoryUsage.rss();
  const times: number[] = [];
  for (let step = 0; step < (tokens > 8192 ? 1 : tokens > 2048 ? 2 : 5); step++) {
    const start = cpuSeconds();
    await model.zeroGradients();
    await model.accumulate(row, row.targets, { seed: 0, epoch: step });
    times.push(cpuSeconds() - start);
  }
  const trainPeak = process.resourceUsage().maxRSS * 1024;
  await model.dispose();
  const packed = new PackedModel(weights, device);
  const scoreStart = cpuSeconds();
  const hidden = await packed.hidden(row.row);
  const positions = Int32Array.from({ length: tokens - 1 }, (_, i) => i);
  await packed.logProbabilities(hidden, positions, row.row.tokens.subarray(1));
  const score = cpuSeconds() - scoreStart;
  let products = 0;
  for (const name of linearNames(config)) {
    const [out, width] = linearShape(config, name);
    products += 4 * out * width + 6 * 64 * (out + width);
  }
  const attention = 7 * 2 * ((tokens + 128) / 2) * config.heads * config.headDim;
  const flops = tokens * (config.layers * (products + attention) + 4 * config.vocabSize * config.hiddenSize);
  const seconds = Math.min(...times);
  console.log(
    JSON.stringify({
      tokens,
      cpu_seconds: seconds,
      tokens_per_cpu_s: Math.round(tokens / seconds),
      gflops: flops / seconds / 1e9,
      score_cpu_seconds: score,
      beyond_weights_mb: Math.round((trainPeak - before) / 1e6),
      peak_mb: Math.round((process.resourceUsage().maxRSS * 1024) / 1e6),
    }),
  );
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

if (values.one) await measure(Number(values.one));
else
  for (const length of values.lengths.split(",")) {
    const args = ["--import", "tsx", fileURLToPath(import.meta.url), "--one", length];
    if (values.recompute) args.push("--recompute");
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr.slice(-2000));
    process.stdout.write(stdout);
  }
