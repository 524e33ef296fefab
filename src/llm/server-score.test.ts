/** Scoring through our own server gives what scoring here gives; tests/slow has it for 100 rows. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectEqualScores } from "../../tests/support/score-pairs.js";
import { writeTinyModel } from "../../tests/support/tiny-model.js";
import { Generator } from "../generate/generator.js";
import { generatorBackend } from "../serve/generator-backend.js";
import { type RunningServer, startServer } from "../serve/server.js";
import { OpenAiCompatibleModel } from "./openai-compatible.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-server-score-"));
let generator: Generator;
let server: RunningServer;
let model: OpenAiCompatibleModel;
beforeAll(async () => {
  writeTinyModel(folder);
  generator = await Generator.open(folder, {});
  server = await startServer(generatorBackend(generator, { name: "model", maxBatch: 16 }), {
    host: "127.0.0.1",
    port: 0,
  });
  model = new OpenAiCompatibleModel(`openai:model@${server.url}/v1`, { env: {}, sleep: async () => {} });
});
afterAll(async () => {
  await server.close();
  await generator.dispose();
  rmSync(folder, { recursive: true });
});

it("equals local scoring", async () => {
  await expectEqualScores(generator, model, 20);
  expect(model.usage.promptTokens).toBeGreaterThan(0);
  expect(model.usage.requests).toBe(model.usage.answered);
});

it("scores the choices of Chinese questions as locally, and chooses the same", async () => {
  const rows: [string, string[]][] = [
    ["法国的首都是哪里？", ["巴黎", "里昂", "东京", "北京"]],
    ["盐的化学式是什么？", ["氯化钠", "二氧化碳", "氧气", "水"]],
  ];
  for (const [question, choices] of rows) {
    const pairs = choices.map((choice) => ({ context: `Question: ${question}\nAnswer:`, continuation: ` ${choice}` }));
    const [here, there] = [await generator.score(pairs), await model.score(pairs)];
    expect(there.map(({ tokens, isGreedy, problem }) => [tokens, isGreedy, problem])).toEqual(
      here.map(({ tokens, isGreedy }) => [tokens, isGreedy, undefined]),
    );
    for (const [i, { logprob }] of there.entries()) expect(logprob).toBeCloseTo(here[i]!.logprob, 4);
    const best = (scores: { logprob: number }[]) =>
      scores.findIndex(({ logprob }) => logprob === Math.max(...scores.map((each) => each.logprob)));
    expect(best(there)).toBe(best(here));
  }
});

it("fails alone with a pair that the server cannot score", async () => {
  const requests = model.usage.requests;
  const [good, empty, long] = await model.score([
    { context: "The sky is", continuation: " blue" },
    { context: "", continuation: "hello" },
    { context: "river ".repeat(600), continuation: "x" },
  ]);
  expect(good!.problem).toBeUndefined();
  expect(empty).toMatchObject({ tokens: 0, problem: expect.stringMatching(/first token/) });
  expect(long!.problem).toMatch(/context overflow|tokens/);
  expect(model.usage.requests - requests).toBeLessThanOrEqual(5);
});

it("keeps parts of characters apart in log-probabilities", async () => {
  const ask = async (path: string, body: object) =>
    (
      await fetch(`${server.url}/v1/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      })
    ).json() as Promise<{
      choices: [{ logprobs: { tokens: string[]; content: { token: string; bytes: number[] }[] } }];
    }>;
  const { choices } = await ask("completions", {
    model: "model",
    prompt: "a 😀",
    max_tokens: 0,
    echo: true,
    logprobs: 5,
  });
  const parts = choices[0].logprobs.tokens.filter((token) => token.startsWith("bytes:"));
  const bytes = parts.flatMap((part) =>
    [...part.matchAll(/\\x([0-9a-f]{2})/g)].map(([, hex]) => Number.parseInt(hex!, 16)),
  );
  expect(Buffer.from(bytes).toString("utf8")).toBe("😀");
});
