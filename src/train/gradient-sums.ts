/** Sums of gradients over a step: each backward pass reads a parameter's sum and puts out the one that replaces it. */
import type { Device, Executable, Parameter, Tensor, TensorScope } from "../runtime/device.js";
import type { ParameterGroup } from "./parameter-store.js";

export class GradientSums {
  /** On the host, the memory that the last sum of a shape gave up: the next of that shape is written into it. */
  private readonly spare = new Map<string, Tensor>();

  constructor(private readonly device: Device) {}

  /** Sets all sums to zero. */
  async clear(groups: readonly ParameterGroup[]): Promise<void> {
    for (const { parameters } of groups)
      for (const parameter of parameters) parameter.gradient = await this.device.clear(parameter.gradient);
  }

  /**
   * Runs a backward graph, which takes `NAME.acc` and puts out `NAME.sum`, and takes the sums over.
   * @returns its results, the sums among them.
   */
  async run(
    scope: TensorScope,
    executable: Executable,
    { parameters }: ParameterGroup,
    feeds: Record<string, Tensor>,
    results: Record<string, string> = {},
  ): Promise<Record<string, Tensor>> {
    const summed = parameters.filter(({ name }) => executable.outputNames.includes(`${name}.sum`));
    const sums: Record<string, Tensor> = {};
    const into: Record<string, Tensor | undefined> = {};
    for (const parameter of summed) {
      sums[`${parameter.name}.acc`] = parameter.gradient;
      into[`${parameter.name}.sum`] = this.memory(parameter);
    }
    const made = await scope.run(executable, { ...feeds, ...sums }, { ...results, ...into });
    for (const parameter of summed) {
      const sum = scope.release(made[`${parameter.name}.sum`]!);
      if (into[`${parameter.name}.sum`]) this.spare.set(shapeKey(parameter), parameter.gradient);
      else this.device.free(parameter.gradient);
      parameter.gradient = sum;
    }
    return made;
  }

  private memory(parameter: Parameter): Tensor | undefined {
    const found = this.spare.get(shapeKey(parameter));
    this.spare.delete(shapeKey(parameter));
    return found ?? this.device.resultMemory(parameter.dims);
  }
}

const shapeKey = ({ name, dims }: Parameter): string => `${name} ${dims}`;
