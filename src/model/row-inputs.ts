/** What a block's graph is fed with besides its weights and hidden states, by layer. */
import type { Tensor } from "../runtime/device.js";
import { attentionFeeds, type PackedRow } from "./packed-row.js";

export class RowInputs {
  private readonly byWindow = new Map<number | undefined, Record<string, Tensor>>();

  /**
   * @param windows tokens that each layer looks back on; undefined where it sees all.
   * @param positions positions and rotary tables of a layer.
   */
  constructor(
    readonly row: PackedRow,
    private readonly windows: readonly (number | undefined)[],
    readonly positions: (layer: number) => Record<string, Tensor>,
    /** Attention over a past as well, of a row that goes on from one. */
    private readonly past?: (layer: number) => Record<string, Tensor>,
  ) {}

  /** Whether the row goes on from a past. */
  get goesOn(): boolean {
    return this.past !== undefined;
  }

  window(layer: number): number | undefined {
    return this.windows[layer];
  }

  /** With the attention of all query blocks: memory that grows with the square of the row's length. */
  whole(layer: number): Record<string, Tensor> {
    if (this.past) return { ...this.positions(layer), ...this.past(layer) };
    const window = this.window(layer);
    let attention = this.byWindow.get(window);
    if (!attention) this.byWindow.set(window, (attention = attentionFeeds(this.row, window)));
    return { ...this.positions(layer), ...attention };
  }
}
