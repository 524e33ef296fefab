/** Gradients of tables whose rows are looked up. */
import { Graph, ops } from "../graph/index.js";
import { type Device, hostTensor, type Parameter, type Tensor } from "../runtime/device.js";

/**
 * Adds the rows of `dx` [tokens, hidden], times a factor, to the gradient sum of a table [rows, hidden] at the places they were
 * looked up in: in place, or in a tensor that replaces it.
 * @param places of the first tokens; what follows them in `dx` is left out.
 */
export async function addRowGradients(
  device: Device,
  parameter: Parameter,
  places: Int32Array,
  dx: Tensor,
  factor: number,
): Promise<void> {
  const [rows, width] = parameter.dims as [number, number];
  const before = parameter.gradient;
  const after = await device.make({
    host: async () => {
      const sum = (await device.download(before)) as Float32Array;
      const from = (await device.download(dx)) as Float32Array;
      for (let i = 0; i < places.length; i++) {
        const at = places[i]! * width;
        for (let j = 0; j < width; j++) sum[at + j]! += from[i * width + j]! * factor;
      }
      return before;
    },
    key: `rowGradients ${rows} ${width} ${factor}`,
    graph: () => rowGradientsGraph(rows, width, factor),
    feeds: () => {
      const unique = Int32Array.from(new Set(places));
      const all = new Int32Array(dx.dims[0]!).fill(-1);
      all.set(places);
      return {
        sum: before,
        dx,
        places: hostTensor("int32", all, [1, all.length]),
        rows: hostTensor("int64", BigInt64Array.from(unique, BigInt), [unique.length, 1]),
        rowIds: hostTensor("int32", unique, [unique.length, 1]),
      };
    },
  });
  if (after === before) return;
  device.free(before);
  parameter.gradient = after;
}

/**
 * Each row once: the gradients of its tokens are added by a product with a matrix that says which they are, in a fixed order,
 * where a scatter with additions would take them in any.
 */
function rowGradientsGraph(rows: number, width: number, factor: number): Graph {
  const graph = new Graph();
  const sum = graph.input("sum", "float32", [rows, width]);
  const dx = graph.input("dx", "float32", ["tokens", width]);
  const places = graph.input("places", "int32", [1, "tokens"]);
  const ids = graph.input("rowIds", "int32", ["rows", 1]);
  const at = graph.input("rows", "int64", ["rows", 1]);
  const share = ops.scale(ops.matmul(ops.cast(ops.equal(ids, places), "float32"), dx), factor);
  const old = ops.rowsAt(sum, ops.reshape(ids, ["rows"]));
  const [next] = graph.node("ScatterND", [sum, at, ops.add(old, share)], [{ dtype: "float32", shape: sum.shape }]);
  graph.output("y", next!);
  return graph;
}
