/**
 * What attention over a packed row may see, as a bias that is added to the scores: written by the host into its memory, or made
 * on a device from the row's documents, positions and branches, which cross the bus once a row.
 */
import { Graph, ops, type Value } from "../graph/index.js";
import { hostTensor, type Tensor, type TensorScope } from "../runtime/device.js";
import { BlockBias, HIDDEN, type PackedRow, type QueryBlock, queryBlocks } from "./packed-row.js";

const integers = (...values: number[]): Tensor =>
  hostTensor("int64", BigInt64Array.from(values, BigInt), [values.length]);

export class RowBias {
  private uploaded?: Promise<Record<string, Tensor>>;

  /** @param scope owner of the row's integers on the device. */
  constructor(
    readonly row: PackedRow,
    private readonly scope: TensorScope,
  ) {}

  /**
   * The bias [queries, keys] of one block, for the caller to free.
   * @param window tokens a query looks back on, itself included; undefined for no limit.
   * @param memory written on the host; the next bias that is given it overwrites this one.
   */
  tile(block: QueryBlock, window: number | undefined, memory = new BlockBias()): Promise<Tensor> {
    const { from, to, start, end } = block;
    const branches = this.row.branches !== undefined;
    return this.scope.device.make({
      host: () => hostTensor("float32", memory.fill(this.row, block, window), [to - from, end - start]),
      key: `bias ${window} ${branches}`,
      graph: () => biasGraph(window, branches),
      feeds: async () => ({
        ...(await this.onDevice()),
        ...{ from: integers(from), to: integers(to), start: integers(start), end: integers(end) },
      }),
    });
  }

  /** The row's integers, by name. */
  onDevice(): Promise<Record<string, Tensor>> {
    return (this.uploaded ??= this.upload());
  }

  private async upload(): Promise<Record<string, Tensor>> {
    const { documents, positions, branches } = this.row;
    const upload = (data: Int32Array): Promise<Tensor> => this.scope.upload("int32", data, [data.length]);
    return {
      documents: await upload(documents),
      positions: await upload(positions),
      ...(branches && { branches: await upload(branches) }),
    };
  }

  /** The attention inputs for a graph of all query blocks (names as in packed-attention.ts); they belong to the scope. */
  async whole(window: number | undefined): Promise<Record<string, Tensor>> {
    const total = this.row.documents.length;
    const feeds: Record<string, Tensor> = {};
    for (const [i, block] of queryBlocks(this.row, window).entries()) {
      feeds[`start${i}`] = integers(block.start);
      feeds[`pads${i}`] = integers(block.start, 0, total - block.to, 0);
      feeds[`bias${i}`] = this.scope.own(await this.tile(block, window));
    }
    return feeds;
  }
}

/** `BlockBias.fill` as a graph: within a document and a branch, positions ascend with the tokens' places in the row. */
function biasGraph(window: number | undefined, branches: boolean): Graph {
  const graph = new Graph();
  const bound = (name: string): Value => graph.input(name, "int64", [1]);
  const ends = { queries: [bound("from"), bound("to")], keys: [bound("start"), bound("end")] };
  const first = graph.constant("int64", [1], [0]);
  const column = graph.constant("int64", [2], [-1, 1]);
  const both = (name: string): { q: Value; k: Value } => {
    // As floats, which hold them exactly: WebGPU slices no integers.
    const whole = ops.cast(graph.input(name, "int32", ["tokens"]), "float32");
    const cut = (of: "queries" | "keys"): Value =>
      graph.node("Slice", [whole, ...ends[of], first], [{ dtype: "float32", shape: [of] }])[0]!;
    const [q] = graph.node("Reshape", [cut("queries"), column], [{ dtype: "float32", shape: ["queries", 1] }]);
    return { q: q!, k: cut("keys") };
  };
  const document = both("documents");
  const position = both("positions");
  let seen = ops.and(ops.equal(document.k, document.q), ops.lessOrEqual(position.k, position.q));
  if (window !== undefined) {
    const last = ops.sub(position.q, graph.scalar(window - 1));
    seen = ops.and(seen, ops.lessOrEqual(last, position.k));
  }
  if (branches) {
    const branch = both("branches");
    const context = ops.equal(branch.k, graph.scalar(0));
    seen = ops.and(seen, ops.or(context, ops.equal(branch.k, branch.q)));
  }
  graph.output("y", ops.where(seen, graph.scalar(0), graph.scalar(HIDDEN)));
  return graph;
}
