/** The flags of the original's scripts: a part of the instructions, one kind of task, several files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeModel } from "../../tests/support/eval-fake-model.js";
import { selfInstructSchema } from "./recipe.js";
import { type RunOptions, runSelfInstruct } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-stage-flags-"));
  write(
    "machine_generated_instructions.jsonl",
    ["a", "b", "c"].map((instruction) => ({ instruction })),
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, rows: object[]): string {
  writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return join(folder, name);
}
const read = (name: string) =>
  readFileSync(join(folder, name), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const seedTasks = () =>
  write("seeds.jsonl", [{ instruction: "s", instances: [{ input: "", output: "o" }], is_classification: false }]);

const run = (stage: "classify" | "instances" | "prepare", rest: Partial<RunOptions>, answer = "Output: x") =>
  runSelfInstruct(selfInstructSchema.parse({ model: "m", prepare: { include_seed_tasks: false } }), {
    folder,
    seedTasks: seedTasks(),
    stages: [stage],
    model: new FakeModel({ answer: () => answer }),
    ...rest,
  });
const kinds = [
  { instruction: "a", is_classification: "Yes" },
  { instruction: "b", is_classification: "No" },
  { instruction: "c", is_classification: "No" },
];

it("classifies the first instructions only, and the others later", async () => {
  await run("classify", { firstInstructions: 2 }, "No");
  expect(read("is_clf_or_not.jsonl").map((row) => row.instruction)).toEqual(["a", "b"]);
  await run("classify", {}, "Yes");
  expect(read("is_clf_or_not.jsonl").map((row) => row.is_classification)).toEqual(["No", "No", "Yes"]);
});

it("writes instances for one kind of task, and keeps those of the other", async () => {
  write("is_clf_or_not.jsonl", kinds);
  const written = () => read("machine_generated_instances.jsonl").map((row) => row.instruction);
  await run("instances", { tasksOnly: "generation" });
  expect(written()).toEqual(["b", "c"]);
  await run("instances", { tasksOnly: "classification", firstInstructions: 2 });
  expect(written()).toEqual(["a", "b", "c"]);
});

it("prepares transcripts of several files with classifications of several files", async () => {
  const first = write("one.jsonl", [{ instruction: "b", raw_instances: "Output: x" }]);
  const second = write("two.jsonl", [{ instruction: "a", raw_instances: "Class label: y\nz" }]);
  const classificationFiles = [write("k1.jsonl", kinds.slice(0, 1)), write("k2.jsonl", kinds.slice(1))];
  await run("prepare", { instanceFiles: [first, second], classificationFiles });
  expect(read("all_generated_instances.jsonl")).toEqual([
    { instruction: "b", input: "", output: "x" },
    { instruction: "a", input: "z", output: "y" },
  ]);
});
