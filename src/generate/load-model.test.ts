import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { randomAdapter } from "../../tests/support/fixture-model.js";
import { writeTinyModel } from "../../tests/support/tiny-model.js";
import { openCheckpoint } from "../checkpoint/open.js";
import { changedFiles } from "../hub/content-identity.js";
import { decoderConfig } from "../model/architectures/index.js";
import { saveAdapter } from "../peft/adapter-io.js";
import { choosePrecision, loadModel, locateModel } from "./load-model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-load-"));
afterAll(() => rmSync(root, { recursive: true }));
const base = join(root, "base");
writeTinyModel(base);
const checkpoint = openCheckpoint(base);
const config = decoderConfig(checkpoint.config, base);
checkpoint.close();

/** A run folder as the trainer leaves it. */
async function run(name: string, record: Record<string, unknown>, adapter?: string): Promise<string> {
  const folder = join(root, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "run.json"), JSON.stringify({ status: "done", ...record }));
  if (adapter) await saveAdapter(join(folder, "adapter"), randomAdapter(config, ["self_attn.q_proj"], 2, adapter));
  return folder;
}

describe("a model argument", () => {
  it("may be a model, with adapters on top", async () => {
    const other = await run("other", { model: "hf:NOT/HERE" }, "other");
    const model = await loadModel(base, { adapters: [other] });
    expect(model).toMatchObject({ path: base, reference: base, config: { hiddenSize: 64, layers: 2 } });
    expect(model.adapters.map(({ name }) => name)).toEqual([other]);
    expect(model.tokenizer.encode("a").length).toBeGreaterThan(0);
    expect(model.weights.layers[0]!.linear.get("mlp.up_proj")!.kind).toBe("float32");
  });

  it("may be a run: its base, its adapter, its template", async () => {
    const folder = await run("run", { model: base, modelPath: join(root, "moved away"), template: "tulu" }, "run");
    expect(await locateModel(folder)).toEqual({ path: base, adapterPath: join(folder, "adapter"), template: "tulu" });
    const more = await run("more", {}, "more");
    const model = await loadModel(folder, { adapters: [more] });
    expect(model.adapters.map(({ name }) => name)).toEqual([more, folder]);
    expect(model.template).toBe("tulu");
  });

  it("may be a run that trained all weights", async () => {
    const folder = await run("full", { model: "hf:NOT/HERE", template: "model" });
    cpSync(base, join(folder, "model"), { recursive: true });
    expect(await locateModel(folder)).toEqual({ path: join(folder, "model"), template: "model" });
  });

  it("is refused in one line when the run has no result yet", async () => {
    const folder = await run("young", { model: base, status: "interrupted" });
    await expect(locateModel(folder)).rejects.toThrow(/no adapter yet \(status: interrupted\)/);
    await expect(locateModel(join(root, "none"))).rejects.toThrow(/no such model/);
  });
});

describe("how weights are held", () => {
  const GB = 1e9;
  const held = (bytes: number, stored = "BF16", memory = 64 * GB) => ({ bytes, stored, memory, reference: "m" });

  it.each<[Parameters<typeof choosePrecision>[0], number, string, string]>([
    // Figures: own precision, whatever the size.
    ["float32", 0.5 * GB, "BF16", "float32"],
    ["float32", 3 * GB + 4, "BF16", "float32"],
    ["float32", 32 * GB, "Q4_0", "float32"],
    ["float32", 32 * GB, "bnb-nf4", "float32"],
    // Chat and serving: as small as the file, above 3 GB.
    ["auto", 3 * GB, "BF16", "float32"],
    ["auto", 3 * GB + 4, "BF16", "int8"],
    ["auto", 3 * GB + 4, "bnb-nf4", "nf4"],
    ["auto", 3 * GB + 4, "bnb-int8", "int8"],
    ["auto", 1 * GB, "bnb-nf4", "float32"],
    ["int8", 0.5 * GB, "BF16", "int8"],
    ["nf4", 32 * GB, "BF16", "nf4"],
  ])("%s, blocks of %d bytes stored as %s: %s", (wanted, bytes, stored, expected) => {
    expect(choosePrecision(wanted, held(bytes, stored))).toBe(expected);
  });

  it("is refused where float32 does not fit into the machine, and never rounded instead", () => {
    expect(() => choosePrecision("float32", held(65 * GB))).toThrow(
      "m: its weights take 65 GB in float32, this machine has 64; choose int8 weights",
    );
    expect(choosePrecision("auto", held(65 * GB))).toBe("int8");
  });
});

it("tells two adapters at one path apart, and a copy not", async () => {
  const folder = await run("tuned", { model: base, modelPath: base }, "first");
  const { identity } = await loadModel(folder);
  await saveAdapter(join(folder, "adapter"), randomAdapter(config, ["self_attn.q_proj"], 2, "second"));
  const changed = (await loadModel(folder)).identity;
  expect(changedFiles(identity.files, changed.files)).toEqual(["adapter/adapter_model.safetensors"]);
  expect(changed.id).not.toBe(identity.id);
  cpSync(folder, join(root, "tuned elsewhere"), { recursive: true });
  expect((await loadModel(join(root, "tuned elsewhere"))).identity).toEqual(changed);
});
