/** Decides, before anything is allocated, how long a row may be and how many blocks keep their activations. */
import { FailureError } from "../errors.js";
import type { AdapterShape } from "../model/adapter.js";
import { adapterParameters, graphAdapter } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { linearShape, linearWeights } from "../model/decoder-layer.js";
import { ONE_GRAPH_TOKENS } from "../model/long-attention.js";
import { QUERY_BLOCK } from "../model/packed-attention.js";
import { longestRow } from "./examples.js";
import { headBlockRows } from "./loss-head.js";

export interface MemoryRequest {
  config: DecoderConfig;
  adapter?: AdapterShape;
  /** Storage of the frozen weights. */
  precision: "float32" | "nf4" | "int8";
  /** Tokens of each example. */
  lengths: readonly number[];
  /** Examples in a micro-batch. */
  microBatch: number;
  /** Bytes the run may use; undefined: what is free. */
  budgetBytes?: number;
  recompute: "auto" | "all" | "none";
  /** Row length that a run began with: a resumed run keeps it, whatever memory is free now. */
  rowTokens?: number;
  /** Bytes that the device has to give; counts where there is no budget. Default: no limit. */
  availableBytes?: number;
}

export interface MemoryPlan {
  /** Limit of a row in tokens: a micro-batch of more is computed in several rows, with the same result. */
  rowTokens: number;
  keptLayers: number;
  /** Σ of the row lengths whose compiled passes may be held at once: each has a workspace of its own. */
  compiledTokens: number;
  /** Estimated peak in bytes. */
  estimate: number;
  budget: number;
  parts: { weights: number; trainable: number; workspace: number; activations: number };
}

/** Left to the operating system and the JavaScript heap. */
const RESERVE = 250e6;
/** What a training row takes besides the 5 bytes of each of its tokens. */
const ROW_BYTES = 500;

const BITS: Record<MemoryRequest["precision"], number> = { float32: 32, nf4: 4.127, int8: 8.1 };

/** Bytes of activations one kept block holds per token. */
function keptBytesPerToken(config: DecoderConfig, adapter?: AdapterShape): number {
  const { hiddenSize, heads, kvHeads, headDim } = config;
  const { width, gated } = config.block.mlp;
  const floats = 2 * heads * headDim + 2 * kvHeads * headDim + hiddenSize + (gated ? 2 : 1) * width;
  if (!adapter) return 4 * floats;
  const { ranks, dropout } = graphAdapter(adapter);
  const widths = [...ranks.keys()].reduce((sum, name) => sum + linearShape(config, name)[1], 0);
  const low = [...ranks.values()].reduce((sum, rank) => sum + rank, 0);
  return 4 * (floats + low) + (dropout > 0 ? widths : 0);
}

/**
 * Row lengths to choose from: longer ones decode quantised weights less often, shorter ones take less memory. How rows
 * are laid can change the last bits of a sum, so free memory must not decide: without a budget the second is taken.
 */
const ROW_TOKENS = [2048, 1024, 512];
const USUAL_ROW_TOKENS = [1024, 512];

/** Share of a step that recomputing all blocks adds, and that decoding NF4 weights costs at 2048 tokens a row. */
const RECOMPUTE_COST = 0.2;
const DECODE_COST = 0.025;

/**
 * Estimates memory and picks the row length and the number of kept blocks that promise the fastest step.
 * @throws FailureError naming the need, the budget and what to change, when even the smallest plan does not fit.
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
  const longest = request.lengths.reduce((most, length) => Math.max(most, length), 1);
  const lengths = request.rowTokens ? [request.rowTokens] : request.budgetBytes ? ROW_TOKENS : USUAL_ROW_TOKENS;
  const limits = [...new Set(lengths.map((tokens) => Math.max(tokens, longest)))];
  const plans = limits.map((limit) => planRow(request, limit, longest));
  const cost = (plan: MemoryPlan): number =>
    RECOMPUTE_COST * (1 - plan.keptLayers / request.config.layers) + (DECODE_COST * 2048) / plan.rowTokens;
  const fitting = plans.filter((plan) => plan.estimate <= plan.budget);
  if (fitting.length && !request.budgetBytes) return fitting[0]!;
  if (fitting.length) return fitting.reduce((best, plan) => (cost(plan) < cost(best) ? plan : best));
  const smallest = plans[plans.length - 1]!;
  throw new FailureError(
    `not enough memory: about ${gigabytes(smallest.estimate)} GB needed, ${gigabytes(smallest.budget)} GB ` +
      `${request.budgetBytes ? "allowed by memory.budget_gb" : "free"}; lower max_length or lora.r, use method: qlora, or take a smaller model`,
  );
}

/**
 * Floats that attention takes at once in a backward pass. In one graph the scores of all query blocks; block by block those
 * of one, beside what is read, put out and its gradients.
 */
function attentionFloats({ heads, kvHeads, headDim }: DecoderConfig, rowTokens: number, longest: number): number {
  if (rowTokens <= ONE_GRAPH_TOKENS) return rowTokens * 4 * heads * Math.min(longest + QUERY_BLOCK, rowTokens);
  return 6 * heads * QUERY_BLOCK * longest + rowTokens * 5 * (heads + kvHeads) * headDim;
}

function planRow(request: MemoryRequest, limit: number, longest: number): MemoryPlan {
  const { config, adapter, lengths, microBatch } = request;
  const { hiddenSize, heads, kvHeads, headDim, layers, vocabSize } = config;
  const rowTokens = longestRow(lengths, microBatch, limit);
  const linear = linearWeights(config);
  const table = vocabSize * hiddenSize * 4;
  const tables = config.tiedEmbeddings ? table : 2 * table;
  const weights = adapter ? (layers * linear * BITS[request.precision]) / 8 + tables : 0;
  // Value, gradient and two moments; a spare set of one block while it is updated.
  const trainable =
    16 * (adapter ? adapterParameters(config, adapter) * (1 + 1 / layers) : layers * linear + tables / 4);
  const decoded = adapter && request.precision !== "float32" ? linear * 4 : 0;
  // Logits, their exponentials and gradient, as measured.
  const logits = 3.4 * headBlockRows(vocabSize, hiddenSize) * vocabSize * 4;
  const inputs = (layers + 4) * rowTokens * hiddenSize * 4;
  // Floats a token that are alive at once in a backward graph, as measured; the other graphs in proportion.
  const perToken = 14 * hiddenSize + 9 * config.block.mlp.width + 6 * (heads + kvHeads) * headDim;
  const backward = 4 * (rowTokens * perToken + attentionFloats(config, rowTokens, longest));
  const rows = lengths.reduce((sum, length) => sum + ROW_BYTES + 5 * length, 0);
  const fixed = RESERVE + rows + weights + trainable + decoded + logits + inputs;
  const perLayer = keptBytesPerToken(config, adapter) * rowTokens;
  const budget = request.budgetBytes ?? request.availableBytes ?? Number.POSITIVE_INFINITY;
  const workspaceOf = (kept: number): number =>
    (kept > 0 ? 0.95 * backward : 0) + (kept < layers ? 1.15 * backward : 0);

  let keptLayers = request.recompute === "all" ? 0 : layers;
  if (request.recompute === "auto" && fixed + workspaceOf(layers) + layers * perLayer > budget)
    keptLayers = Math.max(0, Math.min(layers - 1, Math.floor((budget - fixed - workspaceOf(1)) / perLayer)));
  const workspace = decoded + logits + inputs + workspaceOf(keptLayers);
  const activations = keptLayers * perLayer;
  const estimate = fixed + workspaceOf(keptLayers) + activations;
  const spare = Number.isFinite(budget) ? Math.max(0, budget - estimate) : 0;
  return {
    rowTokens: limit,
    keptLayers,
    compiledTokens: rowTokens + Math.floor((spare * rowTokens) / workspaceOf(keptLayers)),
    estimate,
    budget,
    parts: { weights, trainable, workspace, activations },
  };
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
