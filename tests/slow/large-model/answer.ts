/** Generates, scores and serves with the model in argv[2]; prints what came out and the peak of resident memory. */
import { Generator } from "../../../src/generate/generator.js";
import { generatorBackend } from "../../../src/serve/generator-backend.js";
import { startServer } from "../../../src/serve/server.js";

const seconds = (from: number): number => Math.round((performance.now() - from) / 1000);
const peak = (): number => process.resourceUsage().maxRSS * 1024;
const say = (what: string, from: number): void =>
  console.error(`${what}: ${seconds(from)} s, peak ${(peak() / 1e9).toFixed(2)} GB`);

const began = performance.now();
const generator = await Generator.open(process.argv[2]!, { weights: "int4", cacheBytes: 1e9 });
say("opened", began);
const { text, outputTokens } = await generator.generate({ prompt: "the river", maxTokens: 8, ignoreEos: true });
say("generated", began);
const scores = await generator.score([
  { context: "the river", continuation: " runs" },
  { context: "the river", continuation: " falls over the hills" },
]);
say("scored", began);
const server = await startServer(generatorBackend(generator, { name: "large", maxBatch: 16 }), {
  host: "127.0.0.1",
  port: 0,
});
const response = await fetch(`${server.url}/v1/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: "large", prompt: "the hills", max_tokens: 2 }),
});
const served = { status: response.status, body: (await response.json()) as unknown };
await server.close();
say("served", began);
await generator.dispose();
console.log(JSON.stringify({ text, outputTokens, scores, served, peak: peak() }));
