/**
 * Final norm, output projection and cross-entropy, forward and backward, in blocks of target positions: a vocabulary of
 * 256k costs one block of logits, not one row of logits per token.
 */
import { differentiate, Graph, ops, type Value } from "../graph/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { headLogits } from "../model/packed-model.js";

/**
 * Target positions in a block. As many as fit 64 MB of logits; for large vocabularies more, up to 128, as a product over
 * few rows spends its time on reading the head: their logits take about an eighth of the head's own memory.
 */
export function headBlockRows(vocabSize: number, hiddenSize: number): number {
  const small = 2 ** Math.floor(Math.log2((16 << 20) / vocabSize));
  const share = Math.min(128, 2 ** Math.ceil(Math.log2(hiddenSize / 8)));
  return Math.max(8, share, Math.min(256, small));
}

/**
 * Inputs: x [rows, hidden], targets int32 [rows, 1], weights [rows, 1] (1 / targets of the step; 0 for padding), head, norm.
 * Outputs: loss (Σ of weighted losses), dx; with `trainable` also head.sum, norm.sum and normBias.sum, the gradients
 * added to the inputs head.acc, norm.acc and normBias.acc.
 */
export function lossHeadGraph(
  config: DecoderConfig,
  rows: number,
  options: { trainable: boolean; backward: boolean },
): Graph {
  const graph = new Graph();
  const { x, parameters, logits } = headLogits(graph, config, rows);
  const targets = graph.input("targets", "int32", [rows, 1]);
  const weight = graph.input("weights", "float32", [rows, 1]);

  const shifted = ops.sub(logits, ops.reduceMax(logits, [-1], true));
  const below = ops.pick(shifted, targets);
  const exponentials = ops.exp(shifted);
  const total = ops.sumLast(exponentials);
  const losses = ops.sub(ops.log(total), below);
  graph.output("loss", ops.reduceSum(ops.mul(losses, weight), [0, 1]));
  if (!options.backward) return graph;

  // d loss / d logits = weight · (softmax − one-hot), in one pass over the logits and a correction at each target.
  const ratio = ops.div(weight, total);
  const atTarget = ops.sub(ops.mul(ops.exp(below), ratio), weight);
  const gradient = ops.put(ops.mul(exponentials, ratio), targets, atTarget);
  const wrt: Value[] = [x];
  const initial = new Map<Value, Value>();
  const sums: string[] = [];
  if (options.trainable)
    for (const [name, value] of parameters) {
      initial.set(value, graph.input(`${name}.acc`, "float32", value.shape));
      wrt.push(value);
      sums.push(`${name}.sum`);
    }
  const [dx, ...rest] = differentiate([{ output: logits, gradient }], wrt, initial);
  graph.output("dx", dx!);
  for (const [i, name] of sums.entries()) graph.output(name, rest[i]!);
  return graph;
}
