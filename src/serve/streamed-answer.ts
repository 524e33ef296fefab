/** An answer that goes out as it is written. */
import type { TokenLogprob } from "../generate/request.js";
import type { EventStream } from "./event-stream.js";
import { characters, type Dialect, type Usage, type WireChoice, type WireLogprobs } from "./wire-response.js";

/** A stream whose head goes out with the first text, so that early errors still get their own status. */
export class StreamedAnswer {
  private readonly opened = new Set<number>();
  /** By choice, the tokens since its last chunk. */
  private readonly unsent = new Map<number, WireLogprobs>();

  /** By choice, text that waits because the client does not read. */
  private readonly held = new Map<number, string>();

  constructor(
    private readonly events: EventStream,
    private readonly dialect: Dialect,
  ) {
    events.onReady = () => {
      for (const index of [...this.held.keys()]) if (events.ready) this.release(index);
    };
  }

  private open(index: number): void {
    if (this.opened.has(index)) return;
    this.opened.add(index);
    this.send(this.dialect.opening(index));
  }

  private send(events: object[]): void {
    for (const event of events) this.events.send(event);
  }

  /** Goes out with the next text: tokens inside a character or a possible stop string have none of their own yet. */
  token(index: number, piece: string, logprob: TokenLogprob | undefined): void {
    let unsent = this.unsent.get(index);
    if (!unsent) this.unsent.set(index, (unsent = { entries: [], pieces: [], offset: 0 }));
    unsent.entries.push(logprob);
    unsent.pieces.push(piece);
  }

  text(index: number, text: string): void {
    this.held.set(index, (this.held.get(index) ?? "") + text);
    if (this.events.ready) this.release(index);
  }

  private release(index: number): void {
    const text = this.held.get(index);
    if (text === undefined) return;
    this.held.delete(index);
    this.open(index);
    this.send(this.dialect.text(index, text, this.taken(index)));
  }

  private taken(index: number): WireLogprobs | undefined {
    const unsent = this.unsent.get(index);
    if (!unsent || unsent.pieces.length === 0) return undefined;
    this.unsent.set(index, { entries: [], pieces: [], offset: unsent.offset + characters(unsent.pieces.join("")) });
    return unsent;
  }

  finish(choices: readonly WireChoice[], usage: Usage): void {
    for (const choice of choices) {
      this.release(choice.index);
      this.open(choice.index);
      this.send(this.dialect.closing({ ...choice, logprobs: this.taken(choice.index) }));
    }
    this.send(this.dialect.end(choices, usage));
    this.events.done(this.dialect.mark);
  }
}
