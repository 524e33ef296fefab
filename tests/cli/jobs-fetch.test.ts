/** What another trainer leaves in an exported folder becomes a run of evoke's. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-jobs-fetch-"));
const exported = join(folder, "exported");
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(async () => {
  writeTinyModel(at("model"));
  writeTinyRows(at("rows.jsonl"), 24);
  writeFileSync(
    at("recipe.yaml"),
    `model: ${at("model")}\nmethod: lora\nmode: rt\ndata: { path: rows.jsonl }\nlora: { r: 4, alpha: 8 }\nbatch: { micro: 4, accumulation: 1 }\nmax_steps: 3\n`,
  );
  for (const args of [
    ["train", at("recipe.yaml"), "--out", at("local")],
    ["export", "recipe", at("recipe.yaml"), "--to", "trl", "--out", exported],
  ])
    expect((await evoke(args)).code).toBe(0);
  // As TRL leaves it: the adapter, and its own log.
  cpSync(at("local", "adapter"), join(exported, "output"), { recursive: true });
  const log_history = [
    { step: 1, loss: 3, grad_norm: 1.5, learning_rate: 1e-4, epoch: 0.2, num_tokens: 100 },
    { step: 2, loss: 2.5, grad_norm: 1.25, learning_rate: 1e-4, epoch: 0.3, num_tokens: 200 },
    { step: 2, eval_loss: 2.75, eval_runtime: 1 },
    { step: 3, loss: 2, grad_norm: 1, learning_rate: 1e-4, epoch: 0.5, num_tokens: 300 },
    { step: 3, train_runtime: 9, train_loss: 2.5 },
  ];
  writeFileSync(join(exported, "output", "trainer_state.json"), JSON.stringify({ global_step: 3, log_history }));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("evoke jobs fetch", () => {
  it("makes an ordinary run: its steps, its adapter, and it can be used", async () => {
    const run = at("fetched");
    const { code, stdout, stderr } = await evoke(["jobs", "fetch", exported, "--out", run]);
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`${run}: 3 steps, loss 2.0000, trained by trl\n`);
    const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
    const steps = lines.map((line) => JSON.parse(line) as Record<string, number>);
    expect(steps.map(({ step, loss, validation_loss }) => [step, loss, validation_loss])).toEqual([
      [1, 3, undefined],
      [2, 2.5, 2.75],
      [3, 2, undefined],
    ]);
    const record = JSON.parse(readFileSync(join(run, "run.json"), "utf8"));
    expect(record).toMatchObject({
      status: "done",
      method: "lora",
      mode: "rt",
      loss: 2,
      validationLoss: 2.75,
      data: { examples: 24 },
      progress: { step: 3, steps: 3 },
    });
    writeFileSync(at("pairs.jsonl"), '{"context": "the river", "continuation": " runs"}\n');
    const scores: string[] = [];
    for (const name of ["local", "fetched"]) {
      const out = at(`${name}-scores.jsonl`);
      expect((await evoke(["score", at(name), "--in", at("pairs.jsonl"), "--out", out])).code).toBe(0);
      scores.push(readFileSync(out, "utf8"));
    }
    expect(scores[1]).toBe(scores[0]);
    const again = await evoke(["jobs", "fetch", exported, "--out", run]);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/already holds a run/);
  });

  it("says when there is no log of steps", async () => {
    const silent = at("silent");
    cpSync(exported, silent, { recursive: true });
    rmSync(join(silent, "output", "trainer_state.json"));
    const { code, stderr } = await evoke(["jobs", "fetch", silent, "--out", at("silent-run")]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/holds no trainer_state\.json; the run has no losses of its steps/);
  });

  it.each([
    ["no export", 2, /holds no evoke\.json/, (at: string) => rmSync(join(at, "evoke.json"))],
    [
      "no result yet",
      1,
      /adapter_config\.json is not there; has the training ended\?/,
      (at: string) => rmSync(join(at, "output"), { recursive: true }),
    ],
    [
      "weights cut off",
      1,
      /its weights cannot be read/,
      (at: string) => truncateSync(join(at, "output", "adapter_model.safetensors"), 300),
    ],
    [
      "another recipe's adapter",
      1,
      /its adapter has r 5, the recipe 4/,
      (at: string) => {
        const path = join(at, "output", "adapter_config.json");
        writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), r: 5 }));
      },
    ],
  ])("refuses %s and leaves no run", async (name, expected, words, spoil) => {
    const place = at(name);
    cpSync(exported, place, { recursive: true });
    spoil(place);
    const out = at(`${name}-run`);
    const { code, stderr } = await evoke(["jobs", "fetch", place, "--out", out]);
    expect(code).toBe(expected);
    expect(stderr).toMatch(words);
    expect(existsSync(join(out, "run.json"))).toBe(false);
    expect(existsSync(join(out, "adapter"))).toBe(false);
  });
});
