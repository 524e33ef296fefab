/**
 * A job's whole output of 37 MB, with an adapter of 20 MB in it, through a link of some bytes a second that is cut three times:
 * it arrives once, and the run is whole. Against a played Ray head. `EVOKE_TEST_LINK_BYTES=100000` makes it twelve minutes; by default the
 * link is faster, and the cuts are the same.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../src/random/counter.js";
import { evoke } from "../program.js";
import { RayHead } from "../support/ray-head.js";
import { PlayedJob } from "../support/ray-job.js";
import { SlowLink } from "../support/slow-link.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const STEPS = 200;
const BYTES_PER_SECOND = Number(process.env.EVOKE_TEST_LINK_BYTES || 20e6);
const folder = mkdtempSync(join(tmpdir(), "evoke-slow-link-"));
const at = (...parts: string[]): string => join(folder, ...parts);
let head: RayHead;

beforeAll(async () => {
  writeTinyModel(at("model"));
  writeTinyRows(at("rows.jsonl"), 8);
  writeFileSync(
    at("recipe.yaml"),
    `model: ./model\nmethod: lora\nmode: it\ndata: {path: rows.jsonl}\nlora: {r: 2}\nbatch: {micro: 4, accumulation: 1}\nmax_steps: ${STEPS}\n`,
  );
  mkdirSync(at("result"));
  const random = new Random("adapter bytes");
  writeFileSync(
    at("result", "adapter_model.safetensors"),
    Buffer.from(Array.from({ length: 20e6 }, () => random.below(256))),
  );
  writeFileSync(at("result", "adapter_config.json"), "{}");
  head = await RayHead.start();
});
afterAll(async () => {
  await head.close();
  rmSync(folder, { recursive: true });
});

it("arrives once", async () => {
  let size = 0;
  let printed = 0;
  head.onSubmit = (_id, job) => {
    const played = new PlayedJob(job).start();
    for (let step = 1; step <= STEPS; step++) {
      for (let line = 0; line < 540; line++) played.print(`step ${step} line ${line} ${"·".repeat(40)}`);
      printed += 540;
      played.steps(step, step);
    }
    played.result(at("result"), true).succeed(STEPS);
    size = Buffer.byteLength(job.logs);
  };
  const link = await SlowLink.to(Number(new URL(head.address.replace("ray:", "http:")).port), {
    bytesPerSecond: BYTES_PER_SECOND,
    cutAfter: [5e6, 15e6, 30e6],
  });
  const start = performance.now();
  const args = ["train", at("recipe.yaml"), "--on", `ray://127.0.0.1:${link.port}`, "--out", at("run")];
  const { code, stderr } = await evoke(args);
  expect(code, stderr).toBe(0);
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `${(size / 1e6).toFixed(1)} MB of output, ${(link.passed / 1e6).toFixed(1)} MB passed in ${seconds.toFixed(0)} s, ${link.cuts} cuts`,
  );
  expect(size).toBeGreaterThan(37e6);
  expect(link.cuts).toBe(3);
  // How many lines lie behind the last known one is found by asking for more and more, which may double what passes.
  expect(link.passed).toBeLessThan(2.2 * size);
  const fetched = readFileSync(at("run", "adapter", "adapter_model.safetensors"));
  expect(fetched.equals(readFileSync(at("result", "adapter_model.safetensors")))).toBe(true);
  const steps = readFileSync(at("run", "metrics.jsonl"), "utf8").trim().split("\n");
  expect(steps.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(
    Array.from({ length: STEPS }, (_, i) => i + 1),
  );
  const lines = readFileSync(at("run", "job-output.txt"), "utf8").trim().split("\n");
  expect(lines).toHaveLength(printed);
  expect(new Set(lines).size).toBe(printed);
  await link.close();
}, 3_600_000);
