/**
 * Multiple-choice scoring in rows a second on ARC-easy, HellaSwag and (with five examples) MMLU rows, and the time to build
 * all of MMLU's prompts. The same rows on lm-evaluation-harness: bench/peers/lm_eval_mc.py.
 *
 * Usage: EVOKE_DATA=… npx tsx bench/mc-scoring.ts MODEL [ROWS] [MMLU.json]
 *
 * MMLU.json is written: the MMLU rows for the peer, as [context, choices] pairs.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
const [reference, rowCount = "100", mmluFile] = process.argv.slice(2);
/** Rows that are scored before the clock starts, from behind those that count. */
const WARM = 4;
const seconds = (since: number): number => (performance.now() - since) / 1000;

const began = performance.now();
const [test, dev] = await Promise.all(["test", "dev"].map((split) => loadSplit(mmlu.data, split, { dataDir })));
const samplers = new Map<string, ShotSampler>();
const mmluGroups: Request[][] = [];
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
  if (mmluGroups.length < Number(rowCount) + WARM) mmluGroups.push(requests);
  for (const { context } of requests) characters += context.length;
}
console.log(
  `MMLU, 5 shots: ${test!.rows.length} rows, ${characters} characters of prompts in ${seconds(began).toFixed(2)} s`,
);

if (mmluFile) {
  const pairs = mmluGroups.slice(0, -WARM).map((all) => [all[0]!.context, all.map(({ continuation }) => continuation)]);
  writeFileSync(mmluFile, JSON.stringify(pairs));
}

if (reference) {
  const model = await resolveLanguageModel(reference);
  const folder = mkdtempSync(join(tmpdir(), "evoke-bench-"));
  try {
    const sets: [string, Request[][]][] = [];
    for (const task of [arcEasy, hellaswag]) {
      const { rows } = await loadSplit(task.data, task.split, { dataDir });
      const chosen = rows.slice(0, Number(rowCount) + WARM);
      sets.push([task.name, chosen.map((row) => choiceRequests(task, task.read(row), []).requests)]);
    }
    sets.push(["mmlu, 5 shots", mmluGroups]);
    for (const [i, [name, groups]] of sets.entries()) {
      await scoreInBlocks(model, groups.slice(-WARM), join(folder, `${i}-warm.jsonl`));
      const started = performance.now();
      const scored = await scoreInBlocks(model, groups.slice(0, -WARM), join(folder, `${i}.jsonl`));
      const took = seconds(started);
      console.log(
        `${name}: ${scored.length} rows in ${took.toFixed(2)} s, ${(scored.length / took).toFixed(2)} rows/s`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
