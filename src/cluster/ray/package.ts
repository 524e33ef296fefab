/** The package that is uploaded: the job's program, the recipe, tokens and targets, the order of the batches. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Zippable, zipSync } from "fflate";
import { planEpoch } from "../../data/batch-plan.js";
import type { TrainingExample } from "../../data/encode.js";
import { UsageError } from "../../errors.js";
import { sha256 } from "../../files/sha256.js";

/** The program's files; in the installed package too. */
const PROGRAM = fileURLToPath(new URL("../../../python/ray-job", import.meta.url));
/** What a Ray head takes (GCS_STORAGE_MAX_SIZE's default). */
const MAX_BYTES = 100 * 2 ** 20;
/** Zip keeps local times from 1980 on; a fixed one makes equal contents equal bytes. */
const MTIME = new Date(1980, 0, 1);

export interface JobPackage {
  /** Name on the head, made from its contents. */
  name: string;
  bytes: Uint8Array;
}

export interface PackageContents {
  /** job.json */
  job: unknown;
  rows: readonly TrainingExample[];
  validation: readonly TrainingExample[];
  /** Micro-batches of each update, in order, as lists of row numbers. */
  plan: readonly (readonly (readonly number[])[])[];
  /** Folders to pack, by their name in the package. */
  folders: Record<string, string>;
}

/** Packs a job. Equal contents give equal bytes. @throws UsageError when a head would not take it. */
export function packJob(contents: PackageContents, maxBytes = MAX_BYTES): JobPackage {
  const files: Record<string, Uint8Array> = {
    "job.json": text(`${JSON.stringify(contents.job)}\n`),
    "rows.jsonl": text(lines(contents.rows.map(row))),
    "validation.jsonl": text(lines(contents.validation.map(row))),
    "plan.jsonl": text(lines(contents.plan)),
  };
  for (const name of readdirSync(PROGRAM)) if (name.endsWith(".py")) files[name] = readFileSync(join(PROGRAM, name));
  for (const [name, folder] of Object.entries(contents.folders))
    for (const file of readdirSync(folder))
      if (statSync(join(folder, file)).isFile()) files[`${name}/${file}`] = readFileSync(join(folder, file));
  const sorted: Zippable = {};
  for (const name of Object.keys(files).sort()) sorted[name] = [files[name]!, { level: 6, mtime: MTIME, os: 3 }];
  const bytes = zipSync(sorted);
  if (bytes.length >= maxBytes)
    throw new UsageError(
      `the packed rows and files take ${Math.round(bytes.length / 2 ** 20)} MiB, a Ray head takes ${maxBytes / 2 ** 20}; use data.max_examples, or put model and adapter where the workers see them`,
    );
  return { name: `_ray_pkg_${sha256(bytes).slice(0, 16)}.zip`, bytes };
}

/** Names the job's program by its bytes. */
export function programHash(): string {
  const files = readdirSync(PROGRAM)
    .filter((name) => name.endsWith(".py"))
    .sort();
  return sha256(JSON.stringify(files.map((name) => [name, readFileSync(join(PROGRAM, name), "utf8")])));
}

/** Packages that `cluster.pip: default` stands for. */
export function jobRequirements(): string[] {
  return readFileSync(join(PROGRAM, "requirements.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/**
 * The micro-batches of each update of a run: those of the local trainer, laid out for rows of their own; the same examples in
 * micro-batches of `share` where that is smaller.
 */
export function planRun(
  lengths: readonly number[],
  options: { seed: number; micro: number; accumulation: number; share: number; maxLength: number; steps: number },
): number[][][] {
  const { seed, micro, accumulation, share, maxLength, steps } = options;
  const plan: number[][][] = [];
  for (let epoch = 0; plan.length < steps; epoch++) {
    const batches = planEpoch(lengths, { seed, epoch, microBatch: micro, accumulation, packing: false, maxLength });
    for (let at = 0; at < batches.length && plan.length < steps; at += accumulation)
      plan.push(dealt(batches.slice(at, at + accumulation), share));
  }
  return plan;
}

/** An update's micro-batches, none larger than `size`. */
function dealt(batches: number[][], size: number): number[][] {
  if (batches.every((batch) => batch.length <= size)) return batches;
  const examples = batches.flat();
  return Array.from({ length: Math.ceil(examples.length / size) }, (_, i) => examples.slice(i * size, (i + 1) * size));
}

/** Targets as ranges [start, end) of tokens. */
function row({ tokens, mask }: TrainingExample): { tokens: number[]; targets: [number, number][] } {
  const targets: [number, number][] = [];
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const last = targets.at(-1);
    if (last?.[1] === i) last[1] = i + 1;
    else targets.push([i, i + 1]);
  }
  return { tokens: [...tokens], targets };
}

function lines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
