/**
 * A whole Self-Instruct run on the embedded model, training included, killed over and over: it asks the engine for
 * nothing that was finished, and ends with the files and the adapter of an undisturbed run.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { sha256OfFile } from "../../src/files/sha256.js";
import { Random } from "../../src/random/counter.js";
import { programPath, repositoryRoot } from "../program.js";

const KILLS = 20;
const folder = mkdtempSync(join(tmpdir(), "evoke-self-instruct-kill-"));
const recipe = join(folder, "recipe.yaml");
const hook = join(folder, "hook.mjs");

/** Short enough for the mini model's 512 tokens. */
const SEEDS: [instruction: string, isClassification: boolean, input: string, output: string][] = [
  ["Name the colour of the sky in one word.", false, "", "blue"],
  ["Write the word cat three times in a row.", false, "", "cat cat cat"],
  ["Say what the dog and the bird can do.", false, "", "run and fly"],
  ["Count the letters of the word you are given.", false, "tree", "4"],
  ["Is the animal in the sentence big or small?", true, "a mouse", "small"],
  ["Give the opposite of the word that is given.", false, "hot", "cold"],
];

beforeAll(() => {
  const seeds = SEEDS.map(([instruction, is_classification, input, output], i) => ({
    id: `s${i}`,
    name: `s${i}`,
    instruction,
    instances: [{ input, output }],
    is_classification,
  }));
  writeFileSync(join(folder, "seeds.jsonl"), seeds.map((row) => `${JSON.stringify(row)}\n`).join(""));
  mkdirSync(join(folder, "prompts"));
  writeFileSync(join(folder, "prompts", "classify.txt"), "Task: {instruction}\nIs it classification?");
  const example = "Task: Add the numbers.\nExample 1\nInput: 1 2\nOutput: 3\n\nTask: {instruction}";
  writeFileSync(join(folder, "prompts", "instances-generation.txt"), example);
  writeFileSync(join(folder, "prompts", "instances-classification.txt"), example);
  writeFileSync(
    recipe,
    `model: bundled:mini
seed_tasks: ./seeds.jsonl
prompts: ./prompts
num_instructions: 12
bootstrap:
  instructions_per_prompt: 4
  machine_instructions_per_prompt: 1
  requests_per_batch: 4
  max_tokens: 48
  temperature: 1
  top_p: 1
  presence_penalty: 0
  cut_responses: trim
instances: { max_tokens_classification: 24, max_tokens_generation: 32 }
train: ./train.yaml
`,
  );
  writeFileSync(
    join(folder, "train.yaml"),
    `model: bundled:mini
method: qlora
mode: it
max_length: 128
max_steps: 60
batch: { micro: 2, accumulation: 1 }
lora: { r: 4, alpha: 8, dropout: 0.1 }
checkpoint: { every_steps: 2, keep: 2 }
threads: 1
`,
  );
  // Loaded into the program: notes the journal key of every request that reaches the engine.
  const dist = (path: string): string => JSON.stringify(pathToFileURL(join(repositoryRoot, "dist", path)).href);
  writeFileSync(
    hook,
    `import { appendFileSync } from "node:fs";
import { EmbeddedModel } from ${dist("llm/embedded.js")};
import { generateKey } from ${dist("llm/journal.js")};
const generate = EmbeddedModel.prototype.generate;
EmbeddedModel.prototype.generate = function (requests, options) {
  for (const request of requests) appendFileSync(process.env.ASKED, generateKey(this.id, request) + "\\n");
  return generate.call(this, requests, options);
};
`,
  );
});

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
const keysOf = (run: string): string[] =>
  linesOf(join(run, "journal.jsonl")).flatMap((line) => {
    try {
      return [(JSON.parse(line) as { key: string }).key];
    } catch {
      return [];
    }
  });

/** One life of the program; `kill` is asked every few ms whether to end it. */
function live(run: string, asked: string, kill: () => boolean = () => false): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--import", pathToFileURL(hook).href, programPath, "self-instruct", recipe, "--out", run],
      { stdio: "ignore", env: { ...process.env, ASKED: asked } },
    );
    const timer = setInterval(() => kill() && child.kill("SIGKILL"), 2);
    child.on("close", (code) => {
      clearInterval(timer);
      resolve(code);
    });
  });
}

function outputs(run: string): Record<string, string> {
  const names = readdirSync(run).filter((name) => /\.jsonl?$/.test(name) && !/^(journal|lock)/.test(name));
  const files = Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(run, name), "utf8")]));
  return { ...files, adapter: sha256OfFile(join(run, "train", "adapter", "adapter_model.safetensors")) };
}

it(`killed at ${KILLS} random moments it repeats no finished request and ends with the same files and adapter`, async () => {
  const calm = join(folder, "calm");
  const calmAsked = join(folder, "calm-asked.txt");
  expect(await live(calm, calmAsked)).toBe(0);
  const calls = keysOf(calm).length;
  expect(linesOf(calmAsked)).toHaveLength(calls);
  expect(calls).toBeGreaterThan(28); // twelve classified, twelve filled, and the bootstrap's

  const run = join(folder, "killed");
  const random = new Random("self-instruct kills");
  for (let kill = 0; kill < KILLS; kill++) {
    const finished = keysOf(run);
    const steps = linesOf(join(run, "train", "metrics.jsonl")).length;
    const asked = join(folder, `asked-${kill}.txt`);
    const moreCalls = 1 + random.below(4);
    const moreSteps = 1 + random.below(3);
    const anyMoment = kill % 4 === 3 ? performance.now() + 200 + random.below(1500) : Number.POSITIVE_INFINITY;
    const moment = random.below(15);
    let due = Number.POSITIVE_INFINITY;
    const code = await live(run, asked, () => {
      const progressed =
        linesOf(join(run, "journal.jsonl")).length >= finished.length + moreCalls ||
        linesOf(join(run, "train", "metrics.jsonl")).length >= steps + moreSteps;
      if (progressed) due = Math.min(due, performance.now() + moment);
      return performance.now() >= Math.min(due, anyMoment);
    });
    expect(code, `kill ${kill}`).toBeNull();
    const known = new Set(finished);
    expect(linesOf(asked).filter((key) => known.has(key))).toEqual([]);
  }
  const finished = new Set(keysOf(run));
  const asked = join(folder, "asked-last.txt");
  expect(await live(run, asked)).toBe(0);
  expect(linesOf(asked).filter((key) => finished.has(key))).toEqual([]);
  expect([...new Set(keysOf(run))].sort()).toEqual([...new Set(keysOf(calm))].sort());
  expect(keysOf(run)).toHaveLength(calls);
  expect(outputs(run)).toEqual(outputs(calm));

  // Once more: nothing to do, and the engine is asked nothing.
  const again = join(folder, "asked-again.txt");
  expect(await live(run, again)).toBe(0);
  expect(linesOf(again)).toEqual([]);
}, 600_000);
