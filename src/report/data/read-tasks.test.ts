import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTasks } from "./read-tasks.js";

const folder = mkdtempSync(join(tmpdir(), "read-tasks-"));
function write(name: string, rows: object[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

const instructions = [
  { instruction: "Add the numbers.", most_similar: {}, avg_similarity_score: 0.1, metadata: {}, request_idx: 0 },
  { instruction: "Name the mood.", most_similar: {}, avg_similarity_score: 0.1, metadata: {}, request_idx: 0 },
];
const classification = [
  { instruction: "Add the numbers.", is_classification: " No" },
  { instruction: "Name the mood.", is_classification: "Yes" },
];
const transcripts = [
  {
    instruction: "Add the numbers.",
    raw_instances: "Example 1\nInput: 1 2\nOutput: 3\nExample 2\nInput: 2 2\nOutput: 4",
  },
  {
    instruction: "Name the mood.",
    raw_instances: "Class label: sad\nText: rain\nClass label: glad\nText: sun",
    instance_metadata: { response: { choices: [{ text: "", finish_reason: "length" }] } },
  },
];

describe("readTasks", () => {
  it("reads seed tasks, with their kind", async () => {
    const path = write("seeds.jsonl", [
      { instruction: "Sort it.", instances: [{ input: "b a", output: "a b" }], is_classification: false },
      { instruction: "Is it? ", instances: [{ input: "", output: "yes" }], is_classification: true },
    ]);
    const data = await readTasks([path]);
    expect(data.tasks).toEqual([
      { instruction: "Sort it.", source: "seeds", isClassification: false },
      { instruction: "Is it?", source: "seeds", isClassification: true },
    ]);
    expect(data.instances).toEqual([
      { instruction: "Sort it.", input: "b a", output: "a b", source: "seeds" },
      { instruction: "Is it?", input: "", output: "yes", source: "seeds" },
    ]);
    expect(data.inputsApart).toBe(true);
  });

  it("puts instructions, classification and transcripts together, in any order of files", async () => {
    const files = [
      write("raw.jsonl", transcripts),
      write("clf.jsonl", classification),
      write("instructions.jsonl", instructions),
    ];
    const data = await readTasks(files);
    expect(data.tasks.map(({ instruction, isClassification }) => [instruction, isClassification])).toEqual([
      ["Add the numbers.", false],
      ["Name the mood.", true],
    ]);
    // the second transcript was cut: its last instance is not complete
    expect(data.instances.map(({ input, output }) => [input, output])).toEqual([
      ["1 2", "3"],
      ["2 2", "4"],
      ["Text: rain", "sad"],
    ]);
    expect(data.emptyTranscripts).toBe(0);
  });

  it("tells a transcript's kind by itself where no file does", async () => {
    const data = await readTasks([write("alone.jsonl", transcripts)]);
    expect(data.tasks.every(({ isClassification }) => isClassification === undefined)).toBe(true);
    expect(data.instances).toHaveLength(3);
  });

  it("takes a run folder for its files, the parsed instances before the transcripts", async () => {
    const run = join(folder, "run");
    mkdirSync(run);
    write("run/machine_generated_instructions.jsonl", instructions);
    write("run/is_clf_or_not_davinci_template_1.jsonl", classification);
    write("run/machine_generated_instances.jsonl", transcripts);
    expect((await readTasks([run])).instances).toHaveLength(3);
    write("run/all_generated_instances.jsonl", [{ instruction: "Add the numbers.", input: "5 6", output: "11" }]);
    const data = await readTasks([run]);
    expect(data.files).toHaveLength(3);
    expect(data.instances.map(({ output }) => output)).toEqual(["11"]);
    expect(data.tasks).toHaveLength(2);
    mkdirSync(join(folder, "empty"));
    await expect(readTasks([join(folder, "empty")])).rejects.toThrow(/not the folder of a Self-Instruct run/);
  });

  it("reads Alpaca's and Dolly's rows, prompts with completions, and talks", async () => {
    const data = await readTasks([
      write("alpaca.jsonl", [{ instruction: "a", input: "b", output: "c" }]),
      write("dolly.jsonl", [{ instruction: "d", context: "", response: "e" }]),
    ]);
    expect(data.instances.map(({ input, output }) => input + output)).toEqual(["bc", "e"]);
    expect(data.inputsApart).toBe(true);
    const mixed = await readTasks([
      write("prepared.jsonl", [{ prompt: "p", completion: "c", source: "lima", index: 4 }]),
      write("talks.jsonl", [{ conversations: ["x", "y"] }, { conversations: ["x", "y", "z", "w"] }]),
    ]);
    expect(mixed.instances.map(({ source }) => source)).toEqual(["lima", "talks"]);
    expect(mixed.inputsApart).toBe(false);
    expect(mixed.multiTurn).toBe(1);
  });

  it("names file and line of a malformed row, or hands it on", async () => {
    const path = write("bad.jsonl", [{ instruction: "a", output: "b" }, { instruction: "a", output: 3 }, { x: 1 }]);
    await expect(readTasks([path])).rejects.toThrow(/bad\.jsonl:2: the field "output" is not a text/);
    const told: number[] = [];
    expect((await readTasks([path], (_, line) => told.push(line))).instances).toHaveLength(1);
    expect(told).toEqual([2, 3]);
  });
});
