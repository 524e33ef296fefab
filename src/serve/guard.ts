/** Decides who may speak to the server, before anything of a request's body is read. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { UsageError } from "../errors.js";
import { HttpError } from "./http-error.js";

export interface AccessRules {
  /** Address that the server is bound to. */
  host: string;
  /** Bearer token that every request but the health check must bring; required off the loopback address. */
  token?: string;
  /** Origins of web pages that may call, such as `https://app.example`; pages of the server itself always may. */
  origins?: readonly string[];
}

/** @throws UsageError for an address that others can reach without a token. */
export function checkRules(rules: AccessRules): void {
  if (rules.token !== undefined && rules.token.length < 8)
    throw new UsageError("the token is too short: at least 8 characters are needed");
  if (rules.token !== undefined && !/^[\x21-\x7e]+$/.test(rules.token))
    throw new UsageError("the token may hold visible ASCII characters only");
  if (rules.token === undefined && !isLoopback(rules.host))
    throw new UsageError(
      `--host ${rules.host} can be reached from other machines: give a token (--token or EVOKE_TOKEN), or leave --host away`,
    );
  for (const origin of rules.origins ?? []) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new UsageError(`origin ${origin}: expected scheme and host alone, such as https://app.example`);
  }
}

/** Whether only this machine can reach an address. */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  return bare === "localhost" || bare === "::1" || /^127(\.\d{1,3}){3}$/.test(bare);
}

/** @throws HttpError 421 for a host name of others, 403 for a foreign web page. */
export function checkOrigin(request: IncomingMessage, rules: AccessRules): void {
  const { host, origin } = request.headers;
  // A page may point its own name at 127.0.0.1 (DNS rebinding): the browser then sends that name as Host.
  if (isLoopback(rules.host) && !isLoopback(hostName(host)))
    throw new HttpError(421, "this server answers to localhost only");
  if (origin === undefined || rules.origins?.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new HttpError(403, "this origin is not allowed; start the server with --allow-origin to let its pages in", {
    code: "origin_not_allowed",
  });
}

/** @throws HttpError 401 without the right token. */
export function checkToken(request: IncomingMessage, { token }: AccessRules): void {
  if (token === undefined) return;
  const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  // Equal lengths and constant time: neither tells anything about the token.
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return;
  throw new HttpError(401, "a valid API key is needed: Authorization: Bearer TOKEN", {
    code: "invalid_api_key",
    headers: { "WWW-Authenticate": "Bearer" },
  });
}

/** @throws HttpError 415 for a body that is not plain JSON; this also keeps out forms, which browsers send anywhere. */
export function checkContentType(request: IncomingMessage): void {
  const type = (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json") throw new HttpError(415, "the body must be JSON: Content-Type: application/json");
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") throw new HttpError(415, "compressed bodies are not accepted");
}

function hostName(header = ""): string {
  return header.replace(/:\d*$/, "");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
