/** Compiled forward and backward passes of one decoder block, for each row length in use. */
import { differentiate, type Graph, type Value } from "../graph/index.js";
import { extract } from "../graph/partition.js";
import type { GraphAdapter } from "../model/adapter.js";
import { isTrained } from "../model/adapter-feeds.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { type LayerGraph, layerGraph } from "../model/layer-graph.js";
import { type Device, disposeCompiled, type Executable } from "../runtime/device.js";

export interface PassOptions {
  /** Adapter to train; undefined trains the block's own weights. */
  adapter?: GraphAdapter;
}

/** The passes for one row length. Compiled when first asked for. */
export class LayerPasses {
  /** Names of the trained parameters, in graph order. */
  readonly trained: string[];
  /** Shapes of the values kept between a forward and its backward pass, by output name. */
  readonly keptShapes: Map<string, readonly number[]>;
  private readonly graphs: { forward: Graph; forwardKeeping: Graph };
  private readonly executables = new Map<string, Promise<Executable>>();

  constructor(
    private readonly config: DecoderConfig,
    readonly tokens: number,
    private readonly options: PassOptions,
    private readonly device: Device,
  ) {
    const built = layerGraph(config, tokens, { adapter: options.adapter, training: true });
    this.trained = trainedNames(built, options);
    this.keptShapes = new Map([...built.graph.kept].map(([name, value]) => [keptName(name), value.shape as number[]]));
    const kept = [...built.graph.kept].map(([name, value]) => [keptName(name), value] as const);
    this.graphs = {
      forward: extract(built.graph, new Map([["y", built.y]]), new Map()),
      forwardKeeping: extract(built.graph, new Map([["y", built.y], ...kept]), new Map()),
    };
  }

  forward(): Promise<Executable> {
    return this.compiled("forward", () => this.graphs.forward);
  }

  /** Forward that also puts out what `backward({ kept: true })` takes in. */
  forwardKeeping(): Promise<Executable> {
    return this.compiled("forwardKeeping", () => this.graphs.forwardKeeping);
  }

  /** Forward without dropout. */
  evaluation(): Promise<Executable> {
    return this.compiled("evaluation", () => {
      const built = layerGraph(this.config, this.tokens, { adapter: this.options.adapter });
      built.graph.output("y", built.y);
      return built.graph;
    });
  }

  /**
   * Inputs: dy, `NAME.acc` for each trained parameter, and either x (to recompute the block) or the kept values and x.
   * Outputs: `NAME.sum` and dx (of no use for the first block under an adapter, but a pass without it, used once a row,
   * would cost more in compilation and memory than it saves).
   */
  backward(options: { kept: boolean }): Promise<Executable> {
    return this.compiled(`backward ${options.kept}`, () => this.backwardGraph(options));
  }

  private backwardGraph({ kept }: { kept: boolean }): Graph {
    const { config, tokens } = this;
    const built = layerGraph(config, tokens, { adapter: this.options.adapter, training: true });
    const { graph, x, y, parameters } = built;
    const dy = graph.input("dy", "float32", [tokens, config.hiddenSize]);
    const trained = this.trained.map((name) => parameters.get(name)!);
    const initial = new Map<Value, Value>(
      this.trained.map((name, i) => [trained[i]!, graph.input(`${name}.acc`, "float32", trained[i]!.shape)]),
    );
    const wrt = [x, ...trained];
    const gradients = differentiate([{ output: y, gradient: dy }], wrt, initial);
    const outputs = new Map<string, Value>();
    for (const [i, value] of wrt.entries()) outputs.set(value === x ? "dx" : `${value.inputName}.sum`, gradients[i]!);
    const replaced = new Map<Value, string>();
    if (kept) for (const [name, value] of graph.kept) replaced.set(value, keptName(name));
    return extract(graph, outputs, replaced);
  }

  private compiled(key: string, graph: () => Graph): Promise<Executable> {
    let found = this.executables.get(key);
    if (!found) this.executables.set(key, (found = this.device.compile(graph())));
    return found;
  }

  async dispose(): Promise<void> {
    await disposeCompiled(this.executables.values());
    this.executables.clear();
  }
}

const keptName = (name: string): string => `kept.${name}`;

function trainedNames(built: LayerGraph, options: PassOptions): string[] {
  const names = [...built.parameters.keys()];
  return options.adapter ? names.filter(isTrained) : names;
}
