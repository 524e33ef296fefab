/** Finds stop strings in text that arrives in pieces. What might be the start of a stop string is held back. */
export class StopStrings {
  private held = "";
  /** The stop string that was found. */
  found?: string;
  private readonly stops: readonly string[];

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop !== "");
  }

  /** Takes the next piece; returns text that no stop string can touch any more, "" after the end. */
  push(piece: string): string {
    if (this.found !== undefined) return "";
    if (this.stops.length === 0) return piece;
    const text = this.held + piece;
    let end = -1;
    for (const stop of this.stops) {
      const at = text.indexOf(stop);
      // Of two that begin at one place the longer wins, whatever their order.
      if (at >= 0 && (end < 0 || at < end || (at === end && stop.length > this.found!.length))) {
        end = at;
        this.found = stop;
      }
    }
    if (end >= 0) {
      this.held = "";
      return text.slice(0, end);
    }
    const safe = text.length - this.openLength(text);
    this.held = text.slice(safe);
    return text.slice(0, safe);
  }

  /** The held text, once nothing more comes. */
  flush(): string {
    const rest = this.held;
    this.held = "";
    return rest;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  private openLength(text: string): number {
    let most = 0;
    for (const stop of this.stops)
      for (let length = Math.min(stop.length - 1, text.length); length > most; length--)
        if (text.endsWith(stop.slice(0, length))) {
          most = length;
          break;
        }
    return most;
  }
}
