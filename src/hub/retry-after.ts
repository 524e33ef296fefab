/** Seconds that an answer asks to wait before the next request: `Retry-After`, else the Hub's `RateLimit` (`t`). */
export function retryAfter(headers: Headers): number | undefined {
  const after = headers.get("retry-after")?.trim();
  if (after && /^\d+(\.\d+)?$/.test(after)) return Number(after);
  const date = after ? Date.parse(after) : Number.NaN;
  if (!Number.isNaN(date)) return Math.max(0, (date - Date.now()) / 1000);
  const reset = /(?:^|[;,\s])t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
  return reset === undefined ? undefined : Number(reset);
}

/** Longest pause in seconds that is waited for; a server that asks for more is given up. */
export const LONGEST_PAUSE = 300;
