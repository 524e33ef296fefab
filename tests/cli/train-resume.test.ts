import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256OfFile } from "../../src/files/sha256.js";
import { evoke } from "../program.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-resume-"));
const out = join(folder, "run");
const recipe = join(folder, "recipe.yaml");
const record = (): string => readFileSync(join(out, "run.json"), "utf8");

beforeAll(async () => {
  writeTinyModel(join(folder, "tiny"));
  writeTinyRows(join(folder, "rows.jsonl"), 8);
  writeFileSync(
    recipe,
    "model: ./tiny\nmax_steps: 2\nbatch: { micro: 4, accumulation: 1 }\ndata: { path: rows.jsonl }\n",
  );
  const { code, stderr } = await evoke(["train", recipe, "--out", out]);
  expect(code, stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("evoke train --resume of a finished run", () => {
  it("has nothing to do, by the recipe that the run left as by its own, and leaves the record as it is", async () => {
    const before = record();
    expect(JSON.parse(before).status).toBe("done");
    for (const path of [recipe, join(out, "recipe.yaml")]) {
      const { code, stderr } = await evoke(["train", path, "--out", out, "--resume"]);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain("nothing to do");
      expect(record()).toBe(before);
    }
  });

  it("refuses another recipe, and leaves the record as it is", async () => {
    const before = record();
    const { code, stderr } = await evoke(["train", recipe, "--out", out, "--resume", "--set", "lora.r=8"]);
    expect(code).toBe(2);
    expect(stderr).toContain("holds another run: lora.r was 64 and is 8");
    expect(record()).toBe(before);
  });
});

describe("evoke train --resume with more steps", () => {
  const adapter = (run: string): string => sha256OfFile(join(run, "adapter", "adapter_model.safetensors"));

  it("continues a finished run to the bytes of one that had those steps from the start, on other threads", async () => {
    const longer = join(folder, "longer");
    const whole = join(folder, "whole");
    expect((await evoke(["train", recipe, "--out", longer, "--set", "threads=1"])).code).toBe(0);
    const more = ["--set", "max_steps=4", "--set", "threads=2", "--set", "checkpoint.every_steps=3"];
    const { code, stderr } = await evoke(["train", recipe, "--out", longer, "--resume", ...more]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("the run goes on to step 4, where it was to end at 2");
    expect((await evoke(["train", recipe, "--out", whole, ...more])).code).toBe(0);
    expect(adapter(longer)).toBe(adapter(whole));
    const less = await evoke(["train", recipe, "--out", longer, "--resume", "--set", "max_steps=3"]);
    expect(less.stderr).toContain("nothing to do");
  });

  it("refuses changed base weights, naming the file", async () => {
    const weights = join(folder, "tiny", "model.safetensors");
    const bytes = readFileSync(weights);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle]! ^= 1;
    writeFileSync(weights, bytes);
    const { code, stderr } = await evoke(["train", recipe, "--out", out, "--resume", "--set", "max_steps=3"]);
    bytes[middle]! ^= 1;
    writeFileSync(weights, bytes);
    expect(code).toBe(2);
    expect(stderr).toContain("holds another run: model: model.safetensors has changed");
  });
});
