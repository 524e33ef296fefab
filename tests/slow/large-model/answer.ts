/** Generates, scores and serves with the model in argv[2]; prints what came out and the peak of resident memory. */
import { Generator } from "../../../src/generate/generator.js";
import { loadModel } from "../../../src/generate/load-model.js";
import { Device } from "../../../src/runtime/device.js";
import { generatorBackend } from "../../../src/serve/generator-backend.js";
import { startServer } from "../../../src/serve/server.js";

const peak = (): number => process.resourceUsage().maxRSS * 1024;
const began = performance.now();
const say = (what: string): void =>
  console.error(`${what}: ${Math.round((performance.now() - began) / 1000)} s, peak ${(peak() / 1e9).toFixed(2)} GB`);

const model = await loadModel(process.argv[2]!, { precision: "nf4" });
say("loaded");
const generator = await Generator.of(model, await Device.open(), { weights: "int4", cacheBytes: 1e9 });
const { outputTokens } = await generator.generate({ prompt: "the river", maxTokens: 8, ignoreEos: true });
say("generated");
const scores = await generator.score([
  { context: "the river", continuation: " runs" },
  { context: "the river", continuation: " falls over the hills" },
]);
say("scored");
const server = await startServer(generatorBackend(generator, { name: "large", maxBatch: 16 }), {
  host: "127.0.0.1",
  port: 0,
});
const response = await fetch(`${server.url}/v1/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: "large", prompt: "the hills", max_tokens: 2 }),
});
const { usage } = (await response.json()) as { usage: { completion_tokens: number } };
await server.close();
say("served");
await generator.dispose();
console.log(JSON.stringify({ outputTokens, scores, served: usage.completion_tokens, peak: peak() }));
