import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Random } from "../../src/random/counter.js";

export const FAILURES = ["429", "500", "timeout", "cut", "cut body", "malformed", "empty choices", "not json"] as const;
export type FailureKind = (typeof FAILURES)[number];

/** A request as the server read it. */
export interface Received {
  path: string;
  body: Record<string, unknown>;
  /** The plain prompt, or the last message. */
  prompt: string;
  headers: IncomingMessage["headers"];
}

export interface HostileOptions {
  /** Share of requests that fail, 0–1. */
  failRate?: number;
  seed?: number;
  kinds?: readonly FailureKind[];
  /** The text for a prompt; a function of the request alone, so that answers can be compared across runs. */
  answer?: (received: Received) => string | { text: string; finishReason: string };
  delayMs?: number;
  retryAfter?: string;
}

/** An OpenAI-compatible server on a free local port that fails in every way a real one does. */
export class HostileServer {
  readonly received: Received[] = [];
  /** How often each request body was answered in full. */
  readonly answered = new Map<string, number>();
  readonly failures = new Map<FailureKind, number>();
  underWay = 0;
  mostUnderWay = 0;
  private port = 0;
  private readonly random: Random;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly options: HostileOptions,
  ) {
    this.random = new Random("hostile", options.seed ?? 1);
  }

  static async start(options: HostileOptions = {}, port = 0): Promise<HostileServer> {
    const server = createServer();
    const hostile = new HostileServer(server, options);
    server.on("request", (request, response) => void hostile.handle(request, response));
    server.on("connection", (socket) => {
      hostile.sockets.add(socket);
      socket.on("close", () => hostile.sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    hostile.port = (server.address() as AddressInfo).port;
    return hostile;
  }

  /** Base URL; also after the server has stopped. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "GET") {
      sendJson(response, 200, { object: "list", data: [] }); // a health check
      return;
    }
    this.underWay++;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    response.on("close", () => this.underWay--);
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text) as Record<string, unknown>;
    const messages = body.messages as { content: string }[] | undefined;
    const prompt = messages ? messages.at(-1)!.content : String(body.prompt);
    const received: Received = { path: request.url ?? "", body, prompt, headers: request.headers };
    this.received.push(received);
    if (this.options.delayMs) await new Promise((resolve) => setTimeout(resolve, this.options.delayMs));
    if (this.random.uniform() < (this.options.failRate ?? 0)) {
      const kinds = this.options.kinds ?? FAILURES;
      this.fail(kinds[this.random.below(kinds.length)]!, request, response);
      return;
    }
    const reply = this.options.answer?.(received) ?? `answer to ${prompt}`;
    const { text: written, finishReason } = typeof reply === "string" ? { text: reply, finishReason: "stop" } : reply;
    const choice = messages
      ? { index: 0, message: { role: "assistant", content: written }, finish_reason: finishReason }
      : { index: 0, text: written, finish_reason: finishReason };
    this.answered.set(text, (this.answered.get(text) ?? 0) + 1);
    sendJson(response, 200, { choices: [choice], usage: { prompt_tokens: 10, completion_tokens: 5 } });
  }

  private fail(kind: FailureKind, request: IncomingMessage, response: ServerResponse): void {
    this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
    switch (kind) {
      case "429":
        response.setHeader("retry-after", this.options.retryAfter ?? "0");
        sendJson(response, 429, { error: { message: "slow down" } });
        break;
      case "500":
        sendJson(response, 500, { error: { message: "broken inside" } });
        break;
      case "timeout":
        break; // never answers
      case "cut":
        request.socket.destroy();
        break;
      case "cut body":
        response.writeHead(200, { "content-type": "application/json", "content-length": "4000" });
        response.write('{"choices": [{"te', () => request.socket.destroy());
        break;
      case "malformed":
        response.writeHead(200, { "content-type": "application/json" }).end('{"choices": [{"text": "half');
        break;
      case "empty choices":
        sendJson(response, 200, { choices: [], usage: {} });
        break;
      case "not json":
        response.writeHead(200, { "content-type": "text/html" }).end("<html>proxy says hello</html>");
        break;
    }
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
