/** AdamW as graphs: one updates all tensors of a group where they lie, one sums the squares of their gradients. */
import { Graph, ops } from "../graph/index.js";
import { type AdamWOptions, decays, type Parameter, type StepSizes } from "./adamw.js";
import { hostTensor, type Tensor } from "./tensor.js";

/** Equal for groups that one graph serves. */
export const shapesKey = (group: readonly Parameter[]): string => group.map(({ dims }) => dims.join("x")).join(" ");

/** Inputs g0, g1, …; output sum, that of all their squares. */
export function squaredNormGraph(group: readonly Parameter[]): Graph {
  const graph = new Graph();
  const sums = group.map(({ dims }, i) => {
    const g = graph.input(`g${i}`, "float32", dims);
    const axes = dims.map((_, axis) => axis);
    return ops.reduceSum(ops.mul(g, g), axes);
  });
  graph.output("sum", sums.reduce(ops.add));
  return graph;
}

/** Inputs of `updateFeeds`; outputs p0.next, m0.next, v0.next, …. */
export function updateGraph(group: readonly Parameter[], { betas, epsilon, weightDecay }: AdamWOptions): Graph {
  const graph = new Graph();
  const scalar = (name: string) => graph.input(name, "float32", []);
  const lr = scalar("lr");
  const gradientScale = scalar("gradientScale");
  const correction1 = scalar("correction1");
  const correction2 = scalar("correction2");
  group.forEach(({ dims }, i) => {
    const tensor = (part: string) => graph.input(`${part}${i}`, "float32", dims);
    const g = ops.mul(tensor("g"), gradientScale);
    const m = ops.add(ops.scale(tensor("m"), betas[0]), ops.scale(g, 1 - betas[0]));
    const v = ops.add(ops.scale(tensor("v"), betas[1]), ops.scale(ops.mul(g, g), 1 - betas[1]));
    const root = ops.add(ops.sqrt(ops.mul(v, correction2)), graph.scalar(epsilon));
    let p = tensor("p");
    if (weightDecay > 0 && decays(dims)) p = ops.mul(p, ops.sub(graph.scalar(1), ops.scale(lr, weightDecay)));
    graph.output(`p${i}.next`, ops.sub(p, ops.mul(lr, ops.div(ops.mul(m, correction1), root))));
    graph.output(`m${i}.next`, m);
    graph.output(`v${i}.next`, v);
  });
  return graph;
}

export function updateFeeds(
  group: readonly Parameter[],
  { betas }: AdamWOptions,
  sizes: StepSizes,
): Record<string, Tensor> {
  const scalar = (x: number) => hostTensor("float32", Float32Array.of(x), []);
  const feeds: Record<string, Tensor> = {
    lr: scalar(sizes.learningRate),
    gradientScale: scalar(sizes.gradientScale),
    correction1: scalar(1 / (1 - betas[0] ** sizes.step)),
    correction2: scalar(1 / (1 - betas[1] ** sizes.step)),
  };
  group.forEach((parameter, i) => {
    feeds[`p${i}`] = parameter.value;
    feeds[`g${i}`] = parameter.gradient;
    feeds[`m${i}`] = parameter.m;
    feeds[`v${i}`] = parameter.v;
  });
  return feeds;
}
