/**
 * Passes of one block over a row that is too long for one graph: what comes before attention and what comes after it are
 * graphs of their own, and attention goes block after block of queries (model/long-attention.ts).
 */
import { extract, type Graph, type Value } from "../graph/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { type LayerGraph, layerGraph } from "../model/layer-graph.js";
import type { AttentionInputs, AttentionResult, LongAttention } from "../model/long-attention.js";
import type { SessionCache, Tensor } from "../runtime/device.js";
import {
  type BlockCall,
  type BlockPasses,
  gradientGraph,
  type PassOptions,
  type SavedActivations,
  savedName,
  trainedNames,
} from "./block-passes.js";
import type { GradientSums } from "./gradient-sums.js";
import type { ParameterGroup } from "./parameter-store.js";

type Part = "before" | "after";

export class LongBlockPasses implements BlockPasses {
  constructor(
    private readonly config: DecoderConfig,
    private readonly tokens: number,
    private readonly options: PassOptions,
    private readonly sessions: SessionCache,
    private readonly attention: LongAttention,
  ) {}

  async forward(call: BlockCall, save: boolean) {
    const { layer, scope } = call;
    const suffix = save ? ` ${layer}` : "";
    const { read, saved: first } = await this.before(call, save, suffix);
    const { inputs } = call;
    const result = await this.attention.forward(scope, inputs.bias, inputs.window(layer), read, suffix);
    const { attended } = result;
    const { y, ...second } = await this.run(call, "after", save, { attended }, suffix, `y ${layer}`);
    if (save) return { y: y!, saved: { ...first, ...second, ...read, ...result } };
    for (const tensor of [...Object.values(result), ...Object.values(read)]) scope.free(tensor);
    return { y: y! };
  }

  async backward(
    call: BlockCall,
    saved: SavedActivations | undefined,
    dy: Tensor,
    group: ParameterGroup,
    sums: GradientSums,
  ): Promise<Tensor> {
    const { scope, inputs, layer, feeds, x } = call;
    const window = inputs.window(layer);
    const read: AttentionInputs = saved
      ? { q: saved.q!, k: saved.k!, v: saved.v! }
      : (await this.before(call, false, "")).read;
    const result: AttentionResult = saved
      ? { attended: saved.attended!, logSum: saved.logSum! }
      : await this.attention.forward(scope, inputs.bias, window, read);
    const { attended } = result;
    const whole = saved !== undefined;
    const all = { ...inputs.positions(layer), ...feeds, ...saved, x };
    const after = await this.sessions.use(
      this.key(`backward after ${whole}`),
      () => this.backwardGraph("after", whole),
      (executable) =>
        sums.run(scope, executable, group, { ...all, attended, dy }, { dx: "dx after", dattended: "dattended" }),
    );
    const { q, k, v } = await this.attention.backward(scope, inputs.bias, window, read, result, after.dattended!);
    scope.free(after.dattended!);
    const before = await this.sessions.use(
      this.key(`backward before ${whole}`),
      () => this.backwardGraph("before", whole),
      (executable) => {
        const more = { dq: q, dk: k, dv: v, "dx.acc": after.dx! };
        return sums.run(scope, executable, group, { ...all, ...more }, { dx: `dx ${layer % 2}` });
      },
    );
    for (const tensor of [q, k, v, after.dx!, ...Object.values(result), ...Object.values(read)]) scope.free(tensor);
    return before.dx!;
  }

  private async before(call: BlockCall, save: boolean, suffix: string) {
    const { q, k, v, ...saved } = await this.run(call, "before", save, {}, suffix);
    return { read: { q: q!, k: k!, v: v! }, saved };
  }

  private run(
    { scope, inputs, layer, feeds, x }: BlockCall,
    part: Part,
    save: boolean,
    more: Record<string, Tensor>,
    suffix: string,
    y?: string,
  ): Promise<Record<string, Tensor>> {
    return this.sessions.use(
      this.key(`forward ${part} ${save}`),
      () => this.forwardGraph(part, save),
      (executable) => {
        const names = Object.fromEntries(executable.outputNames.map((name) => [name, `${name}${suffix}`]));
        if (y) names.y = y;
        return scope.run(executable, { ...inputs.positions(layer), ...feeds, ...more, x }, names);
      },
    );
  }

  private key(pass: string) {
    return { key: `${this.tokens} ${pass}`, group: String(this.tokens), weight: this.tokens };
  }

  private build(): LayerGraph & { attention: NonNullable<LayerGraph["attention"]> } {
    const { adapter } = this.options;
    const built = layerGraph(this.config, this.tokens, { adapter, training: true, attentionOutside: true });
    return { ...built, attention: built.attention! };
  }

  /** Outputs: q, k, v before attention, y after it; with `save` also the values that the backward pass reads. */
  private forwardGraph(part: Part, save: boolean): Graph {
    const built = this.build();
    const outputs = new Map(Object.entries(results(built, part)));
    if (save)
      for (const [name, value] of savedValues(built))
        if ((part === "after") === dependsOnAttention(built, value)) outputs.set(savedName(name), value);
    return extract(built.graph, outputs, new Map());
  }

  /**
   * After attention: from dy to dx, as far as the residual stream goes round attention, and dattended. Before it: from dq,
   * dk and dv to what is added to `dx.acc`.
   */
  private backwardGraph(part: Part, saved: boolean): Graph {
    const built = this.build();
    const { graph, x, parameters, attention } = built;
    const outputs = results(built, part);
    const reached = new Set(extract(graph, new Map(Object.entries(outputs)), new Map()).inputs.map((i) => i.inputName));
    const trained = trainedNames(parameters.keys(), this.options).filter((name) => reached.has(name));
    const seeds = Object.entries(outputs).map(([name, output]) => ({
      output,
      gradient: graph.input(`d${name}`, "float32", output.shape),
    }));
    const replaced = new Map<Value, string>();
    if (saved) for (const [name, value] of savedValues(built)) replaced.set(value, savedName(name));
    const wanted = new Map<Value, string>([[x, "dx"]]);
    const initial = new Map<Value, Value>();
    if (part === "after") wanted.set(attention.attended, "dattended");
    else initial.set(x, graph.input("dx.acc", "float32", x.shape));
    return gradientGraph(graph, seeds, wanted, parameters, trained, replaced, initial);
  }
}

function results(
  { y, attention: { q, k, v } }: ReturnType<LongBlockPasses["build"]>,
  part: Part,
): Record<string, Value> {
  return part === "after" ? { y } : { q, k, v };
}

/** The marked values besides what attention reads and puts out, which is saved in any case. */
function savedValues({ graph }: LayerGraph): [string, Value][] {
  return [...graph.kept].filter(([name]) => !["q", "k", "v", "attended"].includes(name));
}

function dependsOnAttention({ graph }: LayerGraph, value: Value): boolean {
  return extract(graph, new Map([["value", value]]), new Map()).inputs.some((input) => input.inputName === "attended");
}
