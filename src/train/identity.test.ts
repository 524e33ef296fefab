import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainingRecipe } from "../recipe/schema.js";
import { trainingRecipeSchema } from "../recipe/schema.js";
import { checkSameRun, type IdentitySource, runIdentity } from "./identity.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-identity-"));
const model = join(folder, "model");
const adapter = join(folder, "adapter");
const fixture = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

beforeAll(() => {
  cpSync(fixture("../model/fixtures/llama"), model, { recursive: true });
  cpSync(fixture("./fixtures/lora-init"), adapter, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

const rows = (...tokens: number[]) => [
  { tokens: Int32Array.from(tokens), mask: Uint8Array.from(tokens, () => 1), index: 0 },
];

function source(settings: Record<string, unknown> = {}, rest: Partial<IdentitySource> = {}): IdentitySource {
  const recipe = trainingRecipeSchema.parse({ model, data: { path: "rows.jsonl" }, ...settings }) as TrainingRecipe;
  return { recipe, model: { path: model }, train: rows(1, 2), validation: [], ...rest };
}

/** The complaint about resuming as `now` what was begun as `before`; undefined where it may go on. */
async function complaint(before: IdentitySource, now: IdentitySource): Promise<string | undefined> {
  const begun = await runIdentity(before);
  const asked = await runIdentity(now);
  try {
    checkSameRun({ identity: begun.id, identityFields: begun.fields }, asked, "runs/x");
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("what must be the same to continue a run", () => {
  it.each([
    ["threads", { threads: 3 }],
    ["epochs and steps", { epochs: 40, max_steps: 7 }],
    ["checkpoints and memory", { checkpoint: { every_steps: 9 }, memory: { budget_gb: 3 } }],
    ["where it is written and its model lies", { out: "elsewhere", model: "./x" }],
    ["where its rows lie", { data: { path: "moved/rows.jsonl" } }],
  ])("does not count %s", async (_, changed) => {
    expect(await complaint(source(), source(changed))).toBeUndefined();
  });

  it.each([
    ["lora.r was 64 and is 8", { lora: { r: 8 } }],
    ["seed was 0 and is 1", { seed: 1 }],
    [
      "early_stop.patience was not set and is 2, early_stop.min_delta was not set and is 0",
      { early_stop: { patience: 2 } },
    ],
    ["data.validation was not set and is 0.2", { data: { path: "rows.jsonl", validation: 0.2 } }],
  ])("names the setting: %s", async (words, changed) => {
    expect(await complaint(source(), source(changed))).toBe(`runs/x: holds another run: ${words}; use another --out`);
  });

  it("names the rows", async () => {
    expect(await complaint(source(), source({}, { train: rows(1, 3) }))).toContain("the training rows have changed");
    const split = [...rows(1), ...rows(2)];
    expect(await complaint(source({}, { train: split }), source({}, { train: rows(1, 2) }))).toContain("training rows");
  });

  it("sees one byte in the middle of the base weights and of the starting adapter", async () => {
    const flip = (path: string): void => {
      const bytes = readFileSync(path);
      bytes[Math.floor(bytes.length / 2)]! ^= 1;
      writeFileSync(path, bytes);
    };
    const before = await runIdentity(source({ adapter }));
    const check = async () =>
      checkSameRun({ identity: before.id, identityFields: before.fields }, await runIdentity(source({ adapter })), "x");
    await check();
    flip(join(model, "model.safetensors"));
    await expect(check()).rejects.toThrow("model: model.safetensors has changed");
    flip(join(model, "model.safetensors"));
    flip(join(adapter, "adapter_model.safetensors"));
    await expect(check()).rejects.toThrow("adapter: adapter_model.safetensors has changed");
  });

  it("knows runs with other dropout masks, where there are masks", async () => {
    const without = await runIdentity(source({ lora: { dropout: 0 } }));
    expect(without.fields).not.toHaveProperty("dropout masks");
    const now = await runIdentity(source({ lora: { dropout: 0.1 } }));
    const { "dropout masks": _, ...before } = now.fields;
    expect(() => checkSameRun({ identity: "0", identityFields: before }, now, "runs/x")).toThrow("dropout masks");
  });

  it("says so when an earlier version began the run", async () => {
    const now = await runIdentity(source());
    expect(() => checkSameRun({ identity: "0" }, now, "runs/x")).toThrow("begun by an earlier version of evoke");
  });
});
