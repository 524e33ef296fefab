/** Where the steps of a graph are drawn: in columns by what they need, in the order that crosses least. */

export interface Node {
  id: string;
  needs: readonly string[];
}

/**
 * Columns of ids. A step stands right of all it needs; within a column, steps stand near the middle of what they need.
 * Needs that are not among the nodes, and circles, are ignored.
 */
export function layers(nodes: readonly Node[]): string[][] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depth = new Map<string, number>();
  const open = new Set<string>();
  const depthOf = (id: string): number => {
    const known = depth.get(id);
    if (known !== undefined) return known;
    if (open.has(id)) return -1;
    open.add(id);
    const value =
      Math.max(
        -1,
        ...byId
          .get(id)!
          .needs.filter((need) => byId.has(need))
          .map(depthOf),
      ) + 1;
    open.delete(id);
    depth.set(id, value);
    return value;
  };
  const columns: string[][] = [];
  for (const { id } of nodes) (columns[depthOf(id)] ??= []).push(id);
  const place = new Map<string, number>();
  for (const [c, column] of columns.entries()) {
    if (c > 0) {
      const middle = new Map(
        column.map((id) => {
          const at = byId.get(id)!.needs.flatMap((need) => place.get(need) ?? []);
          return [id, at.length === 0 ? 0 : at.reduce((sum, x) => sum + x, 0) / at.length];
        }),
      );
      column.sort((a, b) => middle.get(a)! - middle.get(b)!);
    }
    for (const [i, id] of column.entries()) place.set(id, i);
  }
  return columns;
}
