/**
 * llama.cpp (node-llama-cpp) on the work of bench/generate.ts. Prints one JSON line.
 *
 *   node bench/peers/llama-cpp.mjs MODEL.gguf --threads 2 [--past 200] [--steps 48] [--prefill 512]
 *   node bench/peers/llama-cpp.mjs MODEL.gguf --threads 2 --answers PROMPTS.json --most 128
 *
 * PROMPTS.json holds arrays of token ids. Answers are written greedily, without and with the library's own guesses from
 * the prompt (InputLookupTokenPredictor).
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { getLlama, InputLookupTokenPredictor, LlamaLogLevel } from "node-llama-cpp";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    past: { type: "string", default: "200" },
    steps: { type: "string", default: "48" },
    prefill: { type: "string", default: "512" },
    answers: { type: "string" },
    most: { type: "string", default: "128" },
  },
});
const [past, steps, prefill, threads] = [values.past, values.steps, values.prefill, values.threads].map(Number);

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: threads });
const model = await llama.loadModel({ modelPath: positionals[0], useMmap: true });
/** A context for one sequence, no larger than it needs: room for more costs llama.cpp up to a third of its speed. */
const open = (contextSize) => model.createContext({ contextSize, batchSize: 512, threads });
const token = (i) => 1000 + ((i * 7919) % 20000);
const prompt = (count) => Array.from({ length: count }, (_, i) => token(i));

/** Tokens a second of `count` greedy tokens after `past` others; the best of three. */
async function decode(sequence) {
  await sequence.clearHistory();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt(past));
  let best = 0;
  let last = token(past);
  for (let round = 0; round < 3; round++) {
    let done = 0;
    let started = performance.now();
    for await (const next of sequence.evaluate([last], { temperature: 0, yieldEogToken: true })) {
      last = next;
      if (done++ === 0) started = performance.now(); // the first one pays for starting up
      else if (done > steps) break;
    }
    best = Math.max(best, ((done - 1) * 1000) / (performance.now() - started));
  }
  return best;
}

async function read(sequence) {
  let best = 0;
  for (let round = 0; round < 3; round++) {
    await sequence.clearHistory();
    const started = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(prompt(prefill));
    best = Math.max(best, (prefill * 1000) / (performance.now() - started));
  }
  return best;
}

/** Tokens a second of answers, the reading of the prompts left out. */
async function answers(writer, prompts, most) {
  let tokens = 0;
  let time = 0;
  for (const prompt of prompts) {
    await writer.clearHistory();
    let started = 0;
    let count = 0;
    for await (const _ of writer.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
      started ||= performance.now();
      if (++count === most) break;
    }
    time += performance.now() - started;
    tokens += count - 1;
  }
  return (tokens * 1000) / time;
}

async function allAnswers(file) {
  const prompts = JSON.parse(readFileSync(file, "utf8"));
  const most = Number(values.most);
  const result = {};
  for (const [name, options] of [
    ["answers", {}],
    ["guessed", { tokenPredictor: new InputLookupTokenPredictor() }],
  ]) {
    const context = await open(Math.max(...prompts.map(({ length }) => length)) + most + 64);
    result[name] = await answers(context.getSequence(options), prompts, most);
    await context.dispose();
  }
  return result;
}

async function stepsAndReading() {
  const context = await open(Math.max(past + 3 * steps, prefill) + 64);
  const sequence = context.getSequence();
  const result = { decode: await decode(sequence), prefill: await read(sequence) };
  await context.dispose();
  return result;
}

console.log(JSON.stringify(await (values.answers ? allAnswers(values.answers) : stepsAndReading())));
await model.dispose();
process.exit(0);
