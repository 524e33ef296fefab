/**
 * Splits one graph that holds a forward and a backward pass into two: the first also puts out what was marked with
 * `keep`, the second takes that in and recomputes the rest. The choice of what to keep is the trade of memory for time.
 */
import { Graph, type Node, type Value } from "./graph.js";

/** Copies the parts of `source` that `outputs` depend on, with `replaced` values turned into inputs of the given names. */
export function extract(
  source: Graph,
  outputs: ReadonlyMap<string, Value>,
  replaced: ReadonlyMap<Value, string>,
): Graph {
  const live = new Set<Value>(outputs.values());
  const nodes: Node[] = [];
  for (let i = source.nodes.length - 1; i >= 0; i--) {
    const node = source.nodes[i]!;
    // A node all of whose live outputs come in as inputs is not needed.
    if (!node.outputs.some((output) => live.has(output) && !replaced.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) if (input) live.add(input);
  }
  nodes.reverse();

  const result = new Graph();
  const copies = new Map<Value, Value>();
  const copy = (value: Value): Value => {
    let made = copies.get(value);
    if (made) return made;
    const name = replaced.get(value) ?? value.inputName;
    if (name !== undefined) made = result.input(name, value.dtype, value.shape);
    else if (value.constant) made = result.constant(value.dtype, value.shape as number[], value.constant.bytes);
    else throw new Error(`${value} is used before it is computed`);
    copies.set(value, made);
    return made;
  };
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => input && copy(input));
    const made = result.node(node.op, inputs, node.outputs, {
      domain: node.domain,
      attributes: { ...node.attributes },
    });
    node.outputs.forEach((output, i) => {
      if (!replaced.has(output)) copies.set(output, made[i]!);
    });
  }
  for (const [name, value] of outputs) result.output(name, copy(value));
  return result;
}
