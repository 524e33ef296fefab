import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
    expect(stderr).toContain("another recipe");
    expect(record()).toBe(before);
  });
});
