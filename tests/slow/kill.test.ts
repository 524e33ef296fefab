/** A run that is killed and resumed, over and over, ends with the bytes of an undisturbed one. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { sha256OfFile } from "../../src/files/sha256.js";
import { Random } from "../../src/random/counter.js";
import { evoke, programPath } from "../program.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-kill-"));
const recipe = join(folder, "recipe.yaml");
const KILLS = 20;
const STEPS = 500;

const adapterHash = (run: string): string => sha256OfFile(join(run, "adapter", "adapter_model.safetensors"));

beforeAll(async () => {
  writeTinyModel(join(folder, "model"));
  writeTinyRows(join(folder, "rows.jsonl"), 64);
  writeFileSync(
    recipe,
    `model: ./model
method: qlora
mode: it
data: { path: rows.jsonl, validation: 0.1 }
lora: { r: 4, alpha: 8, dropout: 0.1 }
batch: { micro: 4, accumulation: 2 }
max_steps: ${STEPS}
validation: { every_steps: 20 }
checkpoint: { every_steps: 2, keep: 2 }
threads: 1
`,
  );
  const outcome = await evoke(["train", recipe, "--out", join(folder, "calm")]);
  expect(outcome.stderr + outcome.stdout).toContain("done");
}, 120_000);

/** Starts a run and sends SIGTERM once it has logged some steps. */
function stopInTheMiddle(run: string): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [programPath, "train", recipe, "--out", run], { stdio: "ignore" });
    const timer = setInterval(() => {
      const metrics = join(run, "metrics.jsonl");
      if (!existsSync(metrics) || readFileSync(metrics, "utf8").split("\n").length <= 5) return;
      clearInterval(timer); // a second signal would end the run at once
      child.kill("SIGTERM");
    }, 5);
    child.on("close", (code) => {
      clearInterval(timer);
      resolve(code);
    });
  });
}

/**
 * Starts or resumes a run and kills it: `delay` ms after it made its first step in this life, or after its start.
 * Resolves with the exit code, null when it was killed.
 */
function killAfter(run: string, delay: number, from: "start" | "progress"): Promise<number | null> {
  return new Promise((resolve) => {
    const metrics = join(run, "metrics.jsonl");
    const before = existsSync(metrics) ? readFileSync(metrics, "utf8") : "";
    const child = spawn(process.execPath, [programPath, "train", recipe, "--out", run, "--resume"], {
      stdio: "ignore",
    });
    const kill = (): void => void setTimeout(() => child.kill("SIGKILL"), delay);
    const timer = setInterval(() => {
      if (existsSync(metrics) && readFileSync(metrics, "utf8").length > before.length) {
        clearInterval(timer);
        kill();
      }
    }, 5);
    if (from === "start") {
      clearInterval(timer);
      kill();
    }
    child.on("close", (code) => {
      clearInterval(timer);
      resolve(code);
    });
  });
}

describe("an interrupted run", () => {
  it(`ends with the same adapter after ${KILLS} kills`, async () => {
    const random = new Random("kill moments");
    const run = join(folder, "killed");
    for (let kill = 0; kill < KILLS; kill++) {
      const early = kill % 4 === 3; // while loading, saving nothing or removing an old checkpoint
      const code = await killAfter(run, early ? random.below(800) : random.below(120), early ? "start" : "progress");
      expect(code, `kill ${kill}`).toBeNull();
    }
    const outcome = await evoke(["train", recipe, "--out", run, "--resume"]);
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(adapterHash(run)).toBe(adapterHash(join(folder, "calm")));
    const steps = readFileSync(join(run, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { step: number }).step);
    expect(steps).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  }, 300_000);

  it("saves on SIGTERM, exits 143, and continues to the same bytes", async () => {
    const run = join(folder, "terminated");
    expect(await stopInTheMiddle(run)).toBe(143);
    expect(JSON.parse(readFileSync(join(run, "run.json"), "utf8"))).toMatchObject({ status: "interrupted" });
    const outcome = await evoke(["train", recipe, "--out", run, "--resume"]);
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(adapterHash(run)).toBe(adapterHash(join(folder, "calm")));
  }, 120_000);

  it("passes over a damaged checkpoint with a warning and uses the one before", async () => {
    const run = join(folder, "damaged");
    expect(await stopInTheMiddle(run)).toBe(143);
    const checkpoints = join(run, "checkpoints");
    const newest = readdirSync(checkpoints).sort((a, b) => Number(b.slice(5)) - Number(a.slice(5)))[0]!;
    truncateSync(join(checkpoints, newest, "tensors.safetensors"), 100);
    const outcome = await evoke(["train", recipe, "--out", run, "--resume"]);
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(outcome.stderr).toMatch(/checkpoint .* is damaged \(tensors\.safetensors has 100 bytes/);
    expect(adapterHash(run)).toBe(adapterHash(join(folder, "calm")));
  }, 120_000);
});
