/** Reverse-mode differentiation as a transformation of the graph: it appends the nodes that compute the gradients. */
import { vjpOf } from "./derivatives/index.js";
import type { Value } from "./graph.js";
import { add } from "./ops/index.js";
import { sameShape } from "./shape.js";

/**
 * Appends the backward pass and returns the gradient of each value in `wrt` (undefined where it has no influence).
 * @param seeds pairs of an output and the gradient that flows into it, of the same shape.
 * @param wrt values, usually graph inputs, whose gradients are wanted. Nothing is computed for any other.
 * @param initial gradients to add to, by value: sums carried over from earlier runs.
 */
export function differentiate(
  seeds: readonly { output: Value; gradient: Value }[],
  wrt: readonly Value[],
  initial: ReadonlyMap<Value, Value> = new Map(),
): (Value | undefined)[] {
  const { graph } = wrt[0]!;
  const forward = graph.nodes.slice();

  // A value needs a gradient if it depends on one of `wrt`.
  const needs = new Set<Value>(wrt);
  for (const node of forward)
    if (node.inputs.some((input) => input && needs.has(input))) for (const output of node.outputs) needs.add(output);

  const gradients = new Map<Value, Value>(initial);
  const accumulate = (value: Value, gradient: Value): void => {
    if (!sameShape(value.shape, gradient.shape)) throw new Error(`gradient ${gradient} does not fit ${value}`);
    const sum = gradients.get(value);
    gradients.set(value, sum ? add(sum, gradient) : gradient);
  };
  for (const { output, gradient } of seeds) accumulate(output, gradient);

  for (const node of forward.reverse()) {
    const flowing = node.outputs.map((output) => gradients.get(output));
    if (!flowing.some(Boolean) || !node.outputs.some((output) => needs.has(output))) continue;
    const wanted = node.inputs.map((input) => input !== undefined && isFloat(input) && needs.has(input));
    if (!wanted.some(Boolean)) continue;
    const vjp = vjpOf(node.op);
    if (!vjp) throw new Error(`operation ${node.op} has no derivative`);
    vjp(node, flowing, wanted).forEach((gradient, i) => {
      if (gradient && wanted[i]) accumulate(node.inputs[i]!, gradient);
    });
  }
  return wrt.map((value) => gradients.get(value));
}

const isFloat = (value: Value): boolean => value.dtype === "float32" || value.dtype === "float16";
