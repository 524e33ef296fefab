/** The Vercel AI SDK against the server over real HTTP, with an engine whose answers are known. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { ScriptedBackend } from "../../tests/support/scripted-backend.js";
import { type RunningServer, startServer } from "./server.js";

const backend = new ScriptedBackend();
const token = "open-sesame";
let server: RunningServer;
let provider: ReturnType<typeof createOpenAICompatible>;

beforeAll(async () => {
  server = await startServer(backend, { host: "127.0.0.1", port: 0, token });
  provider = createOpenAICompatible({
    name: "evoke",
    baseURL: `${server.url}/v1`,
    apiKey: token,
    includeUsage: true,
  });
});
afterAll(() => server.close());

describe("the Vercel AI SDK", () => {
  it("generates text with the model and with its adapter", async () => {
    const { text, usage, finishReason } = await generateText({
      model: provider("base"),
      system: "be brief",
      prompt: "hello you",
      temperature: 0.5,
      seed: 4,
      maxOutputTokens: 9,
      stopSequences: ["END"],
    });
    expect({ text, finishReason }).toEqual({ text: "bare/0: hello you", finishReason: "stop" });
    expect(usage).toMatchObject({ inputTokens: 2, outputTokens: 3, totalTokens: 5 });
    expect(backend.requests.at(-1)).toMatchObject({
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "hello you" },
      ],
      temperature: 0.5,
      seed: 4,
      maxTokens: 9,
      stop: ["END"],
    });
    const tuned = await generateText({ model: provider("tuned"), prompt: "hello" });
    expect(tuned.text).toBe("runs/tuned/0: hello");
  });

  it("streams text piece by piece", async () => {
    const { textStream, usage, finishReason } = streamText({ model: provider("base"), prompt: "one two" });
    const pieces: string[] = [];
    for await (const piece of textStream) pieces.push(piece);
    expect(pieces).toEqual(["bare/0:", " one", " two"]);
    expect(await finishReason).toBe("stop");
    expect(await usage).toMatchObject({ inputTokens: 2, outputTokens: 3 });
  });

  it("completes plain text", async () => {
    const { text, finishReason } = await generateText({
      model: provider.completionModel("base"),
      prompt: "a b c",
      maxOutputTokens: 2,
    });
    expect(text).toMatch(/^bare\/0: /);
    expect(finishReason).toBe("length");
  });

  it("is told plainly that tools and JSON formats are not offered", async () => {
    const tools = { clock: tool({ description: "the time", inputSchema: z.object({}) }) };
    await expect(generateText({ model: provider("base"), prompt: "x", tools })).rejects.toThrow(
      "tools are not supported by this server",
    );
    const errors: unknown[] = [];
    const stream = streamText({
      model: provider("base"),
      prompt: "x",
      tools,
      onError: ({ error }) => void errors.push(error),
    });
    await stream.consumeStream();
    expect(String(errors[0])).toContain("tools are not supported by this server");
  });

  it("is refused without the token", async () => {
    const stranger = createOpenAICompatible({ name: "evoke", baseURL: `${server.url}/v1`, apiKey: "wrong-token" });
    await expect(generateText({ model: stranger("base"), prompt: "x", maxRetries: 0 })).rejects.toMatchObject({
      statusCode: 401,
    });
  });
});
