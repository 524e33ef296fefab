/** The loss of hidden states and its gradient: the head's graph (loss-head.ts) over blocks of target positions. */
import type { PackedModel } from "../model/packed-model.js";
import { SessionCache, type Tensor, TensorScope } from "../runtime/device.js";
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
  async loss(request: LossRequest): Promise<number> {
    return (await this.run(request, undefined)).loss;
  }

  /** The loss and the gradient of the hidden states, in host memory; adds to the sums of head and norm where trained. */
  lossAndGradient(request: LossRequest, sums: GradientSums): Promise<{ loss: number; dx: Float32Array }> {
    return this.run(request, sums);
  }

  private async run({ batch, hidden, normaliser }: LossRequest, sums: GradientSums | undefined) {
    const { device } = this.model;
    const { hiddenSize } = this.model.config;
    const { row, mask } = batch;
    const states = (await device.download(hidden)) as Float32Array;
    const dx = new Float32Array(sums ? states.length : 0);
    const targets: number[] = [];
    for (let i = 1; i < row.used; i++) if (mask[i] && row.documents[i] === row.documents[i - 1]) targets.push(i);
    let loss = 0;
    for (let at = 0; at < targets.length; at += this.blockRows) {
      const some = targets.slice(at, at + this.blockRows);
      const result = await this.block(batch, states, some, normaliser, sums);
      loss += result.loss;
      some.forEach((target, i) => {
        const part = result.dx?.subarray(i * hiddenSize, (i + 1) * hiddenSize);
        if (part) dx.set(part, (target - 1) * hiddenSize);
      });
    }
    return { loss, dx };
  }

  /** Loss and gradient at some targets. */
  private async block(
    { row }: TrainingRow,
    states: Float32Array,
    targets: readonly number[],
    normaliser: number,
    sums: GradientSums | undefined,
  ): Promise<{ loss: number; dx?: Float32Array }> {
    const { device, config } = this.model;
    const { hiddenSize } = config;
    const rows =
      targets.length === this.blockRows ? targets.length : Math.max(8, 2 ** Math.ceil(Math.log2(targets.length)));
    const x = new Float32Array(rows * hiddenSize);
    const ids = new Int32Array(rows);
    const factors = new Float32Array(rows);
    targets.forEach((target, i) => {
      x.set(states.subarray((target - 1) * hiddenSize, target * hiddenSize), i * hiddenSize);
      ids[i] = row.tokens[target]!;
      factors[i] = 1 / normaliser;
    });
    const scope = new TensorScope(device);
    try {
      const feeds = {
        ...(await this.headFeeds()),
        x: await scope.upload("float32", x, [rows, hiddenSize]),
        targets: await scope.upload("int32", ids, [rows, 1]),
        weights: await scope.upload("float32", factors, [rows, 1]),
      };
      const options = { trainable: this.trained !== undefined, backward: sums !== undefined };
      const result = await this.sessions.use(
        `${rows} ${options.backward}`,
        () => lossHeadGraph(config, rows, options),
        (executable) =>
          sums && this.trained ? sums.run(scope, executable, this.trained, feeds) : scope.run(executable, feeds),
      );
      const loss = ((await device.download(result.loss!)) as Float32Array)[0]!;
      return sums ? { loss, dx: (await device.download(result.dx!)) as Float32Array } : { loss };
    } finally {
      scope.close();
    }
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
