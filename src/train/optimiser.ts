/** AdamW with one run's settings. */
import type { AdamWOptions, Device, Parameter, StepSizes } from "../runtime/device.js";

export class AdamW {
  constructor(
    private readonly device: Device,
    private readonly options: AdamWOptions,
  ) {}

  /** Σ g² over a group. */
  squaredNorm(group: readonly Parameter[]): Promise<number> {
    return this.device.squaredNorm(group);
  }

  /** Updates the values and moments of a group. */
  update(group: readonly Parameter[], sizes: StepSizes): Promise<void> {
    return this.device.adamw(group, this.options, sizes);
  }
}
