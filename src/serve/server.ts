/** The HTTP server: limits, errors and an orderly end. */
import { setMaxListeners } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Admission } from "./admission.js";
import type { ServeBackend } from "./backend.js";
import { type Exchange, sendJson } from "./completions.js";
import { boundConnections, dropUnread } from "./connections.js";
import { EventStream } from "./event-stream.js";
import { type AccessRules, checkContentType, checkOrigin, checkRules, checkToken } from "./guard.js";
import { HttpError, toHttpError } from "./http-error.js";
import { createGuardedServer, listen } from "./listen.js";
import { ServerMetrics } from "./metrics.js";
import { type Route, serverRoutes } from "./routes.js";

export interface ServeOptions extends AccessRules {
  /** 0 takes any free port. */
  port: number;
  /** Answers that may wait besides those being written, default 64. */
  maxQueue?: number;
  /** Largest body in bytes, default 10 MB. */
  maxBodyBytes?: number;
  /** Folder whose adapters clients may load at run time; none without it. */
  adaptersFrom?: string;
  /** A client that leaves an answer unread for this long is let go, default 20 s. */
  unreadMs?: number;
  /** Told one line per request: method, path, status, time. Never a header or a text. */
  log?: (line: string) => void;
}

export interface RunningServer {
  /** Such as http://127.0.0.1:8000, without a trailing slash. */
  readonly url: string;
  /**
   * Takes no more requests and ends when the running ones are answered, or after `drainMs` (default 30 s), when those that
   * are left are broken off.
   */
  close(drainMs?: number): Promise<void>;
}

const MAX_BODY = 10_000_000;
const DRAIN_MS = 30_000;
/** Connections may take this long for their last bytes when the server closes. */
const LAST_BYTES_MS = 2_000;

/** Starts serving. @throws UsageError for rules that would leave the door open, FailureError when the port is taken. */
export async function startServer(backend: ServeBackend, options: ServeOptions): Promise<RunningServer> {
  checkRules(options);
  const service = new Service(backend, options);
  const server = createGuardedServer();
  boundConnections(server);
  server.on("request", (request, response) => void service.handle(request, response));
  // A client that asks before it sends a large body is answered before it does.
  server.on("checkContinue", (request, response) => void service.handle(request, response));
  return {
    url: await listen(server, options),
    close: (drainMs = DRAIN_MS) => service.close(server, drainMs),
  };
}

class Service {
  private readonly metrics: ServerMetrics;
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private readonly route: (path: string) => Route | undefined;

  constructor(
    backend: ServeBackend,
    private readonly options: ServeOptions,
  ) {
    // Every request under way listens; that is no leak.
    setMaxListeners(0, this.stopping.signal, this.ending.signal);
    const admission = new Admission(backend.maxBatch, options.maxQueue ?? 64);
    this.metrics = new ServerMetrics(admission);
    this.route = serverRoutes(
      { backend, admission, metrics: this.metrics, ending: this.ending.signal },
      {
        maxBodyBytes: options.maxBodyBytes ?? MAX_BODY,
        adaptersFrom: options.adaptersFrom,
        stopping: this.stopping.signal,
      },
    );
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?")[0]!;
    const found = this.route(path);
    this.watch(request, response, path, found?.route ?? "other");
    const exchange: Exchange = { request, response };
    const work = (async () => {
      try {
        this.admit(exchange, found);
        if (request.method === "OPTIONS") response.writeHead(204).end();
        else await found?.answer(exchange);
      } catch (error) {
        this.refuse(exchange, error);
      }
    })();
    this.running.add(work);
    await work;
    this.running.delete(work);
  }

  /** Counts and logs the request when it is over, and lets a client go that does not read its answer. */
  private watch(request: IncomingMessage, response: ServerResponse, path: string, route: string): void {
    const { log, unreadMs } = this.options;
    const start = performance.now();
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (this.stopping.signal.aborted) response.setHeader("Connection", "close");
    response.once("close", () => {
      const seconds = (performance.now() - start) / 1000;
      // 499: the client left before the answer was complete (as nginx names it).
      const status = response.writableFinished ? response.statusCode : 499;
      this.metrics.requests.inc({ route, status: String(status) });
      this.metrics.duration.observe({ route }, seconds);
      if (route !== "/health" && route !== "/metrics")
        log?.(`${request.method} ${printable(path)} ${status} ${(seconds * 1000).toFixed(0)} ms`);
    });
    // A broken connection shows as "close" as well.
    request.on("error", () => {});
    dropUnread(response, () => this.metrics.unread.inc(), unreadMs);
  }

  /** Checks in the order in which they cost least. */
  private admit({ request, response }: Exchange, route: Route | undefined): asserts route is Route {
    checkOrigin(request, this.options);
    const { origin } = request.headers;
    if (origin !== undefined) {
      response.setHeader("Access-Control-Allow-Origin", origin);
      response.setHeader("Vary", "Origin");
    }
    if (request.method === "OPTIONS" && route) {
      response.setHeader("Access-Control-Allow-Methods", `${route.method}, OPTIONS`);
      // The names that the official client sends begin with x-stainless.
      response.setHeader("Access-Control-Allow-Headers", request.headers["access-control-request-headers"] ?? "*");
      return;
    }
    if (route?.route !== "/health") checkToken(request, this.options);
    if (!route)
      throw new HttpError(404, "there is nothing here; see /v1/models, /v1/chat/completions and /v1/completions");
    const method = request.method === "HEAD" ? "GET" : request.method;
    if (method !== route.method)
      throw new HttpError(405, `${route.route} takes ${route.method}`, { headers: { Allow: route.method } });
    if (route.method === "POST") checkContentType(request);
    if (this.stopping.signal.aborted && route.route !== "/health") throw shuttingDown();
  }

  private refuse({ response, dialect }: Exchange, error: unknown): void {
    if (response.destroyed || response.writableEnded) return;
    const answer = toHttpError(error, this.options.log);
    const body = answer.body();
    if (response.headersSent) new EventStream(response, dialect?.named).fail(dialect?.failed?.(body.error) ?? body);
    else sendJson(response, answer.status, body, answer.details.headers);
  }

  async close(server: Server, drainMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.stopping.abort(shuttingDown());
    const patience = setTimeout(() => this.ending.abort(shuttingDown()), drainMs);
    while (this.running.size > 0) await Promise.allSettled(this.running);
    clearTimeout(patience);
    const last = setTimeout(() => server.closeAllConnections(), LAST_BYTES_MS);
    // Kept-alive connections are idle only after their last answer has been flushed.
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    await closed;
    clearTimeout(last);
    clearInterval(sweep);
  }
}

function shuttingDown(): HttpError {
  return new HttpError(503, "the server is shutting down", { headers: { Connection: "close" } });
}

/** A path for the log: one line of visible characters, of bounded length. */
function printable(path: string): string {
  return path.slice(0, 200).replace(/[^\x21-\x7e]/g, "?");
}
