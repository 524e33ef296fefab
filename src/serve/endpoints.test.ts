/** Responses, embeddings, tokens and adapters, with the official client and an engine whose answers are known. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BREAKS, ScriptedBackend, TOO_LONG } from "../../tests/support/scripted-backend.js";
import { REFUSED } from "./field-table.js";
import { type RunningServer, startServer } from "./server.js";

const backend = new ScriptedBackend();
let folder: string;
let server: RunningServer;
let closed: RunningServer;
let client: OpenAI;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evoke-adapters-"));
  mkdirSync(join(folder, "in", "one"), { recursive: true });
  mkdirSync(join(folder, "in", "broken"));
  mkdirSync(join(folder, "secret"));
  symlinkSync(join(folder, "secret"), join(folder, "in", "link"));
  server = await startServer(backend, { host: "127.0.0.1", port: 0, adaptersFrom: join(folder, "in") });
  closed = await startServer(new ScriptedBackend(), { host: "127.0.0.1", port: 0 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
});
afterAll(async () => {
  await server.close();
  await closed.close();
  rmSync(folder, { recursive: true });
});

async function post(path: string, body: object, url = server.url): Promise<{ status: number; text: string }> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, text: await answer.text() };
}

describe("/v1/responses", () => {
  it("answers a text or a conversation, with instructions", async () => {
    const answer = await client.responses.create({ model: "base", input: "hello you", instructions: "be brief" });
    expect(answer.output_text).toBe("bare/0: hello you");
    expect(answer).toMatchObject({ status: "completed", instructions: "be brief", store: false, model: "base" });
    expect(answer.usage).toMatchObject({ input_tokens: 2, output_tokens: 3, total_tokens: 5 });
    expect(backend.requests.at(-1)!.messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "hello you" },
    ]);
    const turns = await client.responses.create({
      model: "tuned",
      input: [
        { role: "developer", content: "d" },
        { role: "user", content: [{ type: "input_text", text: "a b" }] },
      ],
      max_output_tokens: 1,
      temperature: 0,
    });
    expect(turns.output_text).toBe("runs/tuned/0:");
    expect(turns).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
  });

  it("streams events that the client puts together", async () => {
    const stream = client.responses.stream({ model: "base", input: "one two" });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      ...Array<string>(3).fill("response.output_text.delta"),
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const whole = await stream.finalResponse();
    expect(whole.output_text).toBe("bare/0: one two");
  });

  it("tells of a failure in the middle of a stream", async () => {
    const { text } = await post("/v1/responses", { input: BREAKS, stream: true });
    expect(text.trimEnd().split("\n\n").at(-1)).toMatch(/^event: error\ndata: \{"type":"error","sequence_number":6,/);
  });

  it.each([
    [{ previous_response_id: "resp_1" }, "previous_response_id"],
    [{ tools: [{ type: "web_search" }] }, "tools"],
    [{ background: true }, "background"],
    [{ text: { format: { type: "json_object" } } }, "text"],
    [{ reasoning: { effort: "high" } }, "reasoning"],
    [{ truncation: "auto" }, "truncation"],
    [{ input: [{ role: "user", content: [{ type: "input_image", image_url: "x" }] }] }, "input"],
  ])("refuses %j", async (part, param) => {
    const { status, text } = await post("/v1/responses", { input: "x", ...part });
    expect([status, JSON.parse(text).error.param]).toEqual([400, param]);
  });
});

describe("/v1/embeddings", () => {
  it("gives the vectors of texts and of tokens, as the client asks for them", async () => {
    const answer = await client.embeddings.create({ model: "base", input: ["a b", "c"] });
    expect(answer.data.map(({ embedding }) => [...embedding].map((value) => Math.round(value * 10)))).toEqual([
      [6, 20],
      [6, 10],
    ]);
    expect(answer.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    const { text } = await post("/v1/embeddings", { input: [5, 6, 7] });
    expect(JSON.parse(text).data[0].embedding).toEqual([Math.fround(0.6), 3]);
  });

  it("refuses other sizes", async () => {
    await expect(client.embeddings.create({ model: "base", input: "a", dimensions: 2 })).rejects.toMatchObject({
      status: 400,
      param: "dimensions",
    });
  });
});

describe("/tokenize and /detokenize", () => {
  it("have the shapes of vLLM's", async () => {
    const whole = await post("/tokenize", { model: "base", prompt: "a b", return_token_strs: true });
    expect(JSON.parse(whole.text)).toEqual({
      count: 3,
      max_model_len: 1000,
      tokens: [0, 1, 2],
      token_strs: ["w0", "w1", "w2"],
    });
    const bare = await post("/tokenize", { prompt: "a b", add_special_tokens: false });
    expect(JSON.parse(bare.text)).toMatchObject({ tokens: [1, 2], token_strs: null });
    const chat = await post("/tokenize", { messages: [{ role: "user", content: "a b c" }] });
    expect(JSON.parse(chat.text).count).toBe(4);
    expect(JSON.parse((await post("/detokenize", { tokens: [4, 5] })).text)).toEqual({ prompt: "w4 w5" });
    expect((await post("/tokenize", {})).status).toBe(400);
    expect((await post("/detokenize", { tokens: [-1] })).status).toBe(400);
  });
});

describe("adapters at run time", () => {
  it("are loaded, used and unloaded", async () => {
    const loaded = await post("/v1/load_lora_adapter", { lora_name: "new", lora_path: "one" });
    expect(loaded).toEqual({ status: 200, text: "Success: LoRA adapter 'new' added successfully." });
    const answer = await client.completions.create({ model: "new", prompt: "x" });
    expect(answer.choices[0]!.text).toContain("one/0:");
    expect((await post("/v1/load_lora_adapter", { lora_name: "new", lora_path: "one" })).status).toBe(400);
    expect((await post("/v1/unload_lora_adapter", { lora_name: "new" })).status).toBe(200);
    expect((await post("/v1/unload_lora_adapter", { lora_name: "new" })).status).toBe(404);
    expect((await post("/v1/unload_lora_adapter", { lora_name: "base" })).status).toBe(404);
    await expect(client.completions.create({ model: "new", prompt: "x" })).rejects.toMatchObject({ status: 404 });
  });

  it.each(["../secret", "link", ".", "nowhere", "/etc", "broken", "one\0"])(
    "come from the folder only: not %j",
    async (path) => {
      const { status, text } = await post("/v1/load_lora_adapter", { lora_name: "x", lora_path: path });
      expect(status).toBe(400);
      expect(text).not.toContain(folder);
    },
  );

  it("are off unless the server was started for them", async () => {
    const { status } = await post("/v1/load_lora_adapter", { lora_name: "x", lora_path: "one" }, closed.url);
    expect(status).toBe(403);
  });
});

describe("limits", () => {
  it("-1 is none", async () => {
    await client.chat.completions.create({ model: "base", messages: [{ role: "user", content: "x" }], max_tokens: -1 });
    expect(backend.requests.at(-1)!.maxTokens).toBe(1e9);
  });

  it("a prompt that is too long has the code that clients look for", async () => {
    await expect(client.responses.create({ model: "base", input: TOO_LONG })).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
    });
  });
});

describe("the table of refused fields", () => {
  it("stands in the guide, field by field", () => {
    const guide = readFileSync(new URL("../../docs/guides/serving.md", import.meta.url), "utf8");
    for (const [endpoint, fields] of Object.entries(REFUSED))
      for (const field of Object.keys(fields)) expect(guide, `${endpoint}: ${field}`).toContain(`\`${field}\``);
  });

  it("takes null and values that change nothing, and ignores what it does not know", async () => {
    const fields = { guided_json: null, min_tokens: 0, ignore_eos: false, tool_choice: "auto", user: "u", store: true };
    const { status } = await post("/v1/chat/completions", { messages: [{ role: "user", content: "x" }], ...fields });
    expect(status).toBe(200);
  });
});
