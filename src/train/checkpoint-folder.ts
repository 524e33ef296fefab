/**
 * Checkpoints of a run: `checkpoints/step-N/` with tensors, state and a manifest of sizes and hashes that is written
 * last. A folder without a manifest that checks out is not a checkpoint.
 */

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { SafetensorsFile } from "../checkpoint/safetensors.js";
import { writeSafetensors } from "../checkpoint/safetensors-write.js";
import { fsyncFolder, writeFileDurably } from "../files/atomic-write.js";
import { readRegularFile } from "../files/regular-file.js";
import { sha256OfFile } from "../files/sha256.js";
import type { StepMetrics } from "./run-folder.js";

/** Where a run stands, next to its tensors. */
export interface TrainingState {
  /** Optimiser updates done. */
  step: number;
  epoch: number;
  /** Updates done within the epoch. */
  stepInEpoch: number;
  /** Target tokens and all tokens trained on so far. */
  targetTokens: number;
  tokens: number;
  bestValidation?: { loss: number; step: number };
  /** Validations in a row without improvement. */
  stale: number;
  /** Figures of the last update when the run was stopped within its validation, which is then made on resuming. */
  unvalidated?: StepMetrics;
  /** Hash of everything that must be the same for this checkpoint to continue the run. */
  identity: string;
}

interface Manifest {
  files: Record<string, { size: number; sha256: string }>;
}

const TENSORS = "tensors.safetensors";
const STATE = "state.json";
const MANIFEST = "manifest.json";

export interface NamedTensor {
  name: string;
  dims: readonly number[];
  data: Float32Array;
}

const folderName = (step: number): string => `step-${step}`;

/** Steps of the checkpoint folders there are, newest first, whole or not. */
function listCheckpoints(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => /^step-(\d+)$/.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

/** Writes a checkpoint beside its place, then moves it there in one step, then removes all but the newest `keep`. */
export function saveCheckpoint(
  folder: string,
  state: TrainingState,
  tensors: readonly NamedTensor[],
  keep: number,
): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (name.endsWith(".tmp")) rmSync(join(folder, name), { recursive: true, force: true });
  const target = join(folder, folderName(state.step));
  const temporary = `${target}.tmp`;
  mkdirSync(temporary);
  try {
    writeSafetensors(
      join(temporary, TENSORS),
      tensors.map(({ name, dims, data }) => ({ name, shape: dims.slice(), dtype: "F32" as const, data })),
    );
    writeFileDurably(join(temporary, STATE), `${JSON.stringify(state, null, 2)}\n`);
    const files: Manifest["files"] = {};
    for (const name of [TENSORS, STATE]) {
      const path = join(temporary, name);
      files[name] = { size: statSync(path).size, sha256: sha256OfFile(path) };
    }
    writeFileDurably(join(temporary, MANIFEST), `${JSON.stringify({ files } satisfies Manifest, null, 2)}\n`);
    fsyncFolder(temporary);
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  fsyncFolder(folder);
  for (const step of listCheckpoints(folder).slice(keep))
    rmSync(join(folder, folderName(step)), { recursive: true, force: true });
}

export interface LoadedCheckpoint {
  state: TrainingState;
  /** Reads one tensor. */
  tensor(name: string): Float32Array;
  close(): void;
}

/**
 * Opens the newest checkpoint that is whole and belongs to the run. Damaged ones are reported and passed over.
 * @returns undefined when there is none to continue from.
 */
export function openNewestCheckpoint(
  folder: string,
  identity: string,
  warn: (line: string) => void,
): LoadedCheckpoint | undefined {
  for (const step of listCheckpoints(folder)) {
    const path = join(folder, folderName(step));
    const problem = damage(path);
    if (problem) {
      warn(`checkpoint ${path} is damaged (${problem}); looking at the one before`);
      continue;
    }
    const state = JSON.parse(readRegularFile(join(path, STATE))) as TrainingState;
    if (state.identity !== identity) {
      warn(`checkpoint ${path} was made with another recipe or other data; not used`);
      continue;
    }
    const file = new SafetensorsFile(join(path, TENSORS));
    return { state, tensor: (name) => read(file, name), close: () => file.close() };
  }
  return undefined;
}

/** What is wrong with a checkpoint folder, or undefined if its manifest checks out. */
function damage(path: string): string | undefined {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readRegularFile(join(path, MANIFEST))) as Manifest;
  } catch {
    return "no readable manifest";
  }
  for (const name of [TENSORS, STATE]) {
    const expected = manifest.files?.[name];
    const file = join(path, name);
    if (!expected || !existsSync(file)) return `${name} is missing`;
    const { size } = statSync(file);
    if (size !== expected.size) return `${name} has ${size} bytes instead of ${expected.size}`;
    if (sha256OfFile(file) !== expected.sha256) return `${name} does not match its hash`;
  }
  return undefined;
}

function read(file: SafetensorsFile, name: string): Float32Array {
  const out = new Float32Array(file.entry(name).values);
  file.decode(name, 0, out.length, out);
  return out;
}
