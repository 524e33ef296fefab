/** The small graphs by which a GPU device moves and joins tensors. */
import { type DType, Graph, ops, type Shape } from "../graph/index.js";

const dims = (rank: number): Shape => Array.from({ length: rank }, (_, i) => `d${i}`);

/**
 * Input x, output y with the same values. 64-bit integers come in as 32-bit ones and are made longer there, and bytes go
 * through a reshape to their own shape, as WebGPU has no kernel that copies either.
 */
export function copyGraph(dtype: DType, rank: number, to: "host" | "device"): Graph {
  const graph = new Graph();
  const longer = dtype === "int64" && to === "device";
  const x = graph.input("x", longer ? "int32" : dtype, dims(rank));
  if (longer) graph.output("y", ops.cast(x, "int64"));
  else if (dtype === "uint8" && rank > 0) {
    const own = graph.constant("int64", [rank], new Array<number>(rank).fill(0));
    const [y] = graph.node("Reshape", [x, own], [{ dtype, shape: x.shape }]);
    graph.output("y", y!);
  } else graph.output("y", x);
  return graph;
}

/** Input shape int64 [rank], output y of that shape. */
export function zerosGraph(rank: number): Graph {
  const graph = new Graph();
  const shape = graph.input("shape", "int64", [rank]);
  const [y] = graph.node("Expand", [graph.scalar(0), shape], [{ dtype: "float32", shape: dims(rank) }]);
  graph.output("y", y!);
  return graph;
}

/** Inputs x [rows, width], from and to int64 [1], output y. */
export function rowsGraph(width: number): Graph {
  const graph = new Graph();
  const x = graph.input("x", "float32", ["rows", width]);
  const bounds = [graph.input("from", "int64", [1]), graph.input("to", "int64", [1])];
  const y = graph.node(
    "Slice",
    [x, ...bounds, graph.constant("int64", [1], [0])],
    [{ dtype: "float32", shape: ["part", width] }],
  );
  graph.output("y", y[0]!);
  return graph;
}

/** Inputs sum [rows, width], part [part, width], pads int64 [4], output y: the sum with the part added. */
export function addRowsGraph(width: number): Graph {
  const graph = new Graph();
  const total = graph.input("sum", "float32", ["rows", width]);
  const added = graph.input("part", "float32", ["part", width]);
  const pads = graph.input("pads", "int64", [4]);
  const [whole] = graph.node("Pad", [added, pads], [{ dtype: "float32", shape: ["rows", width] }]);
  graph.output("y", ops.add(total, whole!));
  return graph;
}

/** Inputs x0, x1, … [rows, width], output y: their rows one after another. */
export function joinGraph(parts: number, width: number): Graph {
  const graph = new Graph();
  const inputs = Array.from({ length: parts }, (_, i) => graph.input(`x${i}`, "float32", [`rows${i}`, width]));
  const [y] = graph.node("Concat", inputs, [{ dtype: "float32", shape: ["rows", width] }], {
    attributes: { axis: { int: 0 } },
  });
  graph.output("y", y!);
  return graph;
}
