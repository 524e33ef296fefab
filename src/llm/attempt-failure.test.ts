import fc from "fast-check";
import { APIConnectionError, APIError } from "openai";
import { describe, expect, it } from "vitest";
import { BadAnswerError, backOffMs, classifyFailure, retryAfter } from "./attempt-failure.js";
import { fromWire } from "./openai-wire.js";

const status = (code: number, headers: Record<string, string> = {}, body: object = {}) =>
  classifyFailure(APIError.generate(code, body, "m", new Headers(headers)), false);

describe("classifyFailure", () => {
  it.each([
    [429, "retry"],
    [408, "retry"],
    [500, "retry"],
    [503, "retry"],
    [400, "refused"],
    [422, "refused"],
    [401, "hopeless"],
    [403, "hopeless"],
    [404, "hopeless"],
  ])("HTTP %i: %s", (code, verdict) => {
    expect(status(code)).toMatchObject({ kind: `HTTP ${code}`, verdict });
  });

  it("says what a web page in place of an answer means", () => {
    const page = "<!DOCTYPE html><html><head><title>Sign in \n to Proxy</title></head><body>…</body></html>";
    const failure = classifyFailure(new APIError(502, undefined, page, new Headers()), false);
    expect(failure.message).toMatch(/^a web page \("Sign in to Proxy"\) in place of JSON: a proxy or login/);
    expect(() => fromWire(page, { maxTokens: 1 })).toThrow("a web page");
    expect(() => fromWire("{half", { maxTokens: 1 })).toThrow("malformed JSON");
  });

  it("gives up when there is no credit or the wait is long", () => {
    expect(status(429, {}, { error: { code: "insufficient_quota", message: "no credit" } }).verdict).toBe("hopeless");
    expect(status(429, { "retry-after": "86400" })).toMatchObject({ verdict: "hopeless" });
    expect(status(429, { "retry-after": "20" })).toMatchObject({ verdict: "retry", retryAfterMs: 20_000 });
  });

  it("tells timeouts, bad answers and broken connections apart", () => {
    expect(classifyFailure(new Error("aborted"), true).kind).toBe("timeout");
    expect(classifyFailure(new SyntaxError("Unexpected end"), false).kind).toBe("bad answer");
    expect(classifyFailure(new BadAnswerError("no choices"), false).kind).toBe("bad answer");
    const refused = new APIConnectionError({
      cause: new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }),
    });
    expect(classifyFailure(refused, false)).toEqual({
      kind: "connection",
      message: "connect ECONNREFUSED",
      verdict: "retry",
      serverDown: true,
    });
  });
});

describe("retryAfter", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  it.each([
    [{ "retry-after": "3" }, 3000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after": "Thu, 01 Jan 2026 00:00:07 GMT" }, 7000],
    [{ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after-ms": "250", "retry-after": "9" }, 250],
    [{}, undefined],
  ])("%j → %s ms", (headers, expected) => {
    expect(retryAfter(new Headers(headers as Record<string, string>), now)).toBe(expected);
  });
});

describe("backOffMs", () => {
  it("doubles up to eight seconds, takes off at most half, and never undercuts the server's wish", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(60_000),
        (attempt, draw, wish) => {
          const ceiling = Math.min(8000, 500 * 2 ** (attempt - 1));
          const free = backOffMs(attempt, undefined, () => draw);
          expect(free).toBeGreaterThanOrEqual(ceiling / 2);
          expect(free).toBeLessThanOrEqual(ceiling);
          expect(backOffMs(attempt, wish, () => draw)).toBeGreaterThanOrEqual(wish);
        },
      ),
    );
  });
});
