// Greedy tokens of llama.cpp and the log-probabilities of the likeliest at each of them; run in a folder with node-llama-cpp.
//   node llama-cpp-logits.mjs MODEL.gguf '{"prompts": [[1, 2]], "count": 48, "top": 20}'
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [path, request] = process.argv.slice(2);
const { prompts, count, top } = JSON.parse(request);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 1 });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: 512, flashAttention: false });
const sequence = context.getSequence();
const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const answers = [];
for (const prompt of prompts) {
  await sequence.clearHistory();
  const steps = [];
  let input = prompt;
  while (steps.length < count) {
    const last = [input.at(-1), { generateNext: { probabilities: true, options } }];
    const evaluated = await sequence.controlledEvaluate([...input.slice(0, -1), last]);
    const found = evaluated.at(-1).next.probabilities;
    steps.push([...found].slice(0, top).map(([id, probability]) => [id, Math.log(probability)]));
    input = [steps.at(-1)[0][0]];
    if (model.isEogToken(input[0])) break;
  }
  answers.push(steps);
}
console.log(JSON.stringify(answers));
process.exit(0);
