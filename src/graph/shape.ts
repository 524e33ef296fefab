/** Shapes: lists of dimensions. A number is fixed; a string names a dimension that is known only when the graph runs. */
export type Dim = number | string;
/** Dimensions, outermost first; none for a scalar. */
export type Shape = readonly Dim[];

/** A shape for messages: `[batch, 128]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Index of an axis counted from the end when negative; throws outside the rank. */
export function normalAxis(axis: number, rank: number): number {
  const result = axis < 0 ? axis + rank : axis;
  if (result < 0 || result >= rank) throw new Error(`axis ${axis} is outside a tensor of rank ${rank}`);
  return result;
}

/** The shape that NumPy-style broadcasting of the two gives. */
export function broadcastShapes(a: Shape, b: Shape): Dim[] {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) result.push(x);
    else if (x === 1) result.push(y);
    else throw new Error(`shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`);
  }
  return result;
}

/** Number of elements; throws if a dimension is symbolic. */
export function elementCount(shape: Shape): number {
  return shape.reduce<number>((product, dim) => {
    if (typeof dim === "string") throw new Error(`dimension ${dim} of ${formatShape(shape)} is not known yet`);
    return product * dim;
  }, 1);
}

/** The fixed size of one dimension; throws if it is symbolic. */
export function fixedDim(shape: Shape, axis: number): number {
  const dim = shape[normalAxis(axis, shape.length)]!;
  if (typeof dim === "string") throw new Error(`dimension ${dim} of ${formatShape(shape)} must be fixed`);
  return dim;
}
