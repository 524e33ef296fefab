/** What the server answers, by path. */
import { AdapterRoutes } from "./adapter-routes.js";
import { type CompletionContext, complete, type Exchange, findModel, sendJson } from "./completions.js";
import { embed } from "./embeddings.js";
import { HttpError } from "./http-error.js";
import { readJson } from "./read-body.js";
import { readResponsesRequest, responsesDialect } from "./responses.js";
import { detokenize, tokenize } from "./token-routes.js";
import { readChatRequest, readCompletionRequest } from "./wire-request.js";
import { chatDialect, completionDialect } from "./wire-response.js";

export interface Route {
  /** Name in metrics: never text of the client's. */
  route: string;
  method: "GET" | "POST";
  answer(exchange: Exchange): void | Promise<void>;
}

export interface RouteOptions {
  maxBodyBytes: number;
  /** Folder whose adapters may be loaded. */
  adaptersFrom?: string;
  /** Aborted when the server takes no more requests. */
  stopping: AbortSignal;
}

/** Finds the route of a path; undefined where there is nothing. */
export function serverRoutes(context: CompletionContext, options: RouteOptions): (path: string) => Route | undefined {
  const { backend, metrics, ending } = context;
  const { stopping } = options;
  const started = Math.floor(Date.now() / 1000);
  const adapters = new AdapterRoutes(backend, options.adaptersFrom);
  const modelObject = (id: string): object => ({ id, object: "model", created: started, owned_by: "evoke" });
  const post = (route: string, answer: (body: unknown, exchange: Exchange) => void | Promise<void>): Route => ({
    route,
    method: "POST",
    answer: async (exchange) => answer(await readJson(exchange, options.maxBodyBytes, stopping), exchange),
  });
  const routes: Route[] = [
    get("/health", ({ response }) =>
      sendJson(response, stopping.aborted ? 503 : 200, { status: stopping.aborted ? "stopping" : "ok" }),
    ),
    get("/metrics", async ({ response }) => {
      response.writeHead(200, { "Content-Type": metrics.contentType }).end(await metrics.text());
    }),
    get("/v1/models", ({ response }) =>
      sendJson(response, 200, { object: "list", data: backend.models.map(({ id }) => modelObject(id)) }),
    ),
    post("/v1/chat/completions", (body, exchange) => complete(context, readChatRequest(body), chatDialect, exchange)),
    post("/v1/completions", (body, exchange) =>
      complete(context, readCompletionRequest(body), completionDialect, exchange),
    ),
    post("/v1/responses", (body, exchange) =>
      complete(context, readResponsesRequest(body), responsesDialect, exchange),
    ),
    post("/v1/embeddings", (body, exchange) => embed(context, body, exchange)),
    post("/tokenize", async (body, { response }) => sendJson(response, 200, await tokenize(backend, body, ending))),
    post("/detokenize", (body, { response }) => sendJson(response, 200, detokenize(backend, body))),
    post("/v1/load_lora_adapter", async (body, { response }) => sendText(response, await adapters.load(body))),
    post("/v1/unload_lora_adapter", async (body, { response }) => sendText(response, await adapters.unload(body))),
  ];
  const byPath = new Map(routes.map((one) => [one.route, one]));
  return (path) => {
    if (!path.startsWith("/v1/models/")) return byPath.get(path);
    return get("/v1/models/:id", ({ response }) => {
      const { id } = findModel(backend, decoded(path.slice("/v1/models/".length)));
      sendJson(response, 200, modelObject(id));
    });
  };
}

function get(route: string, answer: Route["answer"]): Route {
  return { route, method: "GET", answer };
}

function sendText(response: Exchange["response"], text: string): void {
  response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" }).end(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, "the path is not a valid URL");
  }
}
