import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadPrompts } from "./prompts.js";
import { loadSelfInstructRecipe } from "./recipe.js";
import { readSeedTasks } from "./seed-tasks.js";

const folder = mkdtempSync(join(tmpdir(), "recipe-"));
function recipe(text: string): string {
  writeFileSync(join(folder, "r.yaml"), text);
  return join(folder, "r.yaml");
}

describe("loadSelfInstructRecipe", () => {
  it("fills in the paper's values and the starter seeds", () => {
    const { bootstrap, instances, seed, seed_tasks } = loadSelfInstructRecipe(recipe("model: m\n"));
    expect({ seed, ...bootstrap, ...instances }).toMatchObject({
      seed: 42,
      instructions_per_prompt: 8,
      machine_instructions_per_prompt: 2,
      requests_per_batch: 5,
      max_tokens: 1024,
      similarity_threshold: 0.7,
      temperature: 0.7,
      top_p: 0.5,
      max_tokens_classification: 300,
      max_tokens_generation: 350,
    });
    expect(existsSync(seed_tasks)).toBe(true);
  });

  it("takes paths from the recipe's folder, and names as they are", () => {
    const path = recipe("model: ./m.gguf\nseed_tasks: s.jsonl\nprompts: p\n");
    expect(loadSelfInstructRecipe(path)).toMatchObject({
      model: join(folder, "m.gguf"),
      seed_tasks: join(folder, "s.jsonl"),
      prompts: join(folder, "p"),
    });
    const sets = ["seed_tasks=self-instruct-seeds", "model=openai:a@http://h/v1", "bootstrap.top_p=1"];
    expect(loadSelfInstructRecipe(path, sets)).toMatchObject({
      seed_tasks: "self-instruct-seeds",
      model: "openai:a@http://h/v1",
      bootstrap: { top_p: 1 },
    });
  });

  it.each([
    ["seed: 1\n", /r\.yaml: missing key "model"/],
    ["model: m\nbootstrap:\n  top_p: 2\n", /r\.yaml:3: bootstrap\.top_p: expected a number at most 1, got 2/],
    ["model: m\nnum_instructions: many\n", /r\.yaml:2: num_instructions: expected a number, got "many"/],
  ])("%j is refused", (text, message) => {
    expect(() => loadSelfInstructRecipe(recipe(text))).toThrow(message);
  });

  it("names the --set at fault", () => {
    expect(() => loadSelfInstructRecipe(recipe("model: m\n"), ["seed=x"])).toThrow(
      /--set seed=x: seed: expected a number/,
    );
  });
});

describe("prompts", () => {
  it("can be replaced one by one, and must keep their placeholders", () => {
    const own = mkdtempSync(join(tmpdir(), "prompts-"));
    writeFileSync(join(own, "classify.txt"), "Class? {instruction}\n");
    const prompts = loadPrompts(own);
    expect(prompts.classify).toBe("Class? {instruction}");
    expect(prompts.instancesGeneration).toBe(loadPrompts().instancesGeneration);
    writeFileSync(join(own, "classify.txt"), "Class?");
    expect(() => loadPrompts(own)).toThrow(/classify\.txt: the placeholder \{instruction\}/);
    writeFileSync(join(own, "classify.txt"), "{instruction}");
    writeFileSync(
      join(own, "encoding.json"),
      '{"with_input": [{"prompt": "{instruction}\\n", "completion": "{output}"}], "without_input": []}',
    );
    expect(() => loadPrompts(own)).toThrow(/encoding\.json: with_input\.0: \{input\} is missing/);
    const touching = '{"prompt": "{instruction}{input}", "completion": "{output}"}';
    writeFileSync(join(own, "encoding.json"), `{"with_input": [${touching}], "without_input": [${touching}]}`);
    expect(() => loadPrompts(own)).toThrow(/with_input\.0: prompt and completion touch/);
    expect(() => loadPrompts(join(own, "none"))).toThrow(/no such folder of prompts/);
  });
});

describe("the starter seed tasks", () => {
  it("are about 60 distinct, complete tasks, a quarter of them classification", async () => {
    const path = fileURLToPath(new URL("../../examples/self-instruct/seed_tasks.jsonl", import.meta.url));
    const tasks = await readSeedTasks(path);
    expect(tasks.length).toBeGreaterThanOrEqual(60);
    expect(new Set(tasks.map(({ instruction }) => instruction)).size).toBe(tasks.length);
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
    const share = tasks.filter((task) => task.is_classification).length / tasks.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.35);
    for (const { instances, id } of tasks) {
      expect(instances.length, id).toBeGreaterThan(0);
      for (const { output } of instances) expect(output, id).not.toBe("");
    }
    expect(readFileSync(path, "utf8").endsWith("\n")).toBe(true);
  });

  it("names the line of a malformed one", async () => {
    const path = join(folder, "seeds.jsonl");
    const good = {
      id: "a",
      name: "a",
      instruction: "Do.",
      instances: [{ input: "", output: "x" }],
      is_classification: false,
    };
    for (const [bad, message] of [
      [{ ...good, is_classification: "no" }, /seeds\.jsonl:2: the field "is_classification"/],
      [{ ...good, instances: [{ input: "" }] }, /seeds\.jsonl:2: every instance needs/],
      [{ ...good, instruction: " " }, /seeds\.jsonl:2: the field "instruction"/],
    ] as const) {
      writeFileSync(path, `${JSON.stringify(good)}\n${JSON.stringify(bad)}\n`);
      await expect(readSeedTasks(path)).rejects.toThrow(message);
    }
  });
});
