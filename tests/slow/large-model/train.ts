/** Makes one QLoRA step of 512 tokens with the model in argv[2], in the run folder argv[3]; prints loss and peak memory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadRecipe } from "../../../src/recipe/load.js";
import { trainRun } from "../../../src/train/run.js";

const [model, out] = process.argv.slice(2) as [string, string];
const row = { prompt: "the river", completion: "runs to a quiet sea and stars fall over green hills ".repeat(60) };
writeFileSync(`${out}.jsonl`, `${JSON.stringify(row)}\n`);
writeFileSync(
  `${out}.yaml`,
  JSON.stringify({
    model,
    method: "qlora",
    max_steps: 1,
    max_length: 512,
    batch: { micro: 1, accumulation: 1 },
    lora: { r: 8, alpha: 16 },
    data: { path: `${out}.jsonl` },
  }),
);
const said: string[] = [];
const record = await trainRun(await loadRecipe(join(`${out}.yaml`), []), {
  out,
  resume: false,
  say: (line) => said.push(line),
  onStep: ({ tokens }) => said.push(`${tokens} tokens`),
});
const peak = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ loss: record.loss, said, planned: record.memory?.estimateBytes, peak }));
