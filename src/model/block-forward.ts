/** The forward pass of a block over a packed row, as one graph or, for long rows, around attention in blocks. */
import { extract, type Graph, type Value } from "../graph/index.js";
import { type Device, SessionCache, type Tensor, type TensorScope } from "../runtime/device.js";
import { type GraphAdapter, graphKey } from "./adapter.js";
import type { DecoderConfig } from "./decoder-config.js";
import { layerGraph } from "./layer-graph.js";
import { LongAttention, ONE_GRAPH_TOKENS } from "./long-attention.js";
import type { RowInputs } from "./row-inputs.js";

export interface BlockForwardOptions {
  adapter?: GraphAdapter;
  /** Whether keys and values are wanted as well. */
  keysValues?: boolean;
}

export interface BlockResult {
  /** [tokens, hidden]. */
  y: Tensor;
  /** Keys, rotated, and values, [tokens, kvHeads · headDim] each, some with a leading 1. */
  k?: Tensor;
  v?: Tensor;
}

/** Compiled row lengths that are kept. */
const COMPILED_ROWS = 6;

export class BlockForward {
  private readonly sessions: SessionCache;
  private readonly attention: LongAttention;

  constructor(
    private readonly config: DecoderConfig,
    device: Device,
    /** Tokens up to which a row's block is one graph. */
    private readonly oneGraphTokens = ONE_GRAPH_TOKENS,
  ) {
    this.sessions = new SessionCache(device, COMPILED_ROWS);
    this.attention = new LongAttention(config, device);
  }

  /**
   * @param feeds the block's weights and adapter, and `x`, its input [tokens, hidden].
   * @param y name of the result's memory; keys and values are overwritten by the next block's.
   */
  async run(
    scope: TensorScope,
    inputs: RowInputs,
    layer: number,
    feeds: Record<string, Tensor>,
    y: string,
    options: BlockForwardOptions = {},
  ): Promise<BlockResult> {
    const { adapter, keysValues } = options;
    const tokens = inputs.row.tokens.length;
    const key = `${tokens} ${adapter ? graphKey(adapter) : ""}`;
    const compiled = (part: string, graph: () => Graph, more: Record<string, Tensor>) =>
      this.sessions.use({ key: `${part} ${key}`, group: key }, graph, (executable) =>
        scope.run(executable, { ...feeds, ...more }, { y, q: "q", k: "k", v: "v" }),
      );
    const build = (attentionOutside: boolean) =>
      layerGraph(this.config, tokens, { adapter, attentionOutside, past: inputs.goesOn });
    if (inputs.goesOn || tokens <= this.oneGraphTokens) {
      const graph = (): Graph => {
        const built = build(false);
        built.graph.output("y", built.y);
        if (keysValues) for (const name of ["k", "v"]) built.graph.output(name, built.graph.kept.get(name)!);
        return built.graph;
      };
      const part = `${inputs.goesOn ? "past" : "whole"}${keysValues ? " kv" : ""}`;
      return (await compiled(part, graph, await inputs.whole(layer))) as unknown as BlockResult;
    }
    const positions = inputs.positions(layer);
    const part = (values: (built: ReturnType<typeof build>) => Record<string, Value>) => (): Graph => {
      const built = build(true);
      return extract(built.graph, new Map(Object.entries(values(built))), new Map());
    };
    const before = await compiled(
      "before",
      part(({ attention }) => ({ q: attention!.q, k: attention!.k, v: attention!.v })),
      positions,
    );
    const { q, k, v } = before as Record<"q" | "k" | "v", Tensor>;
    const { attended, logSum } = await this.attention.forward(scope, inputs.bias, inputs.window(layer), { q, k, v });
    scope.free(q);
    scope.free(logSum);
    const after = await compiled(
      "after",
      part((built) => ({ y: built.y })),
      { ...positions, attended },
    );
    scope.free(attended);
    if (keysValues) return { y: after.y!, k, v };
    scope.free(k);
    scope.free(v);
    return { y: after.y! };
  }

  /** Frees the compiled graphs. */
  async dispose(): Promise<void> {
    await this.sessions.dispose();
    await this.attention.dispose();
  }
}
