/** What a block's graph is fed with besides its weights and hidden states, by layer. */
import type { Tensor } from "../runtime/device.js";
import type { PackedRow } from "./packed-row.js";
import type { RowBias } from "./row-bias.js";

export class RowInputs {
  private readonly byWindow = new Map<number | undefined, Promise<Record<string, Tensor>>>();

  /**
   * @param windows tokens that each layer looks back on; undefined where it sees all.
   * @param positions positions and rotary tables of a layer.
   */
  constructor(
    readonly bias: RowBias,
    private readonly windows: readonly (number | undefined)[],
    readonly positions: (layer: number) => Record<string, Tensor>,
    /** Attention over a past as well, of a row that goes on from one. */
    private readonly past?: (layer: number) => Record<string, Tensor>,
  ) {}

  get row(): PackedRow {
    return this.bias.row;
  }

  /** Whether the row goes on from a past. */
  get goesOn(): boolean {
    return this.past !== undefined;
  }

  window(layer: number): number | undefined {
    return this.windows[layer];
  }

  /** With the attention of all query blocks: memory that grows with the square of the row's length. */
  async whole(layer: number): Promise<Record<string, Tensor>> {
    if (this.past) return { ...this.positions(layer), ...this.past(layer) };
    const window = this.window(layer);
    let attention = this.byWindow.get(window);
    if (!attention) this.byWindow.set(window, (attention = this.bias.whole(window)));
    return { ...this.positions(layer), ...(await attention) };
  }
}
