/** The studio's HTTP server: its pages, and what they ask for. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { UsageError } from "../../errors.js";
import { sendJson } from "../completions.js";
import { EventStream } from "../event-stream.js";
import { type AccessRules, checkContentType, checkOrigin, checkRules, checkToken } from "../guard.js";
import { HttpError } from "../http-error.js";
import { createGuardedServer, listen } from "../listen.js";
import { readJson } from "../read-body.js";
import { Assets } from "./assets.js";
import { type Route, studioRoutes } from "./routes.js";
import { Studio, type StudioOptions } from "./studio.js";

export interface StudioServerOptions extends AccessRules, StudioOptions {
  /** 0 takes any free port. */
  port: number;
  /** Folder of the built pages. */
  pages: string;
}

export interface RunningStudio {
  /** Without a trailing slash. */
  readonly url: string;
  /** Asks the trainings it started to save and stop, waits for them, and ends. */
  close(): Promise<void>;
}

const MAX_BODY = 4 << 20;
/** Streams open at once, over all pages. */
const MOST_STREAMS = 64;

/** Starts the studio. @throws UsageError for rules that would leave the door open, FailureError when the port is taken. */
export async function startStudio(options: StudioServerOptions): Promise<RunningStudio> {
  checkRules(options);
  const assets = new Assets(options.pages);
  const studio = new Studio(options);
  const service = new Service(studio, assets, options);
  const server = createGuardedServer();
  server.on("request", (request, response) => void service.handle(request, response));
  server.on("checkContinue", (request, response) => void service.handle(request, response));
  return {
    url: await listen(server, options),
    async close() {
      await studio.close();
      await service.close(server);
    },
  };
}

class Service {
  private streams = 0;
  private readonly routes: ReadonlyMap<string, Route>;

  constructor(
    studio: Studio,
    private readonly assets: Assets,
    private readonly options: StudioServerOptions,
  ) {
    this.routes = studioRoutes(studio);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const start = performance.now();
    const url = request.url ?? "/";
    const path = url.split("?")[0]!;
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    response.once("close", () => {
      const status = response.writableFinished ? response.statusCode : 499;
      // The query and a report's key stay out of the log.
      const shown = path.startsWith("/report/") ? "/report/…" : path.slice(0, 200).replace(/[^\x21-\x7e]/g, "?");
      this.options.say(`${request.method} ${shown} ${status} ${(performance.now() - start).toFixed(0)} ms`);
    });
    request.on("error", () => {});
    try {
      checkOrigin(request, this.options);
      const shows = request.method === "GET" || request.method === "HEAD";
      if (this.assets.has(path)) {
        if (!shows) throw wrongMethod("GET");
        // The pages hold no data; they ask for the token themselves.
        this.assets.send(path, request, response);
      } else if (path.startsWith("/report/")) {
        if (!shows) throw wrongMethod("GET");
        this.routes.get("/report/")!.answer({ key: path.slice("/report/".length), response });
      } else await this.api(path, new URLSearchParams(url.slice(path.length)), request, response);
    } catch (error) {
      this.refuse(response, error);
    }
  }

  private async api(
    path: string,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    checkToken(request, this.options);
    const route = path === "/report/" ? undefined : this.routes.get(path);
    if (!route) throw new HttpError(404, "there is nothing here");
    if (request.method !== route.method) throw wrongMethod(route.method);
    let body: unknown;
    if (route.method === "POST") {
      checkContentType(request);
      body = await readJson({ request, response }, MAX_BODY);
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort(new Error("the page has gone")));
    if (!route.streams) {
      const answer = await route.answer({ query, body, signal: gone.signal, response });
      if (!response.headersSent) sendJson(response, 200, answer ?? {});
      return;
    }
    if (this.streams >= MOST_STREAMS) throw new HttpError(429, "too many pages are open; close some");
    this.streams++;
    const events = new EventStream(response);
    try {
      await route.answer({
        query,
        body,
        signal: gone.signal,
        response,
        send: (event) => {
          if (response.writable) events.send(event);
        },
      });
      if (response.writable) response.end();
    } finally {
      this.streams--;
    }
  }

  private refuse(response: ServerResponse, error: unknown): void {
    if (response.destroyed || response.writableEnded) return;
    let answer: HttpError;
    if (error instanceof HttpError) answer = error;
    else if (error instanceof UsageError) answer = new HttpError(400, error.message);
    else {
      // What went wrong inside may name files: that is for the log alone.
      this.options.say(`error: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`);
      answer = new HttpError(500, "that failed; the studio's log says why");
    }
    if (response.headersSent) response.destroy();
    else sendJson(response, answer.status, { error: answer.message }, answer.details.headers);
  }

  async close(server: Server): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Event streams never end by themselves.
    server.closeAllConnections();
    await closed;
  }
}

const HEADERS: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

function wrongMethod(method: string): HttpError {
  return new HttpError(405, `this takes ${method}`, { headers: { Allow: method } });
}
