/** Server-sent events (WHATWG HTML, section 9.2): one `data:` line and an empty line each. */
import type { ServerResponse } from "node:http";

export class EventStream {
  constructor(private readonly response: ServerResponse) {}

  /** Whether the head of the answer has gone out, after which its status cannot change. */
  get open(): boolean {
    return this.response.headersSent;
  }

  send(event: unknown): void {
    if (!this.open) {
      this.response.writeHead(200, {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
      });
    }
    this.response.write(`data: ${JSON.stringify(event)}\n\n`);
  }

  /** Ends a complete stream with the mark that clients of the OpenAI API wait for. */
  done(): void {
    this.response.end("data: [DONE]\n\n");
  }

  /** Ends a stream that broke off: without the mark. */
  fail(error: unknown): void {
    this.send(error);
    this.response.end();
  }
}
