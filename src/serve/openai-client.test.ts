/** The official client against the server over real HTTP, with an engine whose answers are known. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BREAKS, ScriptedBackend, SECRET_PATH, TOO_LONG } from "../../tests/support/scripted-backend.js";
import { type RunningServer, startServer } from "./server.js";

const backend = new ScriptedBackend();
const lines: string[] = [];
let server: RunningServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startServer(backend, { host: "127.0.0.1", port: 0, maxQueue: 200, log: (line) => lines.push(line) });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
});
afterAll(() => server.close());

const user = (content: string) => [{ role: "user" as const, content }];

describe("the openai client", () => {
  it("lists and finds models", async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(["base", "tuned"]);
    expect((await client.models.retrieve("tuned")).id).toBe("tuned");
    await expect(client.models.retrieve("../../etc/passwd")).rejects.toMatchObject({ status: 404 });
  });

  it("chats with the model and with its adapter", async () => {
    const answer = await client.chat.completions.create({ model: "base", messages: user("hello you") });
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: { role: "assistant", content: "bare/0: hello you", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ]);
    expect(answer.usage).toEqual({ prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 });
    const tuned = await client.chat.completions.create({ model: "tuned", messages: user("hello you") });
    expect(tuned.choices[0]!.message.content).toBe("runs/tuned/0: hello you");
  });

  it("passes every sampling field on", async () => {
    await client.chat.completions.create({
      model: "base",
      messages: [
        { role: "developer", content: "be brief" },
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
      ],
      max_completion_tokens: 7,
      temperature: 0.5,
      top_p: 0.9,
      stop: "END",
      seed: 3,
      presence_penalty: 1,
      frequency_penalty: -1,
      n: 2,
    });
    expect(backend.requests.at(-1)).toEqual({
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "ab" },
      ],
      maxTokens: 7,
      temperature: 0.5,
      topP: 0.9,
      stop: ["END"],
      seed: 3,
      presencePenalty: 1,
      frequencyPenalty: -1,
      n: 1,
      firstAnswer: 1,
      adapter: null,
      trial: 0,
    });
  });

  it("streams several choices, with usage at the end", async () => {
    const stream = await client.chat.completions.create({
      model: "base",
      messages: user("one two"),
      n: 2,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts = ["", ""];
    const reasons: (string | null)[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      for (const { index, delta, finish_reason } of chunk.choices) {
        texts[index] += delta.content ?? "";
        if (finish_reason) reasons[index] = finish_reason;
      }
      usage = chunk.usage ?? usage;
    }
    expect(texts).toEqual(["bare/0: one two", "bare/1: one two"]);
    expect(reasons).toEqual(["stop", "stop"]);
    expect(usage).toEqual({ prompt_tokens: 2, completion_tokens: 6, total_tokens: 8 });
  });

  it("gives log-probabilities, streamed or not", async () => {
    const body = {
      model: "base",
      messages: user("hé"),
      max_tokens: 2,
      logprobs: true,
      top_logprobs: 2,
    };
    const expected = [
      {
        token: "bare/0:",
        logprob: -0.5,
        bytes: [98, 97, 114, 101, 47, 48, 58],
        top_logprobs: [
          { token: "bare/0:", logprob: -0.5, bytes: [98, 97, 114, 101, 47, 48, 58] },
          { token: "other", logprob: -1.5, bytes: [111, 116, 104, 101, 114] },
        ],
      },
      {
        token: " hé",
        logprob: -0.5,
        bytes: [32, 104, 195, 169],
        top_logprobs: [
          { token: " hé", logprob: -0.5, bytes: [32, 104, 195, 169] },
          { token: "other", logprob: -1.5, bytes: [111, 116, 104, 101, 114] },
        ],
      },
    ];
    const whole = await client.chat.completions.create(body);
    expect(whole.choices[0]!.logprobs!.content).toEqual(expected);
    const streamed = await client.chat.completions.stream(body).finalChatCompletion();
    expect(streamed.choices[0]!.logprobs!.content).toEqual(expected);
    expect(streamed.choices[0]!.message.content).toBe("bare/0: hé");
    const chunks: [string, unknown][] = [];
    for await (const { choices } of await client.chat.completions.create({ ...body, stream: true }))
      if (choices[0]?.logprobs?.content) chunks.push([choices[0].delta.content!, choices[0].logprobs.content]);
    expect(chunks).toEqual([
      ["bare/0:", [expected[0]]],
      [" hé", [expected[1]]],
    ]);
  });

  it("completes several prompts, texts or tokens, each with n answers", async () => {
    const answer = await client.completions.create({ model: "base", prompt: ["a", "b"], n: 2, max_tokens: 9 });
    expect(answer.choices.map(({ index, text }) => [index, text])).toEqual([
      [0, "bare/0: a"],
      [1, "bare/1: a"],
      [2, "bare/0: b"],
      [3, "bare/1: b"],
    ]);
    const tokens = await client.completions.create({ model: "base", prompt: [5, 6], max_tokens: 9 });
    expect(tokens.choices[0]!.text).toBe("bare/0: 5 6");
    const lists = await client.completions.create({ model: "base", prompt: [[5], [6]], max_tokens: 1 });
    expect(lists.choices.map(({ finish_reason }) => finish_reason)).toEqual(["length", "length"]);
  });

  it("echoes a prompt with its log-probabilities, offsets in characters", async () => {
    const answer = await client.completions.create({
      model: "base",
      prompt: "a b",
      echo: true,
      logprobs: 1,
      max_tokens: 1,
    });
    const [choice] = answer.choices;
    expect(choice!.text).toBe("a bbare/0:");
    expect(choice!.logprobs).toEqual({
      tokens: ["😀.", "w1", "bare/0:"],
      token_logprobs: [null, -0.5, -0.5],
      top_logprobs: [null, { w1: -0.5 }, { "bare/0:": -0.5 }],
      text_offset: [0, 2, 4],
    });
    const alone = await client.completions.create({ model: "base", prompt: "a b", echo: true, max_tokens: 0 });
    expect(alone.choices[0]!.text).toBe("a b");
    expect(alone.usage).toEqual({ prompt_tokens: 2, completion_tokens: 0, total_tokens: 2 });
    const streamed: [string, string[], number[]][] = [];
    for await (const { choices } of await client.completions.create({
      model: "base",
      prompt: "a b",
      echo: true,
      logprobs: 1,
      max_tokens: 2,
      stream: true,
    }))
      if (choices[0]?.text)
        streamed.push([choices[0].text, choices[0].logprobs!.tokens!, choices[0].logprobs!.text_offset!]);
    expect(streamed).toEqual([
      ["a b", ["😀.", "w1"], [0, 2]],
      ["bare/0:", ["bare/0:"], [4]],
      [" a", [" a"], [11]],
    ]);
  });

  it.each([
    [{ tools: [{ type: "function" as const, function: { name: "f" } }] }, "tools"],
    [{ response_format: { type: "json_object" as const } }, "response_format"],
    [{ logit_bias: { 5: 1 } }, "logit_bias"],
    [{ messages: [{ role: "tool" as const, tool_call_id: "1", content: "x" }] }, "messages[0]"],
    [{ messages: [] }, "messages"],
    [{ n: 0 }, "n"],
    [{ temperature: 3 }, "temperature"],
    [{ top_logprobs: 3 }, "top_logprobs"],
    [{ messages: user(TOO_LONG) }, null],
    [{ guided_json: {} }, "guided_json"],
    [{ stop_token_ids: [1] }, "stop_token_ids"],
    [{ min_tokens: 3 }, "min_tokens"],
    [{ ignore_eos: true }, "ignore_eos"],
    [{ prompt_logprobs: 0 }, "prompt_logprobs"],
    [{ continue_final_message: true }, "continue_final_message"],
    [{ max_tokens: -2 }, "max_tokens"],
  ])("refuses %j with 400 and the field's name", async (part, param) => {
    const body = { model: "base", messages: user("x"), ...part };
    await expect(client.chat.completions.create(body)).rejects.toMatchObject({ status: 400, param });
    await expect(client.chat.completions.create({ ...body, stream: true })).rejects.toMatchObject({ status: 400 });
  });

  it("says plainly that tools are not offered, and accepts an empty list of them", async () => {
    const tools = [{ type: "function" as const, function: { name: "f" } }];
    await expect(client.chat.completions.create({ model: "base", messages: user("x"), tools })).rejects.toThrow(
      "400 tools are not supported by this server",
    );
    const answer = await client.chat.completions.create({ model: "base", messages: user("x"), tools: [] });
    expect(answer.choices[0]!.message.content).toBe("bare/0: x");
  });

  it("names the models it has when another is asked for", async () => {
    await expect(client.chat.completions.create({ model: "gpt", messages: user("x") })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      message: expect.stringContaining("base, tuned"),
    });
  });

  it("keeps what broke inside to the log", async () => {
    const broken = client.chat.completions.create({ model: "base", messages: user(BREAKS) });
    const error = await broken.then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ status: 500 });
    expect(error!.message).not.toContain(SECRET_PATH);
    expect(lines.join("\n")).toContain(SECRET_PATH);
    const stream = await client.chat.completions.create({ model: "base", messages: user(BREAKS), stream: true });
    let text = "";
    const read = async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    };
    await expect(read()).rejects.toThrow("the model failed to answer");
    expect(text).toBe("bare/0: break");
  });

  it("stops writing when the client leaves mid-stream", async () => {
    const before = backend.aborted;
    const stream = await client.chat.completions.create({
      model: "base",
      messages: user(Array.from({ length: 5000 }, (_, i) => i).join(" ")),
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    await expect.poll(() => [backend.aborted, backend.running]).toEqual([before + 1, 0]);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/evoke_answers_running 0\n/);
  });

  it("answers 64 clients at once, each with its own words", async () => {
    const one = async (id: number): Promise<string[]> => {
      const mine = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
      const texts: string[] = [];
      for (let round = 0; round < 4; round++) {
        const messages = user(`client ${id} round ${round}`);
        const model = id % 2 ? "tuned" : "base";
        if (round % 2) {
          const streamed = mine.chat.completions.stream({ model, messages });
          texts.push((await streamed.finalContent()) ?? "");
        } else texts.push((await mine.chat.completions.create({ model, messages })).choices[0]!.message.content ?? "");
      }
      return texts;
    };
    const all = await Promise.all(Array.from({ length: 64 }, (_, id) => one(id)));
    for (const [id, texts] of all.entries())
      expect(texts).toEqual(
        [0, 1, 2, 3].map((round) => `${id % 2 ? "runs/tuned" : "bare"}/0: client ${id} round ${round}`),
      );
  });
});
