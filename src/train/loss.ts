/** The loss of hidden states and its gradient: the head's graph (loss-head.ts) over blocks of target positions. */
import { Graph, ops } from "../graph/index.js";
import type { PackedModel } from "../model/packed-model.js";
import { hostTensor, SessionCache, type Tensor, TensorScope } from "../runtime/device.js";
import type { TrainingRow } from "./examples.js";
import type { GradientSums } from "./gradient-sums.js";
import { headBlockRows, lossHeadGraph } from "./loss-head.js";
import type { ParameterGroup } from "./parameter-store.js";

export interface LossRequest {
  batch: TrainingRow;
  /** [tokens, hidden]. */
  hidden: Tensor;
  /** What the sum of losses is divided by. */
  normaliser: number;
}

/** The gradient of the states that some targets were predicted from, [at least as many, hidden]. */
interface HeadBlock {
  targets: readonly number[];
  dx: Tensor;
}

const HEAD_PARAMETERS = new Set(["head", "norm", "normBias"]);

export class LossHead {
  private readonly sessions: SessionCache;
  private readonly blockRows: number;

  /** @param trained the group that holds head and final norm, where they are trained. */
  constructor(
    private readonly model: PackedModel,
    private readonly trained?: ParameterGroup,
  ) {
    this.sessions = new SessionCache(model.device);
    this.blockRows = headBlockRows(model.config.vocabSize, model.config.hiddenSize);
  }

  /** Σ loss(target) / normaliser. */
  async loss(scope: TensorScope, request: LossRequest): Promise<number> {
    return (await this.run(scope, request, undefined)).loss;
  }

  /** The loss and the gradient of the hidden states, which the scope owns; adds to the sums of head and norm where trained. */
  async lossAndGradient(scope: TensorScope, request: LossRequest, sums: GradientSums) {
    const { loss, blocks, targets } = await this.run(scope, request, sums);
    return { loss, dx: await this.spread(scope, request.hidden, blocks, targets) };
  }

  private async run(scope: TensorScope, request: LossRequest, sums: GradientSums | undefined) {
    const { row, mask } = request.batch;
    const targets: number[] = [];
    for (let i = 1; i < row.used; i++) if (mask[i] && row.documents[i] === row.documents[i - 1]) targets.push(i);
    const blocks: HeadBlock[] = [];
    let loss = 0;
    for (let at = 0; at < targets.length; at += this.blockRows) {
      const some = targets.slice(at, at + this.blockRows);
      const result = await this.block(scope, request, some, sums);
      loss += result.loss;
      if (result.dx) blocks.push({ targets: some, dx: result.dx });
    }
    return { loss, blocks, targets };
  }

  /** Loss and gradient at some targets. */
  private async block(
    outer: TensorScope,
    { batch: { row }, hidden, normaliser }: LossRequest,
    targets: readonly number[],
    sums: GradientSums | undefined,
  ): Promise<{ loss: number; dx?: Tensor }> {
    const { device, config } = this.model;
    const rows =
      targets.length === this.blockRows ? targets.length : Math.max(8, 2 ** Math.ceil(Math.log2(targets.length)));
    const ids = new Int32Array(rows);
    const factors = new Float32Array(rows);
    targets.forEach((target, i) => {
      ids[i] = row.tokens[target]!;
      factors[i] = 1 / normaliser;
    });
    const scope = new TensorScope(device);
    try {
      const feeds = {
        ...(await this.headFeeds()),
        x: await this.statesBefore(scope, hidden, targets, rows),
        targets: hostTensor("int32", ids, [rows, 1]),
        weights: hostTensor("float32", factors, [rows, 1]),
      };
      const options = { trainable: this.trained !== undefined, backward: sums !== undefined };
      const result = await this.sessions.use(
        `${rows} ${options.backward}`,
        () => lossHeadGraph(config, rows, options),
        (executable) =>
          sums && this.trained ? sums.run(scope, executable, this.trained, feeds) : scope.run(executable, feeds),
      );
      const loss = ((await device.download(result.loss!)) as Float32Array)[0]!;
      return sums ? { loss, dx: outer.own(scope.release(result.dx!)) } : { loss };
    } finally {
      scope.close();
    }
  }

  /** The hidden states that targets are predicted from, [rows, hidden]; the last rows, which no target has, are any. */
  private statesBefore(scope: TensorScope, hidden: Tensor, targets: readonly number[], rows: number): Promise<Tensor> {
    const { device, config } = this.model;
    const { hiddenSize } = config;
    const places = new Int32Array(rows);
    targets.forEach((target, i) => void (places[i] = target - 1));
    return scope.make({
      host: async () => {
        const states = (await device.download(hidden)) as Float32Array;
        const x = new Float32Array(rows * hiddenSize);
        for (let i = 0; i < targets.length; i++)
          x.set(states.subarray(places[i]! * hiddenSize, (places[i]! + 1) * hiddenSize), i * hiddenSize);
        return hostTensor("float32", x, [rows, hiddenSize]);
      },
      key: `states ${hiddenSize}`,
      graph: () => {
        const graph = new Graph();
        const x = graph.input("x", "float32", ["tokens", hiddenSize]);
        graph.output("y", ops.rowsAt(x, graph.input("places", "int32", ["rows"])));
        return graph;
      },
      feeds: () => ({ x: hidden, places: hostTensor("int32", places, [rows]) }),
    });
  }

  /** The gradient of all hidden states: zero but where a target was predicted. */
  private async spread(
    scope: TensorScope,
    hidden: Tensor,
    blocks: readonly HeadBlock[],
    targets: readonly number[],
  ): Promise<Tensor> {
    const { device, config } = this.model;
    const { hiddenSize } = config;
    const tokens = hidden.dims[0]!;
    if (targets.length === 0) return scope.zeros("dx of the loss", hidden.dims);
    return scope.make({
      host: async () => {
        const dx = new Float32Array(tokens * hiddenSize);
        for (const { targets: some, dx: part } of blocks) {
          const from = (await device.download(part)) as Float32Array;
          for (const [i, target] of some.entries())
            dx.set(from.subarray(i * hiddenSize, (i + 1) * hiddenSize), (target - 1) * hiddenSize);
        }
        return hostTensor("float32", dx, [tokens, hiddenSize]);
      },
      key: `spread ${hiddenSize}`,
      graph: () => spreadGraph(hiddenSize),
      feeds: async () => {
        const places = new Int32Array(tokens).fill(-1);
        // All blocks before the last are full.
        for (const [i, target] of targets.entries()) places[target - 1] = i;
        const parts = blocks.map(({ dx }) => scope.release(dx));
        const joined = scope.own(await device.joinRows(parts, undefined));
        return { joined, places: hostTensor("int32", places, [tokens, 1]) };
      },
    });
  }

  private async headFeeds(): Promise<Record<string, Tensor>> {
    if (!this.trained) return this.model.headFeeds();
    const { parameters } = this.trained;
    return Object.fromEntries(
      parameters.filter(({ name }) => HEAD_PARAMETERS.has(name)).map(({ name, value }) => [name, value]),
    );
  }

  /** Frees the compiled graphs. */
  dispose(): Promise<void> {
    return this.sessions.dispose();
  }
}

/** Rows of joined at `places`, zeros where the place is −1. */
function spreadGraph(width: number): Graph {
  const graph = new Graph();
  const joined = graph.input("joined", "float32", ["rows", width]);
  const places = graph.input("places", "int32", ["tokens", 1]);
  const zero = graph.constant("int32", [], [0]);
  const given = ops.lessOrEqual(zero, places);
  const found = ops.rowsAt(joined, ops.reshape(ops.where(given, places, zero), ["tokens"]));
  graph.output("y", ops.where(given, found, graph.scalar(0)));
  return graph;
}
