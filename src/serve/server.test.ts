/** Access, limits, hostile requests and the end of the server, over real HTTP. */
import { connect } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type Answer, ask as send } from "../../tests/support/http-ask.js";
import { ScriptedBackend } from "../../tests/support/scripted-backend.js";
import { type RunningServer, type ServeOptions, startServer } from "./server.js";

const TOKEN = "correct-horse-battery";
const running: RunningServer[] = [];

async function start(options: Partial<ServeOptions> = {}) {
  const backend = new ScriptedBackend();
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const server = await startServer(backend, { host: "127.0.0.1", port: 0, log, ...options });
  running.push(server);
  const port = Number(new URL(server.url).port);
  return { backend, server, lines, port };
}

afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

const ask = (
  port: number,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
  method?: string,
): Promise<Answer> => send(port, path, { headers, body, method });

const JSON_TYPE = { "Content-Type": "application/json" };
const CHAT = "/v1/chat/completions";
const hello = JSON.stringify({ messages: [{ role: "user", content: "hello" }] });

/** Writes bytes to the socket, cuts our side of it, and gives what comes back until the server closes. */
function raw(port: number, bytes: string, cut = true): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("close", () => resolve(text));
    socket.on("error", () => {});
    socket.write(bytes, "latin1");
    if (cut) socket.end();
  });
}

describe("access", () => {
  it.each(["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])(
    "refuses to listen on %s without a token",
    async (host) => {
      await expect(start({ host })).rejects.toThrow(/can be reached from other machines: give a token/);
    },
  );

  it("refuses weak tokens, strange origins and a port that is taken, with one line", async () => {
    await expect(start({ token: "short" })).rejects.toThrow(/too short/);
    await expect(start({ token: "with a space" })).rejects.toThrow(/visible ASCII/);
    await expect(start({ origins: ["https://app.example/path"] })).rejects.toThrow(/scheme and host alone/);
    const { port } = await start();
    await expect(start({ port })).rejects.toThrow(`cannot listen on 127.0.0.1:${port}: the port is taken`);
  });

  it("wants the token everywhere but at the health check", async () => {
    const { port, lines } = await start({ host: "0.0.0.0", token: TOKEN });
    expect((await ask(port, "/health")).text).toBe('{"status":"ok"}');
    for (const path of ["/v1/models", "/metrics", "/nowhere"])
      for (const given of [undefined, "Bearer", "Bearer wrong", `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN]) {
        const answer = await ask(port, path, given === undefined ? {} : { Authorization: given });
        expect(answer.status, `${path} ${given}`).toBe(401);
        expect(answer.text).toContain("invalid_api_key");
      }
    const answer = await ask(port, CHAT, { ...JSON_TYPE, Authorization: `Bearer ${TOKEN}` }, hello);
    expect(answer.status).toBe(200);
    expect(lines.join("\n")).not.toContain(TOKEN);
    expect(lines.join("\n")).not.toContain("hello");
  });

  it("lets in pages of its own and of the named origins, no others", async () => {
    const { port, backend } = await start({ origins: ["https://app.example"] });
    for (const origin of ["https://evil.example", "null", "https://app.example.evil.example", "http://127.0.0.1"]) {
      expect((await ask(port, CHAT, { ...JSON_TYPE, Origin: origin }, hello)).status, origin).toBe(403);
      const preflight = await ask(port, CHAT, { Origin: origin }, undefined, "OPTIONS");
      expect(preflight.status).toBe(403);
      expect(preflight.headers["access-control-allow-origin"]).toBeUndefined();
    }
    expect(backend.requests).toEqual([]);
    const allowed = await ask(port, CHAT, { ...JSON_TYPE, Origin: "https://app.example" }, hello);
    expect([allowed.status, allowed.headers["access-control-allow-origin"]]).toEqual([200, "https://app.example"]);
    const asked = { Origin: "https://app.example", "Access-Control-Request-Headers": "x-stainless-lang" };
    const preflight = await ask(port, CHAT, asked, undefined, "OPTIONS");
    expect([preflight.status, preflight.headers["access-control-allow-headers"]]).toEqual([204, "x-stainless-lang"]);
    expect((await ask(port, CHAT, { ...JSON_TYPE, Origin: `http://127.0.0.1:${port}` }, hello)).status).toBe(200);
  });

  it("answers to this machine's names only, against DNS rebinding", async () => {
    const { port } = await start();
    expect((await ask(port, "/v1/models", { Host: `evil.example:${port}` })).status).toBe(421);
    expect((await ask(port, "/v1/models", { Host: `localhost:${port}` })).status).toBe(200);
    expect((await ask(port, "/v1/models", { Host: `[::1]:${port}` })).status).toBe(200);
  });
});

describe("hostile requests", () => {
  it("refuses each with its own status and goes on", async () => {
    const { port, backend } = await start();
    const cases: [number, string, Record<string, string>, string | Buffer | undefined, string?][] = [
      [404, "/../../etc/passwd", {}, undefined],
      [404, "/%2e%2e/%2e%2e/etc/passwd", {}, undefined],
      [404, "/v1/models/..%2f..%2fetc%2fpasswd", {}, undefined],
      [400, "/v1/models/%zz", {}, undefined],
      [404, "/v1/nothing", JSON_TYPE, "{}"],
      [404, "/", {}, undefined, "DELETE"],
      [404, "/v1/responses/resp_1", {}, undefined],
      [405, CHAT, {}, undefined],
      [405, "/v1/models", JSON_TYPE, "{}"],
      [405, CHAT, JSON_TYPE, hello, "PUT"],
      [415, CHAT, {}, hello],
      [415, CHAT, { "Content-Type": "text/plain" }, hello],
      [415, CHAT, { "Content-Type": "application/x-www-form-urlencoded" }, hello],
      [415, CHAT, { ...JSON_TYPE, "Content-Encoding": "gzip" }, hello],
      [400, CHAT, JSON_TYPE, ""],
      [400, CHAT, JSON_TYPE, "{"],
      [400, CHAT, JSON_TYPE, Buffer.from([0x22, 0xff, 0x22])],
      [400, CHAT, JSON_TYPE, "null"],
      [400, CHAT, JSON_TYPE, "[]"],
      [400, CHAT, JSON_TYPE, `${"[".repeat(200_000)}`],
      [400, CHAT, JSON_TYPE, '{"__proto__":{"messages":[]}}'],
      [400, "/v1/completions", JSON_TYPE, JSON.stringify({ prompt: Array(10_000).fill("x") })],
    ];
    for (const [status, path, headers, body, method] of cases) {
      const answer = await ask(port, path, headers, body, method);
      expect(answer.status, `${method} ${path} ${JSON.stringify(headers)} ${String(body).slice(0, 40)}`).toBe(status);
      expect(JSON.parse(answer.text)).toMatchObject({ error: { message: expect.any(String) } });
      expect(answer.text).not.toContain("root:");
    }
    expect(backend.requests).toEqual([]);
    expect((await ask(port, CHAT, JSON_TYPE, hello)).status).toBe(200);
  });

  it("refuses a body of 100 MB without holding it, announced or not", async () => {
    const { port } = await start();
    const large = Buffer.alloc(100_000_000, 0x20);
    const before = process.memoryUsage().arrayBuffers;
    expect((await ask(port, CHAT, JSON_TYPE, large)).status).toBe(413);
    expect((await ask(port, CHAT, { ...JSON_TYPE, "Transfer-Encoding": "chunked" }, large)).status).toBe(413);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60_000_000);
    const waiting = { ...JSON_TYPE, Expect: "100-continue", "Content-Length": "100000000" };
    const head = Object.entries(waiting).map(([name, value]) => `${name}: ${value}\r\n`);
    const answer = await raw(port, `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\n${head.join("")}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    const small = `Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${hello.length}\r\n`;
    const both = await raw(
      port,
      `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${small}\r\n${hello}`,
      false,
    );
    expect(both).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });

  it("keeps to its limits on headers", async () => {
    const { port } = await start();
    const answer = await raw(port, `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    const twoLengths = "Content-Length: 5\r\nContent-Length: 6\r\n";
    expect(await raw(port, `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\n${twoLengths}\r\nhello`)).toMatch(/ 400 /);
  });

  it("survives connections that are cut or send noise", async () => {
    const { port, backend } = await start();
    const heads = ["", "GET", "GET / HTTP/1.1\r\n", `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\n`];
    const half = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"mess`;
    for (const bytes of [...heads, half, "\x16\x03\x01\x02", "\0".repeat(1000)]) await raw(port, bytes);
    expect(backend.requests).toEqual([]);
    expect((await ask(port, "/health")).status).toBe(200);
  });

  it("answers any JSON with a status of its own, never with an internal error", async () => {
    const { port } = await start();
    const field = fc.constantFrom(
      "messages",
      "prompt",
      "n",
      "stop",
      "max_tokens",
      "stream",
      "logprobs",
      "tools",
      "echo",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(CHAT, "/v1/completions"),
        fc.oneof(fc.jsonValue(), fc.dictionary(field, fc.jsonValue())),
        async (path, body) => {
          const { status, text } = await ask(port, path, JSON_TYPE, JSON.stringify(body));
          expect([200, 400, 404]).toContain(status);
          if (status === 400) expect(JSON.parse(text).error.message).not.toBe("");
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("connections", () => {
  it("lets a client go that does not read, stops its answer, and counts it", async () => {
    const { port, backend } = await start({ unreadMs: 50, maxBodyBytes: 64 << 20 });
    // More than the system holds for a connection (Linux lets a receiver's buffer grow to 32 MB), in so many words that the
    // answer is still being written when the client is let go.
    const prompt = `${"x".repeat(1_000)} `.repeat(60_000);
    const body = JSON.stringify({ prompt, max_tokens: 1_000_000, stream: true });
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`);
    socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
    socket.pause();
    await expect.poll(() => backend.aborted).toBe(1);
    expect((await ask(port, "/metrics")).text).toMatch(/evoke_connections_unread_total [1-9]/);
    socket.resume();
    await closed;
    expect((await ask(port, CHAT, JSON_TYPE, hello)).status).toBe(200);
  });

  it("does not take a slow answer for an unread one", async () => {
    const { port, backend } = await start({ unreadMs: 20 });
    backend.hold();
    const answer = ask(port, CHAT, JSON_TYPE, hello);
    await new Promise((resolve) => setTimeout(resolve, 100));
    backend.go();
    expect((await answer).status).toBe(200);
  });

  it("makes room among idle and slow ones, of which there are more than its bound", async () => {
    const { port } = await start();
    const half = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`;
    const sockets = [];
    for (let i = 0; i < 1_300; i++) {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      await new Promise((resolve) => socket.once("connect", resolve));
      if (i % 3 > 0) socket.write(i % 3 === 1 ? half : "GET /hea");
      sockets.push(socket);
      if (i % 300 === 0) expect((await ask(port, CHAT, JSON_TYPE, hello)).status).toBe(200);
    }
    expect((await ask(port, CHAT, JSON_TYPE, hello)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });
});

describe("the queue", () => {
  it("refuses what would wait too long with 429 and Retry-After, then takes requests again", async () => {
    const { port, backend } = await start({ maxQueue: 2 });
    backend.hold();
    const taken = Array.from({ length: 6 }, () => ask(port, CHAT, JSON_TYPE, hello));
    await expect.poll(async () => (await ask(port, "/metrics")).text).toMatch(/evoke_answers_waiting 2\n/);
    expect(backend.running).toBe(4); // the others have not reached the engine
    const refused = await ask(port, CHAT, JSON_TYPE, hello);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    const figures = (await ask(port, "/metrics")).text;
    expect(figures).toMatch(/evoke_answers_running 4\n/);
    expect(figures).toMatch(/evoke_answers_waiting 2\n/);
    backend.go();
    expect((await Promise.all(taken)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect((await ask(port, CHAT, JSON_TYPE, hello)).status).toBe(200);
    const after = (await ask(port, "/metrics")).text;
    expect(after).toMatch(/evoke_http_requests_total\{route="\/v1\/chat\/completions",status="429"\} 1\n/);
    expect(after).toMatch(/evoke_tokens_total\{kind="output",model="base"\} 14\n/);
  });

  it("refuses more answers than there are places, and counts first and further answers apart", async () => {
    const { port, backend } = await start({ maxQueue: 4 });
    const complete = (body: object) =>
      ask(port, "/v1/completions", JSON_TYPE, JSON.stringify({ prompt: "x", ...body }));
    const tooMany = await complete({ prompt: ["x", "y", "z"], n: 3 });
    expect(tooMany.status).toBe(400);
    expect(JSON.parse(tooMany.text).error).toMatchObject({ code: "too_many_answers", param: "n" });
    backend.hold();
    const large = complete({ n: 8 });
    await expect.poll(() => backend.running).toBe(4);
    expect((await complete({ n: 3 })).status).toBe(429);
    const small = Array.from({ length: 7 }, () => complete({}));
    await expect.poll(async () => (await ask(port, "/metrics")).text).toMatch(/evoke_answers_waiting 11\n/);
    expect((await complete({})).status).toBe(429);
    backend.go();
    for (const answer of await Promise.all([large, ...small])) expect(answer.status).toBe(200);
  });

  it("gives a free place to the request that has the fewest", async () => {
    const { port, backend } = await start();
    const complete = (body: object) => ask(port, "/v1/completions", JSON_TYPE, JSON.stringify(body));
    backend.hold();
    const large = complete({ prompt: "many", n: 40 });
    await expect.poll(() => backend.running).toBe(4);
    const small = ["a", "b", "c", "d"].map((prompt) => complete({ prompt }));
    await expect.poll(async () => (await ask(port, "/metrics")).text).toMatch(/evoke_answers_waiting 40\n/);
    backend.go();
    await Promise.all([large, ...small]);
    const order = backend.requests.map(({ prompt }) => prompt);
    expect(order.slice(0, 4)).toEqual(Array(4).fill("many"));
    // One of the large request's may come between, when small ones have ended already.
    expect(order.slice(4, 12)).toEqual(expect.arrayContaining(["a", "b", "c", "d"]));
  });
});

describe("shutting down", () => {
  it("finishes running answers, takes no new ones, and frees the port", async () => {
    const { port, backend, server } = await start();
    backend.hold();
    const whole = ask(port, CHAT, JSON_TYPE, hello);
    const streamed = ask(port, CHAT, JSON_TYPE, JSON.stringify({ ...JSON.parse(hello), stream: true }));
    await expect.poll(() => backend.running).toBe(2);
    let over = false;
    const closing = server.close().then(() => (over = true));
    await expect(ask(port, "/health")).rejects.toThrow("ECONNREFUSED");
    expect(over).toBe(false);
    backend.go();
    expect(JSON.parse((await whole).text).choices[0].message.content).toBe("bare/0: hello");
    expect((await streamed).text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    await closing;
    expect(backend.requests).toHaveLength(2);
    await start({ port });
  });

  it("ends bodies that are still on their way, at once", async () => {
    const { port, server } = await start();
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n`;
    const socket = connect(port, "127.0.0.1");
    let said = "";
    socket.on("data", (part) => (said += part.toString()));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(`${head}Expect: 100-continue\r\n\r\n`);
    await expect.poll(() => said).toMatch(/100 Continue/); // now the body is waited for
    socket.write('{"mess');
    await server.close();
    await closed;
    expect(said).toMatch(/HTTP\/1\.1 503 /);
  });

  it("breaks off what is left when its patience ends", async () => {
    const { port, backend, server } = await start();
    backend.hold();
    const whole = ask(port, CHAT, JSON_TYPE, hello);
    const streamed = ask(port, "/v1/completions", JSON_TYPE, JSON.stringify({ prompt: "x", stream: true, echo: true }));
    const waiting = Array.from({ length: 6 }, () => ask(port, CHAT, JSON_TYPE, hello));
    await expect.poll(async () => (await ask(port, "/metrics")).text).toMatch(/evoke_answers_waiting 4\n/);
    await server.close(0);
    for (const { status } of await Promise.all([whole, ...waiting])) expect(status).toBe(503);
    expect((await streamed).text).toMatch(/"text":"x".*shutting down/s);
    expect((await streamed).text).not.toContain("[DONE]");
    expect(backend.running).toBe(0);
  });

  it("does not wait for connections that are only kept alive", async () => {
    const { server } = await start();
    await (await fetch(`${server.url}/health`)).text();
    await server.close();
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  });
});
