// Greedy tokens of llama.cpp and, at every so manieth, the log-probabilities of the likeliest; run in a folder with node-llama-cpp.
//   node llama-cpp-logits.mjs MODEL.gguf '{"prompts": [[1, 2]], "count": 48, "top": 20, "every": 12}'
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [path, request] = process.argv.slice(2);
const { prompts, count, top, every, float32Cache, batchSize = 512 } = JSON.parse(request);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 1 });
const model = await llama.loadModel({ modelPath: path });
const cache = float32Cache ? { experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32" } : {};
const context = await model.createContext({ contextSize: 512, batchSize, flashAttention: false, ...cache });
const sequence = context.getSequence();
const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const answers = [];
for (const prompt of prompts) {
  await sequence.clearHistory();
  const steps = [];
  let input = prompt;
  while (steps.length < count) {
    // A list of all probabilities takes longer than the step itself.
    const told = steps.length % every === 0;
    const wanted = told ? { probabilities: true, options } : { token: true, options: { temperature: 0 } };
    const evaluated = await sequence.controlledEvaluate([...input.slice(0, -1), [input.at(-1), { generateNext: wanted }]]);
    const { probabilities, token } = evaluated.at(-1).next;
    const likeliest = told ? [...probabilities].slice(0, top) : [[token]];
    steps.push(likeliest.map(([id, probability]) => [id, told ? Math.log(probability) : null]));
    input = [steps.at(-1)[0][0]];
    if (model.isEogToken(input[0])) break;
  }
  answers.push(steps);
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
