import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAllJsonl } from "../files/jsonl.js";
import { loadRecipe } from "../recipe/load.js";
import { loadConversations } from "./conversation.js";

const examples = join(import.meta.dirname, "../../examples");
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9 ]/g, "")
    .replace(/ +/g, " ")
    .trim();
const words = (text: string): number => text.split(/\s+/).length;

describe("examples/data", () => {
  it("holds about 200 different instruction–response pairs of readable length", async () => {
    const rows = await loadConversations(join(examples, "data/quickstart.jsonl"));
    expect(rows.length).toBeGreaterThanOrEqual(195);
    const prompts = rows.map(({ messages }) => messages[0]!.content);
    const responses = rows.map(({ messages }) => messages[1]!.content);
    expect(new Set(prompts.map(plain)).size).toBe(rows.length);
    expect(new Set(responses.map(plain)).size).toBe(rows.length);
    for (const response of responses) {
      expect(response).toBe(response.trim());
      expect(words(response)).toBeGreaterThanOrEqual(10);
      expect(words(response)).toBeLessThanOrEqual(180);
    }
    expect(responses.filter((text) => words(text) >= 40).length).toBeGreaterThan(0.9 * rows.length);
    // An answer never opens like another: templates would.
    const openings = responses.map((text) => plain(text).split(" ").slice(0, 4).join(" "));
    expect(new Set(openings).size).toBeGreaterThan(0.97 * rows.length);
    const inputs = (await readAllJsonl(join(examples, "data/quickstart.jsonl"))).filter(
      (row) => row.input !== undefined,
    );
    expect(inputs.length).toBeGreaterThanOrEqual(20);
  });

  it("holds out 40 instructions that the training rows lack", async () => {
    const held = (await readAllJsonl(join(examples, "data/heldout.jsonl"))).map((row) =>
      plain(row.instruction as string),
    );
    expect(held).toHaveLength(40);
    expect(new Set(held).size).toBe(40);
    const trained = (await readAllJsonl(join(examples, "data/quickstart.jsonl"))).map((row) =>
      plain(row.instruction as string),
    );
    const overlap = (a: string, b: string): number => {
      const [one, two] = [new Set(a.split(" ")), new Set(b.split(" "))];
      const both = [...one].filter((word) => two.has(word)).length;
      return both / (one.size + two.size - both);
    };
    for (const question of held) for (const other of trained) expect(overlap(question, other)).toBeLessThan(0.7);
  });

  it.each(readdirSync(examples).filter((name) => name.endsWith(".yaml")))("%s is a valid recipe", async (name) => {
    const recipe = await loadRecipe(join(examples, name));
    expect(recipe.data.path).not.toEqual([]);
  });
});
