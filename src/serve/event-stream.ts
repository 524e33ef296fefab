/** Server-sent events (WHATWG HTML, section 9.2), and what happens when nobody reads them. */
import type { ServerResponse } from "node:http";

export class EventStream {
  /** Called when a client that had fallen behind reads on. */
  onReady: () => void = () => {};

  /** @param named give each event its `type` as its name, too. */
  constructor(
    private readonly response: ServerResponse,
    private readonly named = false,
  ) {
    response.on("drain", () => this.onReady());
  }

  /** Whether the head of the answer has gone out, after which its status cannot change. */
  get open(): boolean {
    return this.response.headersSent;
  }

  /** Whether the client keeps up. While it does not, text is better held than written: many small events make one. */
  get ready(): boolean {
    return !this.response.writableNeedDrain;
  }

  send(event: object): void {
    if (!this.open) {
      this.response.writeHead(200, {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
      });
    }
    const name = this.named && "type" in event ? `event: ${String(event.type)}\n` : "";
    this.response.write(`${name}data: ${JSON.stringify(event)}\n\n`);
  }

  /** Ends a complete stream. @param mark what clients of the OpenAI API wait for, where the endpoint has one. */
  done(mark: string | undefined): void {
    this.response.end(mark === undefined ? "" : `data: ${mark}\n\n`);
  }

  /** Ends a stream that broke off: without the mark. */
  fail(error: object): void {
    this.send(error);
    this.response.end();
  }
}
