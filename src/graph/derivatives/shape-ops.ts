/** Derivatives of the operations that move or select elements. */
import type { Value } from "../graph.js";
import { concat, pad, reshape, slice, transpose } from "../ops/index.js";
import { elementCount, fixedDim } from "../shape.js";
import { defineVjp } from "./vjp.js";

function readInt(value: Value): number {
  const { bytes } = value.constant!;
  return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true));
}

defineVjp("Reshape", (node, [g]) => [reshape(g!, node.inputs[0]!.shape)]);

defineVjp("Transpose", (node, [g]) => {
  const order = (node.attributes.perm as { ints: readonly number[] }).ints;
  const inverse = order.map((_, i) => order.indexOf(i));
  return [transpose(g!, inverse)];
});

defineVjp("Concat", (node, [g], needs) => {
  const axis = (node.attributes.axis as { int: number }).int;
  let start = 0;
  return node.inputs.map((x, i) => {
    const from = start;
    start += fixedDim(x!.shape, axis);
    return needs[i] ? slice(g!, axis, from, start) : undefined;
  });
});

defineVjp("Split", (node, gradients) => {
  const { graph } = node.inputs[0]!;
  const parts = node.outputs.map(
    ({ shape }, i) =>
      gradients[i] ?? graph.constant("float32", shape as number[], new Float32Array(elementCount(shape))),
  );
  return [concat(parts, (node.attributes.axis as { int: number }).int)];
});

defineVjp("Slice", (node, [g]) => {
  const [x, starts, ends, axes, , dynamicPads] = node.inputs as Value[];
  if (dynamicPads) return [pad(g!, dynamicPads, x!.shape)];
  const axis = readInt(axes!);
  const start = readInt(starts!);
  const end = readInt(ends!);
  const rank = x!.shape.length;
  const pads = new Array<number>(2 * rank).fill(0);
  pads[axis] = start;
  pads[rank + axis] = fixedDim(x!.shape, axis) - end;
  return [pad(g!, g!.graph.constant("int64", [2 * rank], pads), x!.shape)];
});
