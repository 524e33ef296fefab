import { APIConnectionError, APIConnectionTimeoutError, APIError } from "openai";

/** The server answered 200 with something that is no answer. */
export class BadAnswerError extends Error {}

export interface AttemptFailure {
  /** For counting: "HTTP 503", "timeout", "connection", "bad answer". */
  kind: string;
  message: string;
  /**
   * "retry": try again later; "refused": this request will never work (400, 413, 422 …); "too long": prompt and answer together pass the
   * context, a shorter answer may fit; "hopeless": no request will (wrong key, unknown model, no credit).
   */
  verdict: "retry" | "refused" | "too long" | "hopeless";
  /** The server could not be reached or does not work, as opposed to being busy. */
  serverDown: boolean;
  /** What the server asks us to wait, in ms. */
  retryAfterMs?: number;
}

const RETRY_STATUS = new Set([408, 409, 425, 429]);
/** A server that wants us away for longer than this (a daily quota, say) ends the run. */
const LONGEST_WAIT_MS = 10 * 60_000;
/** How OpenAI, vLLM, llama.cpp, Ollama, TGI and our own server say it. */
const TOO_LONG =
  /reduce (?:your prompt|the length|the input)|(?:maximum|max\.?) (?:context|model|sequence) length|exceeds? (?:the )?(?:model(?:'s)? |available |maximum )*(?:context|max_model_len)|context (?:length|window|size)(?: is)? (?:exceeded|of|only)|max_(?:new_)?tokens.{0,60}(?:too large|must be <=|exceed)/i;
const HOPELESS_STATUS = new Set([401, 403, 404, 405]);

/** Sorts out why an attempt failed. @param timedOut whether our own time limit ended it. */
export function classifyFailure(error: unknown, timedOut: boolean): AttemptFailure {
  if (timedOut || error instanceof APIConnectionTimeoutError)
    return { kind: "timeout", message: "no answer in time", verdict: "retry", serverDown: false };
  if (error instanceof BadAnswerError)
    return { kind: "bad answer", message: error.message, verdict: "retry", serverDown: false };
  if (error instanceof APIError && error.status !== undefined) return classifyStatus(error);
  if (error instanceof SyntaxError)
    return { kind: "bad answer", message: `malformed JSON (${error.message})`, verdict: "retry", serverDown: false };
  return { kind: "connection", message: rootCause(error), verdict: "retry", serverDown: true };
}

/**
 * What to say of a web page where JSON was expected: not the model's server wrote it, but a proxy or a login before it.
 * Undefined for any other text.
 */
export function describePage(text: string): string | undefined {
  const start = text.search(/<!doctype html|<html/i);
  if (start < 0) return undefined;
  const title = /<title[^>]*>([^<]*)</i.exec(text.slice(start))?.[1]?.replace(/\s+/g, " ").trim();
  return `a web page${title ? ` (${JSON.stringify(title.slice(0, 80))})` : ""} in place of JSON: a proxy or login stands before the server, or the URL is not that of an API`;
}

function classifyStatus(error: APIError): AttemptFailure {
  const status = error.status as number;
  const kind = `HTTP ${status}`;
  const message = describePage(error.message) ?? error.message;
  const noCredit = error.code === "insufficient_quota";
  if (noCredit || HOPELESS_STATUS.has(status)) return { kind, message, verdict: "hopeless", serverDown: false };
  if (status >= 500 || RETRY_STATUS.has(status)) {
    const retryAfterMs = retryAfter(error.headers as Headers | undefined);
    if (retryAfterMs !== undefined && retryAfterMs > LONGEST_WAIT_MS) {
      const seconds = Math.round(retryAfterMs / 1000);
      return { kind, message: `${message}; come back in ${seconds} s`, verdict: "hopeless", serverDown: false };
    }
    return { kind, message, verdict: "retry", serverDown: status >= 502 && status <= 504, retryAfterMs };
  }
  const isTooLong = error.code === "context_length_exceeded" || TOO_LONG.test(message);
  if (isTooLong) return { kind: "context overflow", message, verdict: "too long", serverDown: false };
  return { kind, message, verdict: "refused", serverDown: false };
}

/** Retry-After (RFC 9110 §10.2.3: seconds or a date) and OpenAI's retry-after-ms, in ms; undefined if absent or senseless. */
export function retryAfter(headers: Headers | undefined, now = Date.now()): number | undefined {
  const exact = headers?.get("retry-after-ms");
  if (exact && Number.isFinite(Number(exact)) && Number(exact) >= 0) return Number(exact);
  const text = headers?.get("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The innermost reason of a failed fetch ("connect ECONNREFUSED 127.0.0.1:9"), not the wrapper's "Connection error.". */
function rootCause(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  if (at instanceof AggregateError && at.errors[0] instanceof Error) at = at.errors[0];
  if (!(at instanceof Error)) return String(at);
  const code = (at as NodeJS.ErrnoException).code;
  return at.message || code || (error instanceof APIConnectionError ? "no connection" : at.name);
}

/**
 * Wait before attempt `attempt` + 1 (attempt ≥ 1): half a second, doubled each time up to eight, of which a random half
 * is taken off so that many clients do not come back at once. A server's own wish is never undercut.
 */
export function backOffMs(attempt: number, retryAfterMs: number | undefined, random = Math.random): number {
  const ceiling = Math.min(8000, 500 * 2 ** (attempt - 1));
  const wait = ceiling * (0.5 + 0.5 * random());
  return retryAfterMs === undefined ? wait : Math.max(retryAfterMs * (1 + 0.1 * random()), Math.min(wait, 1000));
}
