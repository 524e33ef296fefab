/** What each address answers. */
import type { ServerResponse } from "node:http";
import { z } from "zod";
import { HttpError } from "../http-error.js";
import { readChat } from "./chat.js";
import type { SampleQuery } from "./samples.js";
import type { Studio } from "./studio.js";
import { check, readTrainingRequest } from "./training-request.js";
import type { ChatEvent, StudioEvent } from "./wire.js";

/** What an answer is made from. */
export interface Exchange {
  query: URLSearchParams;
  /** Parsed JSON of a POST. */
  body: unknown;
  /** Aborted when the page has gone. */
  signal: AbortSignal;
  response: ServerResponse;
  /** Of routes that stream. */
  send(event: StudioEvent | ChatEvent): void;
  /** Of a report's address. */
  key: string;
}

export interface Route {
  method: "GET" | "POST";
  /** Answers with server-sent events until the work or the page ends. */
  streams?: boolean;
  /** The JSON document to send; nothing where the answer has been sent or streamed. */
  answer(exchange: Partial<Exchange>): unknown;
}

const idBody = z.strictObject({ id: z.string().min(1).max(1024) });
const MOST_FOLLOWED = 24;
const LONGEST_PAGE = 200;

export function studioRoutes(studio: Studio): ReadonlyMap<string, Route> {
  const get = (answer: (exchange: Exchange) => unknown): Route => ({
    method: "GET",
    answer: (x) => answer(x as Exchange),
  });
  const post = (answer: (exchange: Exchange) => unknown): Route => ({
    method: "POST",
    answer: (x) => answer(x as Exchange),
  });
  return new Map<string, Route>([
    ["/api/session", get(() => studio.session())],
    ["/api/catalogue", get(() => studio.catalogue())],
    ["/api/run", get(({ query }) => studio.run(id(query)))],
    ["/api/metrics", get(({ query }) => studio.metrics(id(query)))],
    ["/api/experiment", get(({ query }) => studio.experiment(id(query)))],
    ["/api/samples", get(({ query, signal }) => studio.samples(id(query), sampleQuery(query), signal))],
    ["/api/choices", get(() => studio.choices())],
    ["/api/models", get(() => studio.chatModels())],
    ["/api/train", post(({ body }) => studio.train(readTrainingRequest(body)))],
    ["/api/cancel", post(({ body }) => studio.cancel(check(idBody, body).id))],
    ["/api/resume", post(({ body }) => studio.resume(check(idBody, body).id))],
    ["/api/report", post(({ body }) => ({ url: studio.reports.ticket(check(idBody, body).id) }))],
    ["/api/chat", { ...post(({ body, send, signal }) => studio.chat(readChat(body), send, signal)), streams: true }],
    [
      "/api/events",
      {
        ...get(({ query, send, signal }) => {
          const runs = query.getAll("run");
          if (runs.length > MOST_FOLLOWED) throw new HttpError(400, `at most ${MOST_FOLLOWED} runs can be followed`);
          return studio.follow(runs, send, signal);
        }),
        streams: true,
      },
    ],
    ["/report/", get(({ key, response }) => studio.reports.send(key, response))],
  ]);
}

function id(query: URLSearchParams): string {
  const value = query.get("id");
  if (value === null) throw new HttpError(400, "id: is missing");
  return value;
}

function sampleQuery(query: URLSearchParams): SampleQuery {
  const number = (name: string, fallback: number, most: number): number => {
    const text = query.get(name);
    if (text === null) return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > most)
      throw new HttpError(400, `${name}: a whole number up to ${most} is needed`);
    return value;
  };
  const filters: [string, string][] = query.getAll("filter").map((text) => {
    const cut = text.indexOf("=");
    if (cut <= 0) throw new HttpError(400, "filter: FIELD=VALUE is needed");
    return [text.slice(0, cut), text.slice(cut + 1)];
  });
  return {
    search: (query.get("search") ?? "").slice(0, 1000),
    filters: Object.fromEntries(filters),
    offset: number("offset", 0, 1e12),
    limit: number("limit", 20, LONGEST_PAGE),
  };
}
