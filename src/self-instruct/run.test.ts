import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { writeTasks } from "../../tests/support/task-writer.js";
import { generateKey } from "../llm/journal.js";
import type { GenerateRequest, LanguageModel } from "../llm/language-model.js";
import { ModelUnavailableError } from "../llm/usage.js";
import { Random } from "../random/counter.js";
import { type SelfInstructRecipe, selfInstructSchema } from "./recipe.js";
import { runSelfInstruct } from "./run.js";
import { FILES } from "./stage-files.js";
import type { Stage } from "./stages.js";

const seedTasks = fileURLToPath(new URL("../../examples/self-instruct/seed_tasks.jsonl", import.meta.url));
const recipe: SelfInstructRecipe = selfInstructSchema.parse({ model: "test", num_instructions: 40 });
const newFolder = (): string => mkdtempSync(join(tmpdir(), "self-instruct-"));

/** Answers as `writeTasks`; counts finished calls, and fails for good after `limit` of them. */
function writer(
  limit = Number.POSITIVE_INFINITY,
  answered = new Map<string, number>(),
): LanguageModel & { answered: Map<string, number> } {
  let left = limit;
  const one = (request: GenerateRequest) => {
    if (left-- <= 0) return new ModelUnavailableError("the budget is used up");
    const key = generateKey("m", request);
    answered.set(key, (answered.get(key) ?? 0) + 1);
    const { text, finishReason } = writeTasks(request.prompt ?? "", request.seed ?? null);
    return { text, finishReason: finishReason as "stop" | "length", promptTokens: 1, outputTokens: 1 };
  };
  return {
    id: "m",
    answered,
    async generate(requests, options) {
      return requests.map((request, i) => {
        const result = one(request);
        options?.onResult?.(i, result);
        return result;
      });
    },
  };
}

/** All files of a folder but the journal and locks. */
function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => !name.startsWith(FILES.journal) && !name.startsWith("lock"));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}
const lines = (folder: string, name: string): Record<string, unknown>[] =>
  readFileSync(join(folder, name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

let whole: Record<string, string>;
let wholeFolder: string;
let calls: number;
beforeAll(async () => {
  wholeFolder = newFolder();
  const model = writer();
  await runSelfInstruct(recipe, { folder: wholeFolder, seedTasks, model });
  whole = contents(wholeFolder);
  calls = model.answered.size;
});

describe("runSelfInstruct", () => {
  it("writes every stage's file in the original's field names", () => {
    expect(Object.keys(whole)).toEqual(
      Object.values(FILES)
        .filter((name) => name !== FILES.journal)
        .sort(),
    );
    const instructions = lines(wholeFolder, FILES.instructions);
    expect(instructions).toHaveLength(40);
    expect(Object.keys(instructions[9]!)).toEqual([
      "instruction",
      "most_similar",
      "avg_similarity_score",
      "metadata",
      "request_idx",
    ]);
    const scores = Object.values(instructions[9]!.most_similar as Record<string, number>);
    expect(scores).toHaveLength(10);
    expect([...scores].sort((a, b) => b - a)).toEqual(scores);
    expect(Math.max(...scores)).toBeLessThanOrEqual(0.7);
    expect(Object.keys(lines(wholeFolder, FILES.classification)[0]!)).toEqual(["instruction", "is_classification"]);
    expect(Object.keys(lines(wholeFolder, FILES.instances)[0]!)).toEqual([
      "instruction",
      "raw_instances",
      "instance_metadata",
      "instruction_metadata",
      "most_similar",
      "avg_similarity_score",
    ]);
    expect(Object.keys(lines(wholeFolder, FILES.allInstances)[0]!)).toEqual(["instruction", "input", "output"]);
    expect(Object.keys(lines(wholeFolder, FILES.finetuning)[0]!)).toEqual(["prompt", "completion"]);
    const summary = JSON.parse(whole[FILES.summary]!) as Record<string, number>;
    expect(summary.instructions).toBe(40);
    expect(summary.instances).toBe(lines(wholeFolder, FILES.allInstances).length);
    expect(summary.finetuning_rows).toBe(lines(wholeFolder, FILES.finetuning).length);
    expect(summary.classification_instructions).toBeGreaterThan(0);
    const perTask = new Map<unknown, number>();
    for (const { instruction } of lines(wholeFolder, FILES.allInstances))
      perTask.set(instruction, (perTask.get(instruction) ?? 0) + 1);
    expect(Math.max(...perTask.values())).toBe(5);
  });

  it("draws prompts as the paper does: 8 seeds at first, then 2 machine-made and 6 seeds", () => {
    const seeds = new Set(
      readFileSync(seedTasks, "utf8")
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { instruction: string }).instruction.replace(/:+$/, "")),
    );
    for (const { metadata, request_idx } of lines(wholeFolder, FILES.instructions)) {
      const items = (metadata as { prompt: string }).prompt
        .split("\n")
        .slice(1, -1)
        .map((line) => line.replace(/^\d+\. /, ""));
      expect(items).toHaveLength(8);
      expect(items.filter((item) => seeds.has(item))).toHaveLength(request_idx === 0 ? 8 : 6);
    }
  });

  it("is a function of seed and answers", async () => {
    const folder = newFolder();
    await runSelfInstruct(recipe, { folder, seedTasks, model: writer() });
    expect(contents(folder)).toEqual(whole);
    const other = newFolder();
    await runSelfInstruct({ ...recipe, seed: 7 }, { folder: other, seedTasks, model: writer() });
    expect(contents(other)[FILES.instructions]).not.toBe(whole[FILES.instructions]);
  });

  it("stopped at any call it keeps its work, repeats none, and ends with the same files", async () => {
    const random = new Random("stops");
    for (let round = 0; round < 8; round++) {
      const folder = newFolder();
      const answered = new Map<string, number>();
      let stops = 0;
      for (let done = false; !done; ) {
        try {
          const limit = round === 0 ? 1 : 1 + random.below(calls);
          await runSelfInstruct(recipe, { folder, seedTasks, model: writer(limit, answered) });
          done = true;
        } catch (error) {
          expect(error).toBeInstanceOf(ModelUnavailableError);
          stops++;
        }
      }
      if (round === 0) expect(stops).toBe(calls - 1); // the last go makes the last call
      expect(contents(folder)).toEqual(whole);
      expect(new Set(answered.values())).toEqual(new Set([1]));
      rmSync(folder, { recursive: true });
    }
  });

  it("recovers from an instruction file cut anywhere", async () => {
    const folder = newFolder();
    await runSelfInstruct(recipe, { folder, seedTasks, model: writer() });
    const path = join(folder, FILES.instructions);
    const size = readFileSync(path).length;
    const random = new Random("cuts");
    for (let i = 0; i < 6; i++) {
      truncateSync(path, random.below(size));
      const model = writer();
      await runSelfInstruct(recipe, { folder, seedTasks, model });
      expect(contents(folder)).toEqual(whole);
      expect(model.answered.size).toBe(0);
    }
  });

  it("reaches the same files in two goes of different length", async () => {
    const folder = newFolder();
    await runSelfInstruct(
      { ...recipe, num_instructions: 11 },
      { folder, seedTasks, model: writer(), stages: ["bootstrap"] },
    );
    expect(lines(folder, FILES.instructions)).toHaveLength(11);
    await runSelfInstruct(recipe, { folder, seedTasks, model: writer() });
    expect(contents(folder)).toEqual(whole);
  });

  it("goes on from the original project's files and keeps their lines", async () => {
    const folder = newFolder();
    const foreign = [
      {
        instruction: "Name a famous bridge in Prague.",
        most_similar: {},
        avg_similarity_score: 0.1,
        metadata: { prompt: "theirs", response: null, created_at: "2022" },
        request_idx: 4,
      },
      {
        instruction: "Is a whale a kind of fish?",
        most_similar: {},
        avg_similarity_score: 0.1,
        metadata: { prompt: "theirs", response: null, created_at: "2022" },
        request_idx: 4,
      },
    ];
    writeFileSync(join(folder, FILES.instructions), foreign.map((row) => `${JSON.stringify(row)}\n`).join(""));
    await runSelfInstruct(
      { ...recipe, num_instructions: 6 },
      { folder, seedTasks, model: writer(), stages: ["bootstrap"] },
    );
    const rows = lines(folder, FILES.instructions);
    expect(rows.slice(0, 2)).toEqual(foreign);
    expect(rows).toHaveLength(6);
    expect(rows[2]!.request_idx).toBe(5);
    // The original names this file after model and template.
    writeFileSync(
      join(folder, "is_clf_or_not_davinci_template_1.jsonl"),
      '{"instruction": "Is a whale a kind of fish?", "is_classification": " Yes"}\n',
    );
    const model = writer();
    await runSelfInstruct({ ...recipe, num_instructions: 6 }, { folder, seedTasks, model, stages: ["classify"] });
    expect(model.answered.size).toBe(5);
    expect(lines(folder, FILES.classification)[1]).toEqual({
      instruction: "Is a whale a kind of fish?",
      is_classification: " Yes",
    });
  });

  it("says which stage is missing, and which row is malformed", async () => {
    const folder = newFolder();
    const run = (stage: Stage, onInvalid?: (message: string) => void) =>
      runSelfInstruct(recipe, { folder, seedTasks, model: writer(), stages: [stage], onInvalid });
    await expect(run("instances")).rejects.toThrow(/run the stage "bootstrap" first/);
    await expect(run("prepare")).rejects.toThrow(/run the stage "instances" first/);
    for (const [name, text] of Object.entries(whole)) writeFileSync(join(folder, name), text);
    appendFileSync(join(folder, FILES.instances), '{"instruction": "x"}\n');
    await expect(run("prepare")).rejects.toThrow(/machine_generated_instances\.jsonl:41: the field "raw_instances"/);
    const told: string[] = [];
    await run("prepare", (message) => told.push(message));
    expect(told).toHaveLength(1);
    expect(contents(folder)[FILES.finetuning]).toBe(whole[FILES.finetuning]);
    renameSync(join(folder, FILES.classification), join(folder, "away"));
    await expect(run("instances")).rejects.toThrow(/run the stage "classify" first/);
  });

  it("gives up on a model that brings nothing new", async () => {
    const model: LanguageModel = {
      id: "m",
      generate: async (requests) =>
        requests.map(() => ({
          text: " Say the same thing again.",
          finishReason: "stop",
          promptTokens: 1,
          outputTokens: 1,
        })),
    };
    await expect(runSelfInstruct(recipe, { folder: newFolder(), seedTasks, model })).rejects.toThrow(
      /1 of 40 instructions after 105 requests, and nothing new in the last 20 batches/,
    );
  });
});
