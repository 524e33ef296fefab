/** Talks to the studio's server. */
import { signal } from "@preact/signals";

const TOKEN_KEY = "evoke-studio-token";

/** Set when the server wants a token that this page lacks, or refused the one it has. */
export const tokenWanted = signal<"no" | "missing" | "wrong">("no");

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** `…/#token=TEXT` hands the token over once; it is kept for this tab and taken out of the address. */
export function takeTokenFromAddress(): void {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (token === undefined) return;
  sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(token));
  history.replaceState(null, "", "#/runs");
}

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token.trim());
  tokenWanted.value = "no";
}

export function get<T>(path: string, query: Record<string, string | string[]> = {}, abort?: AbortSignal): Promise<T> {
  return request(address(path, query), { signal: abort }).then((response) => response.json() as Promise<T>);
}

export function post<T>(path: string, body: unknown): Promise<T> {
  return request(path, jsonBody(body)).then((response) => response.json() as Promise<T>);
}

/** Reads server-sent events until the server ends or `abort`. `body`: sent as POST. */
export async function stream<T>(
  path: string,
  options: { query?: Record<string, string | string[]>; body?: unknown; abort: AbortSignal; onEvent(event: T): void },
): Promise<void> {
  const { query = {}, body, abort, onEvent } = options;
  const response = await request(address(path, query), { ...(body ? jsonBody(body) : {}), signal: abort });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) if (block.startsWith("data: ")) onEvent(JSON.parse(block.slice(6)) as T);
  }
}

function address(path: string, query: Record<string, string | string[]>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, each);
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

function jsonBody(body: unknown): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  if (response.status === 401) tokenWanted.value = token ? "wrong" : "missing";
  const answer = (await response.json().catch(() => ({}))) as { error?: unknown };
  throw new ApiError(response.status, typeof answer.error === "string" ? answer.error : `status ${response.status}`);
}
