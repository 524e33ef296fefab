/** Runs listed, compared and deleted by the program; one question asked of a model. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { evoke } from "../program.js";
import { writeTinyModel } from "../support/tiny-model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-runs-"));
const run = (name: string): string => join(root, "runs", name);
beforeAll(() => {
  for (const [name, mode, loss] of [
    ["first", "it", 2.5],
    ["second", "rt", 1.5],
  ] as const) {
    mkdirSync(run(name), { recursive: true });
    const record = {
      status: "done",
      mode,
      method: "lora",
      model: "bundled:mini",
      progress: { step: 2, steps: 2, epoch: 1 },
      loss,
    };
    writeFileSync(join(run(name), "run.json"), JSON.stringify(record));
    writeFileSync(join(run(name), "recipe.yaml"), `mode: ${mode}\nseed: 1\n`);
    writeFileSync(join(run(name), "metrics.jsonl"), `{"step":1,"loss":3}\n{"step":2,"loss":${loss}}\n`);
  }
});
afterAll(() => rmSync(root, { recursive: true }));

it("lists the best first, and those that a setting names", async () => {
  const { stdout } = await evoke(["runs", join(root, "runs"), "--best", "loss"]);
  expect(stdout.split("\n").map((line) => line.split(/\s+/)[0])).toEqual(["run", "second", "first", ""]);
  const filtered = await evoke(["runs", join(root, "runs"), "--where", "mode=it", "--where", "seed=1", "--json"]);
  expect(JSON.parse(filtered.stdout)).toMatchObject([{ run: "first", loss: 2.5, validation_loss: null }]);
  const wrong = await evoke(["runs", join(root, "runs"), "--where", "mode"]);
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    "evoke: --where mode: write KEY=VALUE, such as mode=rt or lora.r=16\n",
  ]);
});

it("compares settings and curves", async () => {
  const { stdout } = await evoke(["runs", "compare", run("first"), run("second")]);
  expect(stdout).toMatch(/^mode\s+it\s+rt$/m);
  expect(stdout).not.toMatch(/^seed/m);
  expect(stdout).toMatch(/^loss at 100 %\s+2\.5000\s+1\.5000$/m);
});

it("moves a run to the trash", async () => {
  const { code } = await evoke(["runs", "delete", run("first")]);
  expect([code, existsSync(run("first"))]).toEqual([0, false]);
  const { stdout } = await evoke(["runs", join(root, "runs"), "--json"]);
  expect(JSON.parse(stdout)).toHaveLength(1);
});

it("asks one question", async () => {
  const model = join(root, "model");
  writeTinyModel(model);
  const args = ["generate", model, "--prompt", "a quiet sea", "--max-tokens", "4", "--template", "tulu"];
  const plain = await evoke(args);
  const json = await evoke([...args, "--json"]);
  expect(plain.code).toBe(0);
  expect(plain.stdout).toBe(`${JSON.parse(json.stdout).output}\n`);
  const both = await evoke([...args, "--in", "rows.jsonl"]);
  expect([both.code, both.stderr]).toEqual([2, "evoke: generate: --prompt excludes --in and --out\n"]);
});
