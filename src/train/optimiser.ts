/**
 * AdamW (Loshchilov and Hutter 2019). On the processor a plain loop (adamw-host.ts); elsewhere a graph that updates all
 * tensors of a group where they lie, and another for the sum of squares of the gradient norm.
 */
import { Graph, ops } from "../graph/index.js";
import { type Device, type Executable, hostTensor, type Tensor } from "../runtime/device.js";
import { type AdamWOptions, type StepSizes, squaredNormOnHost, updateOnHost } from "./adamw-host.js";

/** A trainable tensor with its gradient sum and moments. */
export interface Parameter {
  name: string;
  dims: readonly number[];
  value: Tensor;
  /** Σ of gradients over the micro-batches of the step. */
  gradient: Tensor;
  /** First and second moment. */
  m: Tensor;
  v: Tensor;
}

export class AdamW {
  private readonly updates = new Map<string, Promise<Executable>>();
  private readonly norms = new Map<string, Promise<Executable>>();

  constructor(
    private readonly device: Device,
    private readonly options: AdamWOptions,
  ) {}

  /** Σ g² over a group. */
  async squaredNorm(group: readonly Parameter[]): Promise<number> {
    if (this.device.name === "cpu")
      return group.reduce((sum, { gradient }) => sum + squaredNormOnHost(gradient.data as Float32Array), 0);
    const executable = await compiled(this.norms, shapesKey(group), () => {
      const graph = new Graph();
      group.forEach(({ dims }, i) => {
        const g = graph.input(`g${i}`, "float32", dims);
        const axes = dims.map((_, axis) => axis);
        graph.output(`s${i}`, ops.reduceSum(ops.mul(g, g), axes));
      });
      return this.device.compile(graph, { outputsOn: "host" });
    });
    const feeds = Object.fromEntries(group.map(({ gradient }, i) => [`g${i}`, gradient]));
    const result = await executable.run(feeds);
    return Object.values(result).reduce((sum, tensor) => sum + (tensor.data as Float32Array)[0]!, 0);
  }

  /** Updates the values and moments of a group: in place on the processor, else the tensors are replaced. */
  async update(group: readonly Parameter[], sizes: StepSizes): Promise<void> {
    if (this.device.name !== "cpu") return this.updateOnDevice(group, sizes);
    for (const { dims, value, gradient, m, v } of group) {
      const data = (tensor: Tensor) => tensor.data as Float32Array;
      const parts = { value: data(value), gradient: data(gradient), m: data(m), v: data(v) };
      updateOnHost(parts, decays(dims), this.options, sizes);
    }
  }

  private async updateOnDevice(group: readonly Parameter[], sizes: StepSizes): Promise<void> {
    const executable = await compiled(this.updates, shapesKey(group), () =>
      this.device.compile(this.updateGraph(group)),
    );
    const { betas } = this.options;
    const scalar = (x: number) => hostTensor("float32", Float32Array.of(x), []);
    const feeds: Record<string, Tensor> = {
      lr: scalar(sizes.learningRate),
      gradientScale: scalar(sizes.gradientScale),
      correction1: scalar(1 / (1 - betas[0] ** sizes.step)),
      correction2: scalar(1 / (1 - betas[1] ** sizes.step)),
    };
    group.forEach((parameter, i) => {
      feeds[`p${i}`] = parameter.value;
      feeds[`g${i}`] = parameter.gradient;
      feeds[`m${i}`] = parameter.m;
      feeds[`v${i}`] = parameter.v;
    });
    const result = await executable.run(feeds);
    group.forEach((parameter, i) => {
      const replaced = [parameter.value, parameter.m, parameter.v];
      parameter.value = result[`p${i}.next`]!;
      parameter.m = result[`m${i}.next`]!;
      parameter.v = result[`v${i}.next`]!;
      for (const tensor of replaced) tensor.dispose();
    });
  }

  private updateGraph(group: readonly Parameter[]): Graph {
    const graph = new Graph();
    const { betas, epsilon, weightDecay } = this.options;
    const scalar = (name: string) => graph.input(name, "float32", []);
    const lr = scalar("lr");
    const gradientScale = scalar("gradientScale");
    const correction1 = scalar("correction1");
    const correction2 = scalar("correction2");
    group.forEach(({ dims }, i) => {
      const tensor = (part: string) => graph.input(`${part}${i}`, "float32", dims);
      const g = ops.mul(tensor("g"), gradientScale);
      const m = ops.add(ops.scale(tensor("m"), betas[0]), ops.scale(g, 1 - betas[0]));
      const v = ops.add(ops.scale(tensor("v"), betas[1]), ops.scale(ops.mul(g, g), 1 - betas[1]));
      const root = ops.add(ops.sqrt(ops.mul(v, correction2)), graph.scalar(epsilon));
      let p = tensor("p");
      if (weightDecay > 0 && decays(dims)) p = ops.mul(p, ops.sub(graph.scalar(1), ops.scale(lr, weightDecay)));
      graph.output(`p${i}.next`, ops.sub(p, ops.mul(lr, ops.div(ops.mul(m, correction1), root))));
      graph.output(`m${i}.next`, m);
      graph.output(`v${i}.next`, v);
    });
    return graph;
  }
}

/** Weight decay is for matrices only. */
function decays(dims: readonly number[]): boolean {
  return dims.length > 1;
}

function shapesKey(group: readonly Parameter[]): string {
  return group.map(({ dims }) => dims.join("x")).join(" ");
}

function compiled(
  cache: Map<string, Promise<Executable>>,
  key: string,
  make: () => Promise<Executable>,
): Promise<Executable> {
  let found = cache.get(key);
  if (!found) cache.set(key, (found = make()));
  return found;
}
