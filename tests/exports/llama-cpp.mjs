// Greedy tokens of llama.cpp (node-llama-cpp) as one JSON document; run in a folder that has the package.
//   node llama-cpp.mjs MODEL.gguf '{"prompts": [[1, 2], "text"], "count": 32, "lora": "a.gguf", "chats": [[{"role": …}]]}'
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [path, request] = process.argv.slice(2);
const { prompts, count, lora, float32Cache, contextSize = 512 } = JSON.parse(request);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 1 });
const model = await llama.loadModel({ modelPath: path });
const adapters = lora ? { lora: { adapters: [{ filePath: lora }] } } : {};
const cache = float32Cache ? { experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32" } : {};
const context = await model.createContext({ contextSize, flashAttention: false, ...cache, ...adapters });
const sequence = context.getSequence();
const answers = [];
for (const prompt of prompts) {
  const tokens = typeof prompt === "string" ? model.tokenize(prompt, true) : prompt;
  await sequence.clearHistory();
  const ids = [];
  for await (const next of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
    ids.push(next);
    if (ids.length >= count || model.isEogToken(next)) break;
  }
  answers.push({ prompt: [...tokens], ids });
}
const { metadata } = model.fileInfo;
console.log(JSON.stringify({ answers, template: metadata.tokenizer?.chat_template, eos: model.tokens.eos }));
process.exit(0);
