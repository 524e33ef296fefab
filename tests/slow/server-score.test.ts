/** 100 rows of many scripts, borders and templates: scoring through our own server gives what scoring here gives. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, it } from "vitest";
import { Generator } from "../../src/generate/generator.js";
import { OpenAiCompatibleModel } from "../../src/llm/openai-compatible.js";
import { generatorBackend } from "../../src/serve/generator-backend.js";
import { type RunningServer, startServer } from "../../src/serve/server.js";
import { expectEqualScores } from "../support/score-pairs.js";
import { writeTinyModel } from "../support/tiny-model.js";

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

it("equals local scoring within 1e-4 on 100 mixed rows", { timeout: 600_000 }, () =>
  expectEqualScores(generator, model, 100),
);
