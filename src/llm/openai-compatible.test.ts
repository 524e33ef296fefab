import { afterEach, describe, expect, it } from "vitest";
import { FAILURES, type HostileOptions, HostileServer } from "../../tests/support/hostile-server.js";
import { UsageError } from "../errors.js";
import type { GenerateResult } from "./language-model.js";
import { OpenAiCompatibleModel, type OpenAiOptions } from "./openai-compatible.js";
import { ModelUnavailableError } from "./usage.js";

const servers: HostileServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options: HostileOptions = {}): Promise<HostileServer> {
  const server = await HostileServer.start(options);
  servers.push(server);
  return server;
}

const quick: OpenAiOptions = { env: {}, sleep: async () => {} };
const prompts = (count: number) => Array.from({ length: count }, (_, i) => ({ prompt: `p${i}`, maxTokens: 4 }));
const texts = (results: (GenerateResult | Error)[]) => results.map((r) => (r instanceof Error ? r.message : r.text));

describe("OpenAiCompatibleModel", () => {
  it("answers every prompt once, in order, from a server that fails 30 % of the calls in every way", async () => {
    const server = await start({ failRate: 0.3 });
    const model = new OpenAiCompatibleModel(`openai:m@${server.url}`, {
      ...quick,
      timeoutSeconds: 4,
      concurrency: 16,
    });
    const seen: number[] = [];
    const results = await model.generate(prompts(300), { onResult: (index) => seen.push(index) });
    expect(texts(results)).toEqual(prompts(300).map(({ prompt }) => `answer to ${prompt}`));
    expect(seen.sort((a, b) => a - b)).toEqual(prompts(300).map((_, i) => i));
    expect([...server.failures.keys()].sort()).toEqual([...FAILURES].sort());
    expect(new Set(Object.keys(model.usage.errors))).toEqual(
      new Set(["HTTP 429", "HTTP 500", "timeout", "connection", "bad answer"]),
    );
    expect(model.usage.answered).toBe(300);
    // On a busy machine a request may time out before the server has read it.
    expect(model.usage.requests).toBeGreaterThanOrEqual(server.received.length);
    expect(model.usage.promptTokens).toBe(3000);
    // The server hears of a request that timed out a moment after the client has sent the next.
    expect(server.mostUnderWay).toBeGreaterThan(8);
    expect(server.mostUnderWay).toBeLessThanOrEqual(16 + model.usage.errors.timeout!);
  });

  it("sends the parameters under the names the protocol has for them", async () => {
    const server = await start();
    const model = new OpenAiCompatibleModel(`openai:org/name@${server.url}/`, {
      ...quick,
      env: { OPENAI_API_KEY: "k-1" },
    });
    await model.generate([
      {
        prompt: "p",
        maxTokens: 7,
        temperature: 0.7,
        topP: 0.5,
        stop: ["\n"],
        presencePenalty: 2,
        seed: 3,
        topK: 4,
        logprobs: 1,
      },
      { messages: [{ role: "user", content: "hi" }], maxTokens: 9, logprobs: 5 },
    ]);
    const [completion, chat] = server.received.sort((a, b) => a.path.localeCompare(b.path));
    expect(completion).toMatchObject({ path: "/v1/chat/completions" });
    expect(completion!.body).toEqual({
      model: "org/name",
      messages: [{ role: "user", content: "hi" }],
      max_tokens: 9,
      temperature: 0,
      logprobs: true,
      top_logprobs: 5,
    });
    expect(chat!.body).toEqual({
      model: "org/name",
      prompt: "p",
      max_tokens: 7,
      temperature: 0.7,
      top_p: 0.5,
      stop: ["\n"],
      presence_penalty: 2,
      seed: 3,
      top_k: 4,
      logprobs: 1,
    });
    expect(chat!.headers.authorization).toBe("Bearer k-1");
  });

  it("sends four stop strings, which is what servers take, and ends answers at the others itself", async () => {
    const server = await start({
      answer: ({ prompt }) => ({ text: prompt, finishReason: prompt.includes("cut") ? "length" : "stop" }),
    });
    const model = new OpenAiCompatibleModel(`openai:m@${server.url}`, quick);
    const stop = ["a", "b", "c", "d", "##", "!!"];
    const ask = (prompt: string) => ({ prompt, maxTokens: 9, stop });
    const results = await model.generate([ask("xy !! z ## cut"), ask("xyz"), ask("## cut")]);
    expect(server.received.map(({ body }) => body.stop)).toEqual(Array(3).fill(["a", "b", "c", "d"]));
    expect(results).toMatchObject([
      { text: "xy ", finishReason: "stop", stopText: "!!" },
      { text: "xyz", finishReason: "stop" },
      { text: "", finishReason: "stop", stopText: "##" },
    ]);
  });

  it("sends no Authorization header without a key, and a plain prompt as a message where asked", async () => {
    const server = await start();
    const model = new OpenAiCompatibleModel(`openai:m@${server.url}`, { ...quick, api: "chat" });
    await model.generate([{ prompt: "hello", maxTokens: 3 }]);
    expect(server.received[0]!.headers.authorization).toBeUndefined();
    expect(server.received[0]!.body.messages).toEqual([{ role: "user", content: "hello" }]);
  });

  it("waits at least as long as Retry-After says", async () => {
    const server = await start({ failRate: 1, kinds: ["429"], retryAfter: "7" });
    const waits: number[] = [];
    const model = new OpenAiCompatibleModel(`openai:m@${server.url}`, {
      env: {},
      retries: 3,
      sleep: async (ms) => void waits.push(ms),
    });
    const [result] = await model.generate(prompts(1));
    expect((result as Error).message).toContain("HTTP 429");
    expect((result as Error).message).toContain("gave up after 4 attempts");
    expect(waits).toHaveLength(3);
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(7000);
  });

  it("gives up all at once when the key is refused, without showing the key", async () => {
    const { createServer } = await import("node:http");
    let hits = 0;
    const server = createServer((_, response) => {
      hits++;
      response
        .writeHead(401, { "content-type": "application/json" })
        .end('{"error":{"message":"bad key sk-secret-123"}}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const model = new OpenAiCompatibleModel(`openai:m@http://127.0.0.1:${port}/v1`, {
      ...quick,
      concurrency: 2,
      apiKeyEnv: "MY_KEY",
      env: { MY_KEY: "sk-secret-123" },
    });
    const results = await model.generate(prompts(50));
    server.close();
    expect(hits).toBeLessThanOrEqual(2);
    for (const result of results) expect(result).toBeInstanceOf(ModelUnavailableError);
    expect(texts(results).join()).not.toContain("sk-secret-123");
    expect(texts(results)[0]).toContain("HTTP 401");
  });

  it("stops at the request budget and at the token budget", async () => {
    const server = await start();
    const byRequests = new OpenAiCompatibleModel(`openai:m@${server.url}`, {
      ...quick,
      concurrency: 1,
      maxRequests: 3,
    });
    const results = await byRequests.generate(prompts(5));
    expect(results.map((r) => r instanceof ModelUnavailableError)).toEqual([false, false, false, true, true]);
    expect(server.received).toHaveLength(3);
    const byTokens = new OpenAiCompatibleModel(`openai:m@${server.url}`, {
      ...quick,
      concurrency: 1,
      maxTokens: 20,
      price: { prompt: 2, output: 8 },
    });
    expect((await byTokens.generate(prompts(5))).filter((r) => !(r instanceof Error))).toHaveLength(2);
    expect(byTokens.usage.cost).toBeCloseTo((20 * 2 + 10 * 8) / 1e6, 12);
  });

  it("loses nothing when one of several servers is dead or dies", async () => {
    const [a, b, dead] = [await start({ delayMs: 2 }), await start({ delayMs: 2 }), await HostileServer.start()];
    const deadUrl = dead.url;
    await dead.stop();
    const model = new OpenAiCompatibleModel(`openai:m@${a.url},${deadUrl},${b.url}`, {
      ...quick,
      retries: 0,
      concurrency: 6,
    });
    let done = 0;
    const results = await model.generate(prompts(120), {
      onResult: () => {
        if (++done === 40) void b.stop();
      },
    });
    servers.splice(servers.indexOf(b), 1);
    expect(texts(results)).toEqual(prompts(120).map(({ prompt }) => `answer to ${prompt}`));
    expect(a.received.length).toBeGreaterThan(60);
    expect(b.received.length).toBeGreaterThan(10);
  });

  it("stops on an abort signal", async () => {
    const server = await start({ failRate: 1, kinds: ["timeout"] });
    const controller = new AbortController();
    const model = new OpenAiCompatibleModel(`openai:m@${server.url}`, quick);
    const work = model.generate(prompts(3), { signal: controller.signal });
    await expect.poll(() => server.received.length).toBe(3);
    controller.abort(new Error("stop it"));
    expect(texts(await work)).toEqual(["stop it", "stop it", "stop it"]);
  });

  it("explains bad references and a missing key", () => {
    const make =
      (reference: string, options: OpenAiOptions = { env: {} }) =>
      () =>
        new OpenAiCompatibleModel(reference, options);
    expect(make("openai:@http://h/v1")).toThrow(UsageError);
    expect(make("openai:gpt-4")).toThrow(/OPENAI_API_KEY/);
    expect(make("openai:m@http://u:p@h/v1")).toThrow(/not into the URL/);
    expect(make("openai:m@http://u:p@h/v1")).not.toThrow(/u:p/);
    expect(make("openai:m@http://h/v1", { env: {}, apiKeyEnv: "K" })).toThrow(/environment variable K/);
    expect(make("openai:m@x@http://h/v1,http://i/v1")().id).toBe("openai:m@x@http://h/v1,http://i/v1");
  });

  it("scores by echo: tokens of the continuation alone", async () => {
    const { createServer } = await import("node:http");
    const all = ["é😀", " cat", " sat"];
    const top = [null, { " cat": -1 }, { " ran": -0.5 }];
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk) => (text += chunk));
      request.on("end", () => {
        const { prompt } = JSON.parse(text) as { prompt: string };
        const length = all.findIndex((_, i) => all.slice(0, i + 1).join("") === prompt) + 1;
        const logprobs = {
          tokens: [...all.slice(0, length), " x"],
          token_logprobs: [...[null, -1, -2].slice(0, length), -3],
          top_logprobs: [...top.slice(0, length), { " x": -3 }],
        };
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ choices: [{ text: `${prompt} x`, finish_reason: "length", logprobs }] }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const model = new OpenAiCompatibleModel(`openai:m@http://127.0.0.1:${port}/v1`, quick);
    expect(await model.score([{ context: "é😀", continuation: " cat sat" }])).toEqual([
      { logprob: -3, tokens: 2, isGreedy: false },
    ]);
    expect(await model.score([{ context: "é😀", continuation: " cat" }])).toEqual([
      { logprob: -1, tokens: 1, isGreedy: true },
    ]);
    server.close();
  });
});
