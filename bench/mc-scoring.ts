/**
 * Multiple-choice scoring in rows a second on ARC-easy and HellaSwag rows, and the time to build all of MMLU's prompts.
 * The same rows on lm-evaluation-harness: bench/peers/lm_eval_mc.py.
 *
 * Usage: EVOKE_DATA=… npx tsx bench/mc-scoring.ts MODEL [ROWS]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSplit } from "../src/eval/load-rows.js";
import { choiceRequests, type Request, ShotSampler } from "../src/eval/prompts.js";
import { scoreInBlocks } from "../src/eval/score-in-blocks.js";
import { arcEasy } from "../src/eval/tasks/arc.js";
import { hellaswag } from "../src/eval/tasks/hellaswag.js";
import { mmlu } from "../src/eval/tasks/mmlu.js";
import { resolveLanguageModel } from "../src/llm/resolve.js";

const dataDir = process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../shared/data");
const [reference, rowCount = "100"] = process.argv.slice(2);
const seconds = (since: number): number => (performance.now() - since) / 1000;

const began = performance.now();
const [test, dev] = await Promise.all(["test", "dev"].map((split) => loadSplit(mmlu.data, split, { dataDir })));
const samplers = new Map<string, ShotSampler>();
let characters = 0;
for (const row of test!.rows) {
  const subject = mmlu.parts!.of(row);
  let sampler = samplers.get(subject);
  if (!sampler) {
    const pool = dev!.rows.filter((each) => mmlu.parts!.of(each) === subject);
    samplers.set(subject, (sampler = new ShotSampler(mmlu, pool, 5)));
  }
  const description = mmlu.parts!.describe(subject);
  const { requests } = choiceRequests(mmlu, mmlu.read(row), sampler.next(row), { description });
  for (const { context } of requests) characters += context.length;
}
console.log(
  `MMLU, 5 shots: ${test!.rows.length} rows, ${characters} characters of prompts in ${seconds(began).toFixed(2)} s`,
);

if (reference) {
  const model = await resolveLanguageModel(reference);
  const folder = mkdtempSync(join(tmpdir(), "evoke-bench-"));
  try {
    for (const task of [arcEasy, hellaswag]) {
      const { rows } = await loadSplit(task.data, task.split, { dataDir });
      const groups: Request[][] = rows
        .slice(0, Number(rowCount) + 4)
        .map((row) => choiceRequests(task, task.read(row), []).requests);
      await scoreInBlocks(model, groups.slice(-4), join(folder, `${task.name}-warm.jsonl`));
      const started = performance.now();
      const scored = await scoreInBlocks(model, groups.slice(0, -4), join(folder, `${task.name}.jsonl`));
      const took = seconds(started);
      console.log(
        `${task.name}: ${scored.length} rows in ${took.toFixed(2)} s, ${(scored.length / took).toFixed(2)} rows/s`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
