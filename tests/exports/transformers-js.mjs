// Greedy tokens of transformers.js as one JSON document; run in a folder that has the package.
//   node transformers-js.mjs MODEL_FOLDER '{"prompts": ["text", [1, 2]], "count": 32, "dtype": "fp32"}'
import { basename, dirname } from "node:path";
import { AutoModelForCausalLM, AutoTokenizer, env, Tensor } from "@huggingface/transformers";

const [path, request] = process.argv.slice(2);
const { prompts, count, dtype } = JSON.parse(request);
env.allowRemoteModels = false;
env.localModelPath = `${dirname(path)}/`;
const tokenizer = await AutoTokenizer.from_pretrained(basename(path));
const model = await AutoModelForCausalLM.from_pretrained(basename(path), { dtype, device: "cpu" });
const inputsOf = (ids) => {
  const tensor = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  return { input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) };
};
const answers = [];
for (const text of prompts) {
  const inputs = typeof text === "string" ? tokenizer(text) : inputsOf(text);
  const made = await model.generate({ ...inputs, max_new_tokens: count, do_sample: false, repetition_penalty: 1 });
  const prompt = Array.from(inputs.input_ids.data, Number);
  answers.push({ prompt, ids: Array.from(made.data, Number).slice(prompt.length) });
}
console.log(JSON.stringify({ answers, template: tokenizer.chat_template ?? undefined }));
process.exit(0);
