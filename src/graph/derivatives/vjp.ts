/**
 * The registry of derivatives. Each file in this folder defines operations: a function that appends the node and works
 * out the result's shape, and next to it the vector–Jacobian product that reverse-mode differentiation asks for.
 */
import type { Node, Value } from "../graph.js";

/**
 * Given a node and the gradients of its outputs (undefined where nothing flows), returns the gradients of its inputs.
 * `needs[i]` says whether input i wants one; the others may be left undefined.
 */
export type Vjp = (
  node: Node,
  gradients: readonly (Value | undefined)[],
  needs: readonly boolean[],
) => (Value | undefined)[];

const vjps = new Map<string, Vjp>();

export function defineVjp(op: string, vjp: Vjp): void {
  if (vjps.has(op)) throw new Error(`the derivative of ${op} is defined twice`);
  vjps.set(op, vjp);
}

export function vjpOf(op: string): Vjp | undefined {
  return vjps.get(op);
}

export function differentiableOperations(): string[] {
  return [...vjps.keys()];
}
