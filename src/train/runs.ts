/** Runs of a folder: found, compared, and put into its trash. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { parse } from "yaml";
import { FailureError, UsageError } from "../errors.js";
import { acquireRunLock } from "../files/run-lock.js";
import { RunFolder, type RunRecord, type StepMetrics } from "./run-folder.js";

export interface FoundRun {
  /** Path below the folder that was searched, with `/`; `.` for itself. */
  id: string;
  path: string;
  record: RunRecord;
}

/** Folders that hold no runs, and may be large. */
const SKIPPED = new Set(["node_modules", "checkpoints", "tensorboard", "adapter", "samples"]);
const MAX_DEPTH = 6;

/** Runs at or below a folder, by path. Hidden folders, the trash among them, are left out. */
export function findRuns(folder: string): FoundRun[] {
  const found: FoundRun[] = [];
  const walk = (path: string, depth: number): void => {
    const run = new RunFolder(path);
    if (run.exists())
      found.push({ id: relative(folder, path).replaceAll("\\", "/") || ".", path, record: run.record() });
    if (depth === MAX_DEPTH) return;
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory() && !entry.name.startsWith(".") && !SKIPPED.has(entry.name))
        walk(join(path, entry.name), depth + 1);
  };
  if (!existsSync(folder)) throw new UsageError(`${folder}: no such folder`);
  walk(folder, 0);
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Settings of a run by dotted name: `mode`, `lora.r`, `data.path`. */
export function runSettings(path: string): Record<string, string> {
  const settings: Record<string, string> = {};
  const add = (prefix: string, value: unknown): void => {
    if (value !== null && typeof value === "object" && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) add(prefix ? `${prefix}.${key}` : key, inner);
    else if (value !== undefined) settings[prefix] = typeof value === "string" ? value : JSON.stringify(value);
  };
  try {
    add("", parse(readFileSync(join(path, "recipe.yaml"), "utf8")));
  } catch (error) {
    throw new UsageError(`${join(path, "recipe.yaml")}: cannot be read (${(error as Error).message.split("\n")[0]})`);
  }
  return settings;
}

/** Settings that are not equal in all runs: by name, the value of each run; undefined where it has none. */
export function settingsThatDiffer(paths: readonly string[]): Record<string, (string | undefined)[]> {
  const all = paths.map(runSettings);
  const names = [...new Set(all.flatMap((settings) => Object.keys(settings)))].sort();
  const rows = names.map((name) => [name, all.map((settings) => settings[name])] as const);
  return Object.fromEntries(rows.filter(([, values]) => new Set(values).size > 1));
}

/** Steps of a run with their figures; a line that was cut off by a crash is left out. */
export function runMetrics(path: string): StepMetrics[] {
  const file = join(path, "metrics.jsonl");
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return line === "" ? [] : [JSON.parse(line) as StepMetrics];
      } catch {
        return [];
      }
    });
}

/**
 * Moves a run into `.trash` beside it. @returns where it lies now.
 * @throws UsageError when there is no run; FailureError when it is under way
 */
export function trashRun(path: string, now: Date): string {
  const run = new RunFolder(path);
  if (!run.exists()) throw new UsageError(`${path}: holds no run`);
  acquireRunLock(path).release();
  const trash = join(dirname(path), ".trash");
  const target = join(trash, `${basename(path)}-${now.toISOString().replace(/[:.]/g, "-")}`);
  try {
    mkdirSync(trash, { recursive: true });
    renameSync(path, target);
  } catch (error) {
    throw new FailureError(`${path}: cannot be moved to ${target} (${(error as Error).message})`, { cause: error });
  }
  return target;
}
