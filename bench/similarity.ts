/**
 * The similarity filter against rouge_score, and at the size of the paper's data.
 *
 * Usage: EVOKE_DATA=… [PYTHON=python3] npx tsx bench/similarity.ts
 * PYTHON needs the package rouge-score; without it only our own figures are printed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../src/random/counter.js";
import { SimilarityPool } from "../src/self-instruct/similarity.js";
import { SimilarityFilter } from "../src/self-instruct/similarity-filter.js";

const POOL = 5000;
const PEER_CANDIDATES = 5;
const OUR_CANDIDATES = 20_000;
const SYNTHETIC = 52_000;

const data = process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../shared/data");
const instructions = (file: string): string[] =>
  readFileSync(join(data, file), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { instruction: string }).instruction);
const seeds = instructions("self_instruct/seed_tasks.jsonl");
const real = [
  ...new Set([
    ...instructions("self_instruct/user_oriented_instructions.jsonl"),
    ...instructions("sft/alpaca_subset.jsonl"),
  ]),
];

/** Real instructions with their words in another order: the same words and lengths, few near duplicates. */
function permuted(count: number): string[] {
  const random = new Random("bench-similarity");
  return Array.from({ length: count }, (_, i) => random.shuffled(real[i % real.length]!.split(/\s+/)).join(" "));
}

function seconds(work: () => void): number {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}

const pool = real.slice(0, POOL);
const candidates = permuted(OUR_CANDIDATES);
const index = new SimilarityPool(pool);
for (const candidate of candidates.slice(0, 500)) index.nearest(candidate);
const largest: number[] = [];
const ours =
  OUR_CANDIDATES /
  seconds(() => {
    for (const text of candidates) largest.push(index.nearest(text)?.score ?? 0);
  });
const surveyed =
  5000 /
  seconds(() => {
    for (const text of candidates.slice(0, 5000)) index.survey(text);
  });
console.log(
  `pool of ${POOL}: ${ours.toFixed(0)} candidates/s (decision and nearest), ${surveyed.toFixed(0)}/s with the ten nearest and the mean`,
);

const folder = mkdtempSync(join(tmpdir(), "evoke-bench-"));
try {
  const work = join(folder, "work.json");
  writeFileSync(work, JSON.stringify({ pool, candidates: candidates.slice(0, PEER_CANDIDATES) }));
  const peer = spawnSync(
    process.env.PYTHON ?? "python3",
    [join(import.meta.dirname, "peers/rouge_score_filter.py"), work],
    { encoding: "utf8" },
  );
  if (peer.status === 0) {
    const result = JSON.parse(peer.stdout) as { seconds: number; max: number[] };
    const theirs = PEER_CANDIDATES / result.seconds;
    const equal = result.max.every((score, i) => score === largest[i]);
    console.log(
      `rouge_score: ${theirs.toFixed(3)} candidates/s; ratio ${(ours / theirs).toFixed(0)}; scores ${equal ? "equal" : "DIFFER"}`,
    );
  } else {
    console.log("rouge_score: not run (set PYTHON to an interpreter that has the package rouge-score)");
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const synthetic = permuted(SYNTHETIC);
const filter = new SimilarityFilter(seeds);
let kept = 0;
const took = seconds(() => {
  for (const text of synthetic) if (filter.offer(text).keep) kept++;
});
const peak = process.resourceUsage().maxRSS / 1024;
console.log(
  `${SYNTHETIC} permuted instructions: ${took.toFixed(1)} s, ${kept} kept, peak memory ${peak.toFixed(0)} MiB`,
);
