/**
 * Attention over a row that is too long for one graph: the graph of one query block, run for one block after another. Its
 * memory is linear in the row's length, as a block's scores are gone before the next one's, also in the backward pass,
 * which computes them again.
 */
import { differentiate, Graph } from "../graph/index.js";
import { type Device, type Executable, SessionCache, type Tensor, type TensorScope } from "../runtime/device.js";
import type { DecoderConfig } from "./decoder-config.js";
import { attendBlock } from "./packed-attention.js";
import { BlockBias, type PackedRow, type QueryBlock, queryBlocks } from "./packed-row.js";

/** Tokens up to which a row's attention is part of one graph: that is faster, and takes memory with the square of them. */
export const ONE_GRAPH_TOKENS = 2048;

/** What attention reads: queries [tokens, heads · headDim], keys and values [tokens, kvHeads · headDim], rotated. */
export interface AttentionInputs {
  q: Tensor;
  k: Tensor;
  v: Tensor;
}

export class LongAttention {
  private readonly sessions: SessionCache;

  constructor(
    private readonly config: DecoderConfig,
    private readonly device: Device,
  ) {
    this.sessions = new SessionCache(device);
  }

  /**
   * The result [tokens, heads · headDim], in the memory called `name`.
   * @param window tokens a query looks back on, itself included.
   */
  async forward(
    scope: TensorScope,
    row: PackedRow,
    window: number | undefined,
    inputs: AttentionInputs,
    name: string,
  ): Promise<Tensor> {
    const memory = scope.result(name, inputs.q.dims);
    const parts: Tensor[] = [];
    await this.eachBlock("forward", row, window, inputs, async (executable, block, feeds) => {
      const { from, to } = block;
      const y = memory && (await this.device.rows(memory, from, to));
      parts.unshift((await executable.run(feeds, y && { y })).y!);
    });
    return scope.own(await this.device.joinRows(parts, memory));
  }

  /** The gradients of the inputs. @param dy that of the result. */
  async backward(
    scope: TensorScope,
    row: PackedRow,
    window: number | undefined,
    inputs: AttentionInputs,
    dy: Tensor,
  ): Promise<AttentionInputs> {
    const { device } = this;
    const memory = scope.result("dq", inputs.q.dims);
    const parts: Tensor[] = [];
    let dk = scope.release(await scope.zeros("dk", inputs.k.dims));
    let dv = scope.release(await scope.zeros("dv", inputs.v.dims));
    await this.eachBlock("backward", row, window, inputs, async (executable, block, feeds) => {
      const { from, to, start } = block;
      const rows = await device.rows(dy, from, to);
      const dims = [to - start, inputs.k.dims[1]!];
      const into = {
        dq: memory && (await device.rows(memory, from, to)),
        dk: scope.result("dk of a block", dims),
        dv: scope.result("dv of a block", dims),
      };
      const result = await executable.run({ ...feeds, dy: rows }, memory && (into as Record<string, Tensor>));
      device.free(rows);
      parts.unshift(result.dq!);
      dk = await device.addRows(dk, start, result.dk!);
      dv = await device.addRows(dv, start, result.dv!);
    });
    return { q: scope.own(await device.joinRows(parts, memory)), k: scope.own(dk), v: scope.own(dv) };
  }

  /** From the last block, whose keys are most: the runtime's workspace then has its size at once. */
  private async eachBlock(
    pass: "forward" | "backward",
    row: PackedRow,
    window: number | undefined,
    { q, k, v }: AttentionInputs,
    run: (executable: Executable, block: QueryBlock, feeds: Record<string, Tensor>) => Promise<void>,
  ): Promise<void> {
    const { device } = this;
    const bias = new BlockBias();
    for (const block of queryBlocks(row, window).reverse()) {
      const { from, to, start } = block;
      const queries = to - from;
      const feeds = {
        q: await device.rows(q, from, to),
        k: await device.rows(k, start, to),
        v: await device.rows(v, start, to),
        bias: await device.upload("float32", bias.fill(row, block, window), [queries, to - start]),
      };
      await this.sessions.use(
        `${pass} ${queries}`,
        () => this.graph(pass, queries),
        (executable) => run(executable, block, feeds),
      );
      for (const tensor of Object.values(feeds)) device.free(tensor);
    }
  }

  private graph(pass: "forward" | "backward", queries: number): Graph {
    const { config } = this;
    const keys = "keys";
    const graph = new Graph();
    const q = graph.input("q", "float32", [queries, config.heads * config.headDim]);
    const k = graph.input("k", "float32", [keys, config.kvHeads * config.headDim]);
    const v = graph.input("v", "float32", [keys, config.kvHeads * config.headDim]);
    const bias = graph.input("bias", "float32", [queries, keys]);
    const y = attendBlock(config, q, k, v, bias, { queries, keys });
    if (pass === "forward") graph.output("y", y);
    else {
      const dy = graph.input("dy", "float32", y.shape);
      const [dq, dk, dv] = differentiate([{ output: y, gradient: dy }], [q, k, v]);
      graph.output("dq", dq!);
      graph.output("dk", dk!);
      graph.output("dv", dv!);
    }
    return graph;
  }

  /** Frees the compiled graphs. */
  dispose(): Promise<void> {
    return this.sessions.dispose();
  }
}
