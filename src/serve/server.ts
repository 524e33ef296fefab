/** The HTTP server: routes, limits, errors and an orderly end. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { UsageError } from "../errors.js";
import { Admission } from "./admission.js";
import type { ServeBackend } from "./backend.js";
import { complete, findModel, sendJson } from "./completions.js";
import { EventStream } from "./event-stream.js";
import { type AccessRules, checkContentType, checkOrigin, checkRules, checkToken } from "./guard.js";
import { HttpError } from "./http-error.js";
import { createGuardedServer, listen } from "./listen.js";
import { ServerMetrics } from "./metrics.js";
import { readJson } from "./read-body.js";
import { readChatRequest, readCompletionRequest } from "./wire-request.js";
import { chatDialect, completionDialect } from "./wire-response.js";

export interface ServeOptions extends AccessRules {
  /** 0 takes any free port. */
  port: number;
  /** Answers that may wait besides those being written, default 64. */
  maxQueue?: number;
  /** Largest body in bytes, default 10 MB. */
  maxBodyBytes?: number;
  /** Told one line per request: method, path, status, time. Never a header or a text. */
  log?: (line: string) => void;
}

export interface RunningServer {
  /** Such as http://127.0.0.1:8000, without a trailing slash. */
  readonly url: string;
  /** Takes no more requests, ends when the running ones are answered. */
  close(): Promise<void>;
}

const MAX_BODY = 10_000_000;
/** Connections may take this long for their last bytes when the server closes. */
const LAST_BYTES_MS = 2_000;

/** Starts serving. @throws UsageError for rules that would leave the door open, FailureError when the port is taken. */
export async function startServer(backend: ServeBackend, options: ServeOptions): Promise<RunningServer> {
  checkRules(options);
  const service = new Service(backend, options);
  const server = createGuardedServer();
  server.on("request", (request, response) => void service.handle(request, response));
  // A client that asks before it sends a large body is answered before it does.
  server.on("checkContinue", (request, response) => void service.handle(request, response));
  return {
    url: await listen(server, options),
    close: () => service.close(server),
  };
}

class Service {
  private readonly admission: Admission;
  private readonly metrics: ServerMetrics;
  private readonly running = new Set<Promise<void>>();
  private readonly started = Math.floor(Date.now() / 1000);
  private stopping = false;

  constructor(
    private readonly backend: ServeBackend,
    private readonly options: ServeOptions,
  ) {
    this.admission = new Admission(backend.maxBatch, options.maxQueue ?? 64);
    this.metrics = new ServerMetrics(this.admission);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const start = performance.now();
    const path = (request.url ?? "/").split("?")[0]!;
    let route = "other";
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (this.stopping) response.setHeader("Connection", "close");
    response.once("close", () => {
      const seconds = (performance.now() - start) / 1000;
      // 499: the client left before the answer was complete (as nginx names it).
      const status = response.writableFinished ? response.statusCode : 499;
      this.metrics.requests.inc({ route, status: String(status) });
      this.metrics.duration.observe({ route }, seconds);
      if (route !== "/health" && route !== "/metrics")
        this.options.log?.(`${request.method} ${printable(path)} ${status} ${(seconds * 1000).toFixed(0)} ms`);
    });
    // A broken connection shows as "close" as well.
    request.on("error", () => {});
    const work = (async () => {
      try {
        const found = this.route(path);
        route = found.route;
        this.admit(request, response, found);
        if (request.method === "OPTIONS") response.writeHead(204).end();
        else await found.answer(request, response);
      } catch (error) {
        this.refuse(response, error);
      }
    })();
    this.running.add(work);
    await work;
    this.running.delete(work);
  }

  /** Checks in the order in which they cost least. */
  private admit(request: IncomingMessage, response: ServerResponse, route: Route): void {
    checkOrigin(request, this.options);
    const { origin } = request.headers;
    if (origin !== undefined) {
      response.setHeader("Access-Control-Allow-Origin", origin);
      response.setHeader("Vary", "Origin");
    }
    if (request.method === "OPTIONS") {
      response.setHeader("Access-Control-Allow-Methods", `${route.method}, OPTIONS`);
      // The names that the official client sends begin with x-stainless.
      response.setHeader("Access-Control-Allow-Headers", request.headers["access-control-request-headers"] ?? "*");
      return;
    }
    if (route.route !== "/health") checkToken(request, this.options);
    if (request.method !== route.method)
      throw new HttpError(405, `${route.route} takes ${route.method}`, { headers: { Allow: route.method } });
    if (route.method === "POST") checkContentType(request);
    if (this.stopping && route.route !== "/health") throw new HttpError(503, "the server is shutting down");
  }

  private route(path: string): Route {
    const { backend, metrics } = this;
    const context = { backend, metrics, admission: this.admission };
    switch (path) {
      case "/health":
        return get(path, (_, response) =>
          sendJson(response, this.stopping ? 503 : 200, { status: this.stopping ? "stopping" : "ok" }),
        );
      case "/metrics":
        return get(path, async (_, response) => {
          response.writeHead(200, { "Content-Type": metrics.contentType }).end(await metrics.text());
        });
      case "/v1/models":
        return get(path, (_, response) =>
          sendJson(response, 200, { object: "list", data: backend.models.map(({ id }) => this.modelObject(id)) }),
        );
      case "/v1/chat/completions":
        return this.post(path, async (body, exchange) =>
          complete(context, readChatRequest(body), chatDialect, exchange),
        );
      case "/v1/completions":
        return this.post(path, async (body, exchange) =>
          complete(context, readCompletionRequest(body), completionDialect, exchange),
        );
    }
    if (path.startsWith("/v1/models/"))
      return get("/v1/models/:id", (_, response) => {
        const { id } = findModel(backend, decoded(path.slice("/v1/models/".length)));
        sendJson(response, 200, this.modelObject(id));
      });
    return get("other", () => {
      throw new HttpError(404, "there is nothing here; see /v1/models, /v1/chat/completions and /v1/completions");
    });
  }

  private post(
    route: string,
    answer: (body: unknown, exchange: { request: IncomingMessage; response: ServerResponse }) => Promise<void>,
  ): Route {
    return {
      route,
      method: "POST",
      answer: async (request, response) => {
        const body = await readJson(request, response, this.options.maxBodyBytes ?? MAX_BODY);
        await answer(body, { request, response });
      },
    };
  }

  private modelObject(id: string): object {
    return { id, object: "model", created: this.started, owned_by: "evoke" };
  }

  private refuse(response: ServerResponse, error: unknown): void {
    if (response.destroyed || response.writableEnded) return;
    let answer: HttpError;
    if (error instanceof HttpError) answer = error;
    else if (error instanceof UsageError) answer = new HttpError(400, error.message, { code: "invalid_value" });
    else {
      // What went wrong inside may name files: that is for the log alone.
      this.options.log?.(`error: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`);
      answer = new HttpError(500, "the model failed to answer; the server's log says why");
    }
    if (response.headersSent) new EventStream(response).fail(answer.body());
    else sendJson(response, answer.status, answer.body(), answer.details.headers);
  }

  async close(server: Server): Promise<void> {
    this.stopping = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    while (this.running.size > 0) await Promise.allSettled(this.running);
    const last = setTimeout(() => server.closeAllConnections(), LAST_BYTES_MS);
    // Kept-alive connections are idle only after their last answer has been flushed.
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    await closed;
    clearTimeout(last);
    clearInterval(sweep);
  }
}

interface Route {
  /** Name in metrics: never text of the client's. */
  route: string;
  method: "GET" | "POST";
  answer(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
}

function get(route: string, answer: Route["answer"]): Route {
  return { route, method: "GET", answer };
}

/** A path for the log: one line of visible characters, of bounded length. */
function printable(path: string): string {
  return path.slice(0, 200).replace(/[^\x21-\x7e]/g, "?");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, "the path is not a valid URL");
  }
}
