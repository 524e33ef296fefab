/**
 * Attention over a row that is too long for one graph: in tiles of some queries by some keys, each one run of a small graph
 * (after FlashAttention-2, Dao 2023, arXiv 2307.08691). The softmax over all keys is put together from the tiles by their
 * largest scores and sums of exponentials. A tile's scores fit the processor's cache and are gone before the next one's, also in
 * the backward pass, which computes them again: memory is linear in the row's length.
 */
import { differentiate, Graph, ops, type Value } from "../graph/index.js";
import { type Device, type Executable, SessionCache, type Tensor, TensorScope } from "../runtime/device.js";
import type { DecoderConfig } from "./decoder-config.js";
import { attentionScores, type BlockSize, fromHeads, toHeads, valuesByHead } from "./packed-attention.js";
import { BlockBias, type QueryBlock, queryBlocks, seesAll } from "./packed-row.js";
import type { RowBias } from "./row-bias.js";

/** Tokens up to which a row's attention is part of one graph: that is faster, and takes memory with the square of them. */
export const ONE_GRAPH_TOKENS = 2048;

/** Queries and keys of a tile. Its scores, 512 kB a head, are for the processor's cache. */
const TILE = { queries: 128, keys: 1024 };

/** What attention reads: queries [tokens, heads · headDim], keys and values [tokens, kvHeads · headDim], rotated. */
export interface AttentionInputs {
  q: Tensor;
  k: Tensor;
  v: Tensor;
}

export interface AttentionResult {
  /** [tokens, heads · headDim]. */
  attended: Tensor;
  /** Logarithm of the sum of each query's exponentials, [tokens, heads]: the backward pass reads it. */
  logSum: Tensor;
}

type Pass = "forward" | "backward";

export class LongAttention {
  private readonly sessions: SessionCache;
  private readonly empty = new Map<number, Promise<Record<"largest" | "sum" | "mixed", Tensor>>>();
  private readonly scope: TensorScope;

  constructor(
    private readonly config: DecoderConfig,
    private readonly device: Device,
    private readonly tile = TILE,
  ) {
    this.sessions = new SessionCache(device);
    this.scope = new TensorScope(device);
  }

  /**
   * @param window tokens a query looks back on, itself included.
   * @param suffix tells the results' memory from that of other results that are needed at the same time.
   */
  async forward(
    scope: TensorScope,
    bias: RowBias,
    window: number | undefined,
    inputs: AttentionInputs,
    suffix = "",
  ): Promise<AttentionResult> {
    const { device, config } = this;
    const tokens = bias.row.tokens.length;
    const memory = {
      attended: scope.result(`attended${suffix}`, inputs.q.dims),
      logSum: scope.result(`logSum${suffix}`, [tokens, config.heads]),
    };
    const parts = { attended: [] as Tensor[], logSum: [] as Tensor[] };
    for (const block of queryBlocks(bias.row, window, this.tile.queries)) {
      const { from, to } = block;
      const queries = to - from;
      const empty = await this.emptyState(queries);
      let state = empty;
      const freeState = (): void => {
        if (state !== empty) for (const tensor of Object.values(state)) device.free(tensor);
      };
      let turn = 0;
      await this.eachTile("forward", bias, window, inputs, block, async (executable, _, feeds) => {
        turn = 1 - turn;
        const memory: Record<string, Tensor> = {};
        for (const [name, { dims }] of Object.entries(state)) {
          const found = scope.result(`${name} ${turn}`, dims);
          if (found) memory[`${name}Next`] = found;
        }
        const next = await executable.run({ ...feeds, ...state }, memory);
        freeState();
        state = { largest: next.largestNext!, sum: next.sumNext!, mixed: next.mixedNext! };
      });
      const into: Record<string, Tensor> = {};
      if (memory.attended) into.attended = await device.rows(memory.attended, from, to);
      if (memory.logSum) into.logSum = await device.rows(memory.logSum, from, to);
      const done = await this.sessions.use(
        `finish ${queries}`,
        () => this.finishGraph(queries),
        (executable) => executable.run(state, into),
      );
      freeState();
      parts.attended.push(done.attended!);
      parts.logSum.push(done.logSum!);
    }
    return {
      attended: scope.own(await device.joinRows(parts.attended, memory.attended)),
      logSum: scope.own(await device.joinRows(parts.logSum, memory.logSum)),
    };
  }

  /** The gradients of the inputs. @param dy that of the result. */
  async backward(
    scope: TensorScope,
    bias: RowBias,
    window: number | undefined,
    inputs: AttentionInputs,
    { attended, logSum }: AttentionResult,
    dy: Tensor,
  ): Promise<AttentionInputs> {
    const { device } = this;
    const zeros = async (name: "q" | "k" | "v") => scope.release(await scope.zeros(`d${name}`, inputs[name].dims));
    const sums = { q: await zeros("q"), k: await zeros("k"), v: await zeros("v") };
    for (const block of queryBlocks(bias.row, window, this.tile.queries)) {
      const { from, to } = block;
      const own = {
        dy: await device.rows(dy, from, to),
        attended: await device.rows(attended, from, to),
        logSum: await device.rows(logSum, from, to),
      };
      await this.eachTile("backward", bias, window, inputs, block, async (executable, { start, end }, feeds) => {
        const into: Record<string, Tensor> = {};
        for (const name of ["q", "k", "v"] as const) {
          const rows = name === "q" ? to - from : end - start;
          const memory = scope.result(`d${name} of a tile`, [rows, inputs[name].dims[1]!]);
          if (memory) into[`d${name}`] = memory;
        }
        const result = await executable.run({ ...feeds, ...own }, into);
        sums.q = await device.addRows(sums.q, from, result.dq!);
        sums.k = await device.addRows(sums.k, start, result.dk!);
        sums.v = await device.addRows(sums.v, start, result.dv!);
      });
      for (const tensor of Object.values(own)) device.free(tensor);
    }
    return { q: scope.own(sums.q), k: scope.own(sums.k), v: scope.own(sums.v) };
  }

  /** Nothing seen yet; the tensors stay. */
  private emptyState(queries: number): Promise<Record<"largest" | "sum" | "mixed", Tensor>> {
    let found = this.empty.get(queries);
    if (!found) this.empty.set(queries, (found = this.makeEmpty(queries)));
    return found;
  }

  private async makeEmpty(queries: number): Promise<Record<"largest" | "sum" | "mixed", Tensor>> {
    const { heads, kvHeads, headDim } = this.config;
    const rows = (heads / kvHeads) * queries;
    const filled = (width: number, value: number): Promise<Tensor> =>
      this.scope.upload("float32", new Float32Array(kvHeads * rows * width).fill(value), [kvHeads, rows, width]);
    return { largest: await filled(1, -1e30), sum: await filled(1, 0), mixed: await filled(headDim, 0) };
  }

  /** From the last tile: there every query sees a key, its own token's, so that hidden scores are small against it. */
  private async eachTile(
    pass: Pass,
    rowBias: RowBias,
    window: number | undefined,
    { q, k, v }: AttentionInputs,
    block: QueryBlock,
    run: (executable: Executable, tile: QueryBlock, feeds: Record<string, Tensor>) => Promise<void>,
  ): Promise<void> {
    const { device } = this;
    const { from, to } = block;
    const queries = to - from;
    const memory = new BlockBias();
    const rows = await device.rows(q, from, to);
    for (let end = block.end; end > block.start; ) {
      const start = Math.max(block.start, Math.floor((end - 1) / this.tile.keys) * this.tile.keys);
      const tile = { from, to, start, end };
      const hides = !seesAll(rowBias.row, tile, window);
      const own: Record<string, Tensor> = { k: await device.rows(k, start, end), v: await device.rows(v, start, end) };
      if (hides) own.bias = await rowBias.tile(tile, window, memory);
      await this.sessions.use(
        `${pass} ${queries} ${hides}`,
        () => (pass === "forward" ? this.forwardGraph(queries, hides) : this.backwardGraph(queries, hides)),
        (executable) => run(executable, tile, { q: rows, ...own }),
      );
      for (const tensor of Object.values(own)) device.free(tensor);
      end = start;
    }
    device.free(rows);
  }

  private tileGraph(queries: number, hides: boolean) {
    const { config } = this;
    const { heads, kvHeads, headDim } = config;
    const graph = new Graph();
    const size: BlockSize = { queries, keys: "keys" };
    const q = graph.input("q", "float32", [queries, heads * headDim]);
    const k = graph.input("k", "float32", ["keys", kvHeads * headDim]);
    const v = graph.input("v", "float32", ["keys", kvHeads * headDim]);
    const bias = hides ? graph.input("bias", "float32", [queries, "keys"]) : undefined;
    const rows = (heads / kvHeads) * queries;
    const scores = ops.reshape(attentionScores(config, q, k, bias, size), [kvHeads, rows, "keys"]);
    return { graph, q, k, v, scores, values: valuesByHead(config, v, "keys"), rows };
  }

  /** Takes a tile into the state: largest score, Σ exp(score − largest), and the values weighted by that exponential. */
  private forwardGraph(queries: number, hides: boolean): Graph {
    const { kvHeads, headDim } = this.config;
    const { graph, scores, values, rows } = this.tileGraph(queries, hides);
    const largest = graph.input("largest", "float32", [kvHeads, rows, 1]);
    const sum = graph.input("sum", "float32", [kvHeads, rows, 1]);
    const mixed = graph.input("mixed", "float32", [kvHeads, rows, headDim]);
    const own = ops.reduceMax(scores, [-1], true);
    const next = ops.where(ops.lessOrEqual(own, largest), largest, own);
    const exponentials = ops.exp(ops.sub(scores, next));
    const kept = ops.exp(ops.sub(largest, next));
    graph.output("largestNext", next);
    graph.output("sumNext", ops.add(ops.mul(kept, sum), ops.reduceSum(exponentials, [-1], true)));
    graph.output("mixedNext", ops.add(ops.mul(kept, mixed), ops.matmul(exponentials, values)));
    return graph;
  }

  private finishGraph(queries: number): Graph {
    const { config } = this;
    const { heads, kvHeads, headDim } = config;
    const graph = new Graph();
    const rows = (heads / kvHeads) * queries;
    const largest = graph.input("largest", "float32", [kvHeads, rows, 1]);
    const sum = graph.input("sum", "float32", [kvHeads, rows, 1]);
    const mixed = graph.input("mixed", "float32", [kvHeads, rows, headDim]);
    graph.output("attended", fromHeads(config, ops.div(mixed, sum), queries));
    graph.output("logSum", fromHeads({ ...config, headDim: 1 }, ops.add(largest, ops.log(sum)), queries));
    return graph;
  }

  /**
   * With the weights w = exp(score − logSum) of a tile, d score = w · (d w − Σ over all keys of w · d w), and that sum is dy ·
   * attended: as if Σ w of the tile were a result with the gradient −dy · attended.
   */
  private backwardGraph(queries: number, hides: boolean): Graph {
    const { config } = this;
    const { heads, headDim } = config;
    const { graph, q, k, v, scores, values } = this.tileGraph(queries, hides);
    const input = (name: string, width: number): Value => graph.input(name, "float32", [queries, width]);
    const dy = toHeads(config, input("dy", heads * headDim), queries);
    const attended = toHeads(config, input("attended", heads * headDim), queries);
    const logSum = toHeads({ ...config, headDim: 1 }, input("logSum", heads), queries);
    const weights = ops.exp(ops.sub(scores, logSum));
    const seeds = [
      { output: ops.matmul(weights, values), gradient: dy },
      {
        output: ops.reduceSum(weights, [-1], true),
        gradient: ops.neg(ops.reduceSum(ops.mul(dy, attended), [-1], true)),
      },
    ];
    const [dq, dk, dv] = differentiate(seeds, [q, k, v]);
    graph.output("dq", dq!);
    graph.output("dk", dk!);
    graph.output("dv", dv!);
    return graph;
  }

  /** Frees the compiled graphs and what stays on the device. */
  async dispose(): Promise<void> {
    await this.sessions.dispose();
    this.empty.clear();
    this.scope.close();
  }
}
