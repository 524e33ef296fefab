import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAllJsonl } from "../files/jsonl.js";
import { loadExperiment } from "../recipe/experiment-load.js";
import { loadRecipe } from "../recipe/load.js";
import { loadConversations } from "./conversation.js";

const examples = join(import.meta.dirname, "../../examples");
const TRAIN = join(examples, "data/quickstart-train.jsonl");
const HELD_OUT = join(examples, "data/quickstart-heldout.jsonl");
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9 ]/g, "")
    .replace(/ +/g, " ")
    .trim();
const words = (text: string): number => text.split(/\s+/).length;

describe("examples/data", () => {
  it("holds about 200 different instruction–response pairs of readable length", async () => {
    const rows = await loadConversations(TRAIN);
    expect(rows.length).toBeGreaterThanOrEqual(195);
    const prompts = rows.map(({ messages }) => messages[0]!.content);
    const responses = rows.map(({ messages }) => messages[1]!.content);
    expect(new Set(prompts.map(plain)).size).toBe(rows.length);
    expect(new Set(responses.map(plain)).size).toBe(rows.length);
    for (const response of responses) {
      expect(response).toBe(response.trim());
      expect(words(response)).toBeLessThanOrEqual(80);
    }
    expect(responses.filter((text) => words(text) >= 15).length).toBeGreaterThan(0.75 * rows.length);
    // An answer never opens like another: templates would.
    const openings = responses.map((text) => plain(text).split(" ").slice(0, 4).join(" "));
    expect(new Set(openings).size).toBeGreaterThan(0.97 * rows.length);
  });

  it("holds out 40 instructions that the training rows lack", async () => {
    const instructions = async (path: string): Promise<string[]> =>
      (await readAllJsonl(path)).map((row) => plain(row.instruction as string));
    const held = await instructions(HELD_OUT);
    expect(held).toHaveLength(40);
    expect(new Set(held).size).toBe(40);
    const overlap = (a: string, b: string): number => {
      const [one, two] = [new Set(a.split(" ")), new Set(b.split(" "))];
      const both = [...one].filter((word) => two.has(word)).length;
      return both / (one.size + two.size - both);
    };
    const trained = await instructions(TRAIN);
    for (const question of held) for (const other of trained) expect(overlap(question, other)).toBeLessThan(0.7);
  });
});

const files = readdirSync(examples).filter((name) => name.endsWith(".yaml"));
const isExperiment = (name: string): boolean => /^arms:/m.test(readFileSync(join(examples, name), "utf8"));

describe("examples", () => {
  it.each(files.filter((name) => !isExperiment(name)))("%s is a valid recipe", async (name) => {
    const recipe = await loadRecipe(join(examples, name));
    expect(recipe.data.path).not.toEqual([]);
  });

  it.each(files.filter(isExperiment))("%s is a valid experiment, with a smoke variant", (name) => {
    for (const smoke of [false, true]) {
      const { experiment, hasSmoke } = loadExperiment(join(examples, name), { smoke });
      expect(Object.keys(experiment.evaluations)).not.toEqual([]);
      expect(hasSmoke).toBe(true);
    }
  });

  it("the quickstart's recipes are those of its experiment", async () => {
    const { experiment } = loadExperiment(join(examples, "quickstart.yaml"));
    for (const mode of ["it", "rt"]) {
      const { model: _, out: __, ...recipe } = await loadRecipe(join(examples, `quickstart-${mode}.yaml`));
      const file = join(examples, "data/quickstart-train.jsonl");
      const { parseRecipe } = await import("../recipe/load.js");
      const { model: ___, ...wanted } = parseRecipe({ ...experiment.recipe, model: "m", mode, data: { path: file } });
      expect(recipe).toEqual(wanted);
    }
  });
});
