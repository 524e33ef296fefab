import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MersenneTwister } from "../random/mersenne.js";
import { loadSplit } from "./load-rows.js";
import { choiceRequests } from "./prompts.js";
import type { Row } from "./row.js";
import type { ChoiceTask } from "./task.js";
import { arcChallenge, arcEasy } from "./tasks/arc.js";
import { mmlu } from "./tasks/mmlu.js";
import { MMLU_GROUPS } from "./tasks/mmlu-subjects.js";
import { openbookqa } from "./tasks/openbookqa.js";
import { piqa } from "./tasks/piqa.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const dataDir = process.env.EVOKE_DATA ?? join(root, "..", "shared", "data");
const golden = JSON.parse(readFileSync(new URL("fixtures/v0-hashes.json", import.meta.url), "utf8")) as {
  sha256: Record<string, string>;
};

/** Python's json.dumps, which writes all but ASCII as \uXXXX and puts blanks behind "," and ":". */
function pythonJson(pairs: readonly string[][]): string {
  const text = (value: string) =>
    JSON.stringify(value).replace(/[\u007f-\uffff]/g, (unit) =>
      unit === "\u007f" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  return `[${pairs.map((pair) => `[${pair.map(text).join(", ")}]`).join(", ")}]`;
}

/** Requests of all documents, shuffled as the harness did, hashed as it hashed them. */
function hashOf(rows: readonly Row[], requestsOf: (row: Row) => [string, string][]): string {
  const shuffled = new MersenneTwister(42).shuffle([...rows]);
  return createHash("sha256")
    .update(pythonJson(shuffled.flatMap(requestsOf)))
    .digest("hex");
}

const plain = (task: ChoiceTask) => (row: Row) =>
  choiceRequests(task, task.read(row), []).requests.map(({ context, continuation }): [string, string] => [
    context,
    continuation,
  ]);

describe.skipIf(!existsSync(join(dataDir, "core")))(
  "requests as the harness's own hashes (skipped without data)",
  () => {
    it.each([arcEasy, arcChallenge, openbookqa, piqa])("$name", async (task) => {
      const { rows } = await loadSplit(task.data, task.split, { dataDir });
      expect(hashOf(rows, plain(task))).toBe(golden.sha256[task.name]);
    });

    it("57 MMLU subjects, in the older form with choices as continuations", async () => {
      const { rows } = await loadSplit(mmlu.data, "test", { dataDir });
      const hashes: Record<string, string> = {};
      const subjects = Object.values(MMLU_GROUPS).flat();
      for (const subject of subjects) {
        const members = rows.filter((row) => mmlu.parts!.of(row) === subject);
        hashes[subject] = hashOf(members, (row) => {
          const question = row.text("question");
          const choices = row.texts("choices");
          const lines = choices.map((choice, i) => `${"ABCD"[i]}. ${choice}\n`).join("");
          return choices.map((choice) => [`Question: ${question}\nChoices:\n${lines}Answer:`, ` ${choice}`]);
        });
      }
      expect(subjects).toHaveLength(57);
      expect(hashes).toEqual(Object.fromEntries(subjects.map((name) => [name, golden.sha256[`mmlu_${name}`]])));
    });
  },
);
