/** Forward and backward passes of one decoder block, compiled once for each row length in use. */
import { differentiate, extract, type Graph, type Value } from "../graph/index.js";
import type { GraphAdapter } from "../model/adapter.js";
import { isTrained } from "../model/adapter-feeds.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { type LayerGraph, layerGraph } from "../model/layer-graph.js";
import type { RowInputs } from "../model/row-inputs.js";
import type { SessionCache, Tensor, TensorScope } from "../runtime/device.js";
import type { GradientSums } from "./gradient-sums.js";
import type { ParameterGroup } from "./parameter-store.js";

export interface PassOptions {
  /** Adapter to train; undefined trains the block's own weights. */
  adapter?: GraphAdapter;
}

/** One block at work on one row. */
export interface BlockCall {
  scope: TensorScope;
  inputs: RowInputs;
  layer: number;
  /** The block's weights, adapter and dropout masks. */
  feeds: Record<string, Tensor>;
  /** The block's input [tokens, hidden]. */
  x: Tensor;
}

/** What a forward pass leaves for the backward pass of the same block. */
export type SavedActivations = Record<string, Tensor>;

export interface BlockPasses {
  /** @returns the block's output, and with `save` the activations that `backward` then needs not compute again. */
  forward(call: BlockCall, save: boolean): Promise<{ y: Tensor; saved?: SavedActivations }>;
  /**
   * Adds to the gradient sums of the block's parameters.
   * @param dy gradient of the output.
   * @returns the gradient of the input (of no use for the first block under an adapter, but a pass without it, used once
   * a row, would cost more in compilation and memory than it saves).
   */
  backward(
    call: BlockCall,
    saved: SavedActivations | undefined,
    dy: Tensor,
    group: ParameterGroup,
    sums: GradientSums,
  ): Promise<Tensor>;
}

/** Passes of one graph each. */
export class WholeBlockPasses implements BlockPasses {
  constructor(
    private readonly config: DecoderConfig,
    private readonly tokens: number,
    private readonly options: PassOptions,
    private readonly sessions: SessionCache,
  ) {}

  async forward({ scope, inputs, layer, feeds, x }: BlockCall, save: boolean) {
    const row = await inputs.whole(layer);
    const { y, ...saved } = await this.sessions.use(
      this.key(`forward ${save}`),
      () => this.forwardGraph(save),
      (executable) => {
        const names = Object.fromEntries(executable.outputNames.map((name) => [name, `${name} ${layer}`]));
        return scope.run(executable, { ...row, ...feeds, x }, names);
      },
    );
    return { y: y!, saved: save ? saved : undefined };
  }

  async backward(
    { scope, inputs, layer, feeds, x }: BlockCall,
    saved: SavedActivations | undefined,
    dy: Tensor,
    group: ParameterGroup,
    sums: GradientSums,
  ): Promise<Tensor> {
    const row = await inputs.whole(layer);
    const { dx } = await this.sessions.use(
      this.key(`backward ${saved !== undefined}`),
      () => this.backwardGraph(saved !== undefined),
      (executable) => {
        const all = { ...row, ...feeds, ...saved, x, dy };
        return sums.run(scope, executable, group, all, { dx: `dx ${layer % 2}` });
      },
    );
    return dx!;
  }

  private key(pass: string) {
    return { key: `${this.tokens} ${pass}`, group: String(this.tokens), weight: this.tokens };
  }

  private build(): LayerGraph {
    return layerGraph(this.config, this.tokens, { adapter: this.options.adapter, training: true });
  }

  /** Outputs: y and, with `save`, the values that the graph marks with `keep`. */
  forwardGraph(save: boolean): Graph {
    const built = this.build();
    const saved = save ? [...built.graph.kept].map(([name, value]) => [savedName(name), value] as const) : [];
    return extract(built.graph, new Map([["y", built.y], ...saved]), new Map());
  }

  /**
   * Inputs: dy, `NAME.acc` for each trained parameter, and either x (to recompute the block) or the saved values and x.
   * Outputs: `NAME.sum` and dx.
   */
  backwardGraph(saved: boolean): Graph {
    const built = this.build();
    const { graph, x, y, parameters } = built;
    const dy = graph.input("dy", "float32", y.shape);
    const trained = trainedNames(parameters.keys(), this.options);
    const replaced = new Map<Value, string>();
    if (saved) for (const [name, value] of graph.kept) replaced.set(value, savedName(name));
    return gradientGraph(graph, [{ output: y, gradient: dy }], new Map([[x, "dx"]]), parameters, trained, replaced);
  }
}

export const savedName = (name: string): string => `kept.${name}`;

export function trainedNames(names: Iterable<string>, { adapter }: PassOptions): string[] {
  const all = [...names];
  return adapter ? all.filter(isTrained) : all;
}

/**
 * The graph of the gradients of `wanted` (values by output name) and of the trained parameters, the latter added to the
 * inputs `NAME.acc` and put out as `NAME.sum`.
 * @param replaced values that come in as inputs of these names.
 * @param initial gradients to add to, by value.
 */
export function gradientGraph(
  graph: Graph,
  seeds: readonly { output: Value; gradient: Value }[],
  wanted: ReadonlyMap<Value, string>,
  parameters: ReadonlyMap<string, Value>,
  trained: readonly string[],
  replaced: ReadonlyMap<Value, string>,
  initial: ReadonlyMap<Value, Value> = new Map(),
): Graph {
  const sums = trained.map((name) => parameters.get(name)!);
  const start = new Map<Value, Value>(initial);
  for (const [i, name] of trained.entries()) start.set(sums[i]!, graph.input(`${name}.acc`, "float32", sums[i]!.shape));
  const gradients = differentiate(seeds, [...wanted.keys(), ...sums], start);
  const names = [...wanted.values(), ...trained.map((name) => `${name}.sum`)];
  return extract(graph, new Map(names.map((name, i) => [name, gradients[i]!])), replaced);
}
