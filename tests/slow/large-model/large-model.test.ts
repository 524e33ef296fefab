/**
 * A model of Llama-3.1-8B's shape loads, generates, scores, serves and trains in 16 GB. Its file is a hole that the test
 * makes, so nothing is downloaded; the arithmetic is real and takes a quarter of an hour on two cores. EVOKE_LARGE=1 asks for it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSparseLlama } from "../../support/sparse-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-large-"));
const model = join(folder, "model");
const LIMIT = 16e9;

/** Runs a program of this folder in a process of its own, whose peak of memory is its own, and reads what it prints. */
function run(program: string, ...args: string[]): Record<string, unknown> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", "tsx", path, ...args], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.trim().split("\n").pop()!) as Record<string, unknown>;
}

describe.runIf(process.env.EVOKE_LARGE)("a model of Llama-3.1-8B's shape", () => {
  beforeAll(() => writeSparseLlama(model));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("writes 8 tokens, scores two pairs and serves a request in 16 GB", () => {
    const { outputTokens, scores, served, peak } = run("answer.ts", model);
    expect(outputTokens).toBe(8);
    expect(served).toBe(2);
    // All weights are 0, so every token of the vocabulary is as likely.
    for (const { logprob, tokens } of scores as { logprob: number; tokens: number }[])
      expect(logprob / tokens).toBeCloseTo(-Math.log(128_256), 3);
    expect(peak).toBeLessThan(LIMIT);
  }, 3_600_000);

  it("makes a QLoRA step of 512 tokens in 16 GB", () => {
    const out = join(folder, "run");
    const { loss, said, peak } = run("train.ts", model, out);
    expect(loss).toBeCloseTo(Math.log(128_256), 3);
    expect(said).toContain("512 tokens");
    expect(existsSync(join(out, "adapter", "adapter_model.safetensors"))).toBe(true);
    expect(peak).toBeLessThan(LIMIT);
  }, 3_600_000);
});
