import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { acquireRunLock } from "../files/run-lock.js";
import { findRuns, runMetrics, settingsThatDiffer, trashRun } from "./runs.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runs-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function makeRun(name: string, recipe: string): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "run.json"), JSON.stringify({ status: "done", mode: "rt" }));
  writeFileSync(join(path, "recipe.yaml"), recipe);
  return path;
}

it("finds runs at any depth, and none in hidden folders or among checkpoints", () => {
  for (const name of ["b", "a/inner", ".trash/old", "b/checkpoints/step-1"]) makeRun(name, "mode: rt\n");
  expect(findRuns(folder).map(({ id }) => id)).toEqual(["a/inner", "b"]);
  expect(findRuns(join(folder, "b")).map(({ id }) => id)).toEqual(["."]);
  expect(() => findRuns(join(folder, "none"))).toThrow(UsageError);
});

it("shows the settings that differ, and which run lacks one", () => {
  const a = makeRun("a", "mode: rt\nlora: {r: 8, alpha: 16}\nseed: 1\n");
  const b = makeRun("b", "mode: it\nlora: {r: 8}\nseed: 1\n");
  expect(settingsThatDiffer([a, b])).toEqual({ "lora.alpha": ["16", undefined], mode: ["rt", "it"] });
});

it("reads figures up to a line that was cut off", () => {
  const path = makeRun("a", "mode: rt\n");
  expect(runMetrics(path)).toEqual([]);
  writeFileSync(join(path, "metrics.jsonl"), '{"step":1,"loss":2.5}\n{"step":2,"lo');
  expect(runMetrics(path)).toEqual([{ step: 1, loss: 2.5 }]);
});

it("moves a run to the trash, from where it can be taken back, and refuses one under way or none at all", () => {
  const path = makeRun("a", "mode: rt\n");
  const lock = acquireRunLock(path);
  expect(() => trashRun(path, new Date(0))).toThrow();
  lock.release();
  const trash = trashRun(path, new Date(0));
  expect(trash).toBe(join(folder, ".trash", "a-1970-01-01T00-00-00-000Z"));
  expect([existsSync(path), existsSync(join(trash, "run.json"))]).toEqual([false, true]);
  expect(() => trashRun(path, new Date(0))).toThrow(/holds no run/);
});
