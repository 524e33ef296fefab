/** A prompt that leaves no room for the answer asked for: a shorter one is asked for, as Self-Instruct's own code does. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { APIError } from "openai";
import { afterEach, expect, it } from "vitest";
import { classifyFailure } from "./attempt-failure.js";
import { OpenAiCompatibleModel } from "./openai-compatible.js";

let server: Server | undefined;
afterEach(() => server?.close());

/** A server with room for `room` tokens of an answer. Its answers say the limit they were asked with. */
async function start(room: number): Promise<{ url: string; asked: number[] }> {
  const asked: number[] = [];
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => {
      const { max_tokens } = JSON.parse(text) as { max_tokens: number };
      asked.push(max_tokens);
      const message =
        "This model's maximum context length is 2048 tokens. Please reduce your prompt; or completion length.";
      response.statusCode = max_tokens > room ? 400 : 200;
      response.setHeader("content-type", "application/json");
      const body =
        max_tokens > room
          ? { error: { message, type: "invalid_request_error" } }
          : { choices: [{ index: 0, text: `up to ${max_tokens}`, finish_reason: "stop" }], usage: {} };
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked };
}

it("asks for 0.8 of the answer until it fits, and counts it", async () => {
  const { url, asked } = await start(300);
  const model = new OpenAiCompatibleModel(`openai:m@${url}`, { env: {}, sleep: async () => {} });
  const [result] = await model.generate([{ prompt: "p", maxTokens: 512 }]);
  expect(asked).toEqual([512, 409, 327, 261]);
  expect(result).toMatchObject({ text: "up to 261" });
  expect(model.usage.errors).toEqual({ "context overflow": 3 });
});

it("refuses the request when no answer fits, and goes on with the others", async () => {
  const { url, asked } = await start(0);
  const model = new OpenAiCompatibleModel(`openai:m@${url}`, { env: {}, sleep: async () => {} });
  const [result] = await model.generate([{ prompt: "p", maxTokens: 3 }]);
  expect(asked).toEqual([3, 2, 1]);
  expect((result as Error).message).toMatch(/context overflow.*maximum context length/);
});

it.each([
  ["This model's maximum context length is 4097 tokens, however you requested 5000 tokens", "too long"],
  [
    "'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is 2048",
    "too long",
  ],
  ["the request exceeds the available context size (2048 tokens), try increasing it", "too long"],
  [
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 512 `max_new_tokens`",
    "too long",
  ],
  ["temperature must be between 0 and 2", "refused"],
])("takes %j for %s", (message, verdict) => {
  expect(classifyFailure(APIError.generate(400, { error: { message } }, undefined, new Headers()), false).verdict).toBe(
    verdict,
  );
});
