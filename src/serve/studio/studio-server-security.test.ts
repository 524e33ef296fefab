/** The studio over real HTTP: who may come in, how far, and what it survives. */
import { symlinkSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ask } from "../../../tests/support/http-ask.js";
import { writeReport, writeRun } from "../../../tests/support/studio-folder.js";
import { post, studioForTests } from "../../../tests/support/studio-server.js";

const TOKEN = "correct-horse-battery";
const { base, start } = studioForTests();

describe("who may come in", () => {
  it("does not start on an address of others without a token", async () => {
    await expect(start({ host: "0.0.0.0" })).rejects.toThrow(/token/);
  });

  it("wants the token for everything but its pages, which hold no data", async () => {
    const { port } = await start({ token: TOKEN });
    expect((await ask(port, "/")).status).toBe(200);
    const strangers: Record<string, string>[] = [
      {},
      { Authorization: "Bearer wrong-wrong" },
      { Authorization: TOKEN },
      { Cookie: `token=${TOKEN}` },
    ];
    for (const headers of strangers) expect((await ask(port, "/api/catalogue", { headers })).status).toBe(401);
    expect((await ask(port, `/api/catalogue?token=${TOKEN}`)).status).toBe(401);
    expect((await ask(port, "/api/catalogue", { headers: { Authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
  });

  it.each([
    [{ Origin: "https://evil.example" }, 403],
    [{ Origin: "null" }, 403],
    [{ Host: "evil.example" }, 421],
    [{ Host: "127.0.0.1.evil.example" }, 421],
  ])("refuses pages of others: %j", async (headers, status) => {
    const { port } = await start();
    for (const path of ["/", "/api/catalogue", "/api/events"])
      expect((await ask(port, path, { headers })).status).toBe(status);
    const train = { headers: { ...headers, "Content-Type": "application/json" }, body: "{}" };
    expect((await ask(port, "/api/train", train)).status).toBe(status);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"])(
    "takes no body of type %j",
    async (type) => {
      const { port } = await start();
      const headers: Record<string, string> = type ? { "Content-Type": type } : {};
      expect((await ask(port, "/api/train", { headers, body: "{}" })).status).toBe(415);
    },
  );

  it("refuses a body of 100 MB before it has come, announced or not", async () => {
    const { port } = await start();
    const headers = { "Content-Type": "application/json", "Content-Length": String(100 << 20) };
    const announced = await new Promise<number>((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path: "/api/chat", method: "POST", headers, agent: false };
      const request = httpRequest(options, (response) => {
        resolve(response.statusCode!);
        request.destroy();
      });
      request.on("error", reject);
      request.flushHeaders();
    });
    expect(announced).toBe(413);
    const streamed = await new Promise<number>((resolve) => {
      const options = {
        host: "127.0.0.1",
        port,
        path: "/api/chat",
        method: "POST",
        headers: { "Content-Type": "application/json" },
        agent: false,
      };
      const request = httpRequest(options, (response) => {
        resolve(response.statusCode!);
        request.destroy();
      });
      request.on("error", () => {});
      const block = Buffer.alloc(1 << 20, "a");
      for (let i = 0; i < 100; i++) request.write(block);
    });
    expect(streamed).toBe(413);
    expect((await ask(port, "/api/session")).status).toBe(200);
  });

  it("reaches no file by any path", async () => {
    const { port, runs } = await start();
    writeFileSync(join(base, "outside.jsonl"), '{"secret":1}\n');
    symlinkSync(join(base, "outside.jsonl"), join(runs, "in.jsonl"));
    symlinkSync(base, join(runs, "up"));
    const ways = [
      "../outside.jsonl",
      "in.jsonl",
      "up/outside.jsonl",
      "/etc/passwd",
      "..%2foutside.jsonl",
      "up/own/rows.jsonl",
    ];
    for (const way of ways) {
      for (const route of ["samples", "run", "metrics", "experiment"])
        expect((await ask(port, `/api/${route}?id=${encodeURIComponent(way)}`)).status).toBe(404);
      expect((await post(port, "/api/report", { id: way })).status).toBe(404);
    }
    for (const path of [
      "/../package.json",
      "/..%2fpackage.json",
      "/studio.js/../../secret.yaml",
      "/report/../secret.yaml",
      "//etc/passwd",
    ]) {
      const answer = await ask(port, path);
      expect(answer.status).toBe(404);
      expect(answer.text).not.toContain("hunter22");
    }
  });

  it("lives through requests that are cut off or no HTTP", async () => {
    const { port } = await start();
    const raw = (bytes: string): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1", () =>
          socket.write(bytes, () => setTimeout(() => socket.destroy(), 20)),
        );
        socket.on("close", () => resolve());
        socket.on("error", () => resolve());
      });
    const head = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    await raw(`${head}Content-Length: 5000\r\n\r\n{"colu`);
    await raw(`${head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`);
    await raw("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await raw("\0\0\0\0 nonsense\r\n\r\n");
    expect((await ask(port, "/api/session")).status).toBe(200);
  });

  it("answers random requests with a status of its own, never 500", async () => {
    const { port, runs } = await start();
    writeRun(join(runs, "a"), { mode: "it", steps: 3 });
    const path = fc.constantFrom(
      "samples",
      "run",
      "metrics",
      "experiment",
      "train",
      "cancel",
      "resume",
      "report",
      "chat",
      "models",
    );
    const value = fc.oneof(
      fc.string(),
      fc.jsonValue().map((each) => JSON.stringify(each)),
    );
    await fc.assert(
      fc.asyncProperty(path, value, fc.boolean(), async (name, text, writes) => {
        const answer = writes
          ? await ask(port, `/api/${name}`, { body: text, headers: { "Content-Type": "application/json" } })
          : await ask(port, `/api/${name}?id=${encodeURIComponent(text)}&offset=${encodeURIComponent(text)}`);
        expect([200, 400, 404, 405, 409]).toContain(answer.status);
      }),
      { numRuns: 150 },
    );
  });

  it("logs neither queries nor keys of reports", async () => {
    const { port, runs, lines } = await start({ token: TOKEN });
    writeReport(join(runs, "x"));
    const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
    const { url } = JSON.parse((await ask(port, "/api/report", { headers, body: '{"id":"x"}' })).text);
    await ask(port, url);
    await ask(port, "/api/samples?id=private.jsonl&search=secret-word", { headers });
    const said = lines.join("\n");
    expect(said).toContain("/api/samples 404");
    for (const secret of [TOKEN, url, "private", "secret-word"]) expect(said).not.toContain(secret);
  });
});
