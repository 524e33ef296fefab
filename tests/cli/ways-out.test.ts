/** A tuned model leaves: `export model`, `export adapter`, `push`. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseGguf } from "../../src/checkpoint/gguf/parse.js";
import { evoke } from "../program.js";
import { HubServer } from "../support/hub-server.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-ways-out-"));
const run = join(folder, "run");
const out = (name: string): string => join(folder, name);
const hub = new HubServer();
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const rows = [1, 2, 3, 4].map((i) => ({ prompt: `Say ${i}.`, completion: `It is ${i}.` }));
  writeFileSync(join(folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const recipe =
    "model: bundled:mini\nmode: rt\ntemplate: tulu\ndata: {path: rows.jsonl}\nlora: {r: 2, alpha: 4}\nmax_steps: 1\nbatch: {micro: 2, accumulation: 1}\n";
  writeFileSync(join(folder, "recipe.yaml"), recipe);
  const trained = await evoke(["train", join(folder, "recipe.yaml"), "--out", run]);
  expect(trained.code, trained.stderr).toBe(0);
  env = { HF_ENDPOINT: await hub.start(), HF_TOKEN: hub.token };
}, 120_000);
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true });
});

const files = (path: string): string[] => (readdirSync(path, { recursive: true }) as string[]).sort();

describe("evoke export model", () => {
  it.each([
    ["hf", undefined, "bf16", ["chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"]],
    ["ollama", "q4_0", "q4_0", ["Modelfile"]],
    ["onnx", "q4", "q4", ["config.json", "onnx/model_q4.onnx", "tokenizer.json"]],
  ] as const)("writes a folder for %s", async (to, quantize, storage, expected) => {
    const more = quantize ? ["--quantize", quantize] : [];
    const { code, stdout, stderr } = await evoke([
      "export",
      "model",
      run,
      "--to",
      to,
      "--out",
      out(to),
      ...more,
      "--json",
    ]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ out: out(to), format: to, quantization: storage });
    expect(files(out(to))).toEqual(expect.arrayContaining([...expected]));
  });

  it("writes a GGUF file with the template of the training", async () => {
    const { code, stdout } = await evoke(["export", "model", run, "--to", "gguf", "--out", out("m.gguf")]);
    expect(code).toBe(0);
    expect(stdout).toBe(`written: ${out("m.gguf")} (gguf, f16)\n`);
    const { metadata, file } = parseGguf(out("m.gguf"));
    file.close();
    expect(metadata.get("tokenizer.chat_template")).toContain("<|assistant|>");
  });

  it("refuses storage that a format has not, formats that there are not, and what is there", async () => {
    writeFileSync(out("there.gguf"), "mine");
    for (const [args, what] of [
      [["--to", "onnx", "--quantize", "q8_0", "--out", out("x")], "--quantize q8_0: onnx is written as f32, q4"],
      [["--to", "tflite", "--out", out("x")], "tflite"],
      [["--to", "gguf", "--out", out("there.gguf")], "exists already"],
      [["--to", "gguf"], "--out"],
    ] as const) {
      const { code, stderr } = await evoke(["export", "model", run, ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(what)]);
    }
    expect(readFileSync(out("there.gguf"), "utf8")).toBe("mine");
    expect(existsSync(out("x"))).toBe(false);
  });
});

describe("evoke export adapter", () => {
  it("writes the run's adapter as GGUF", async () => {
    const { code, stdout } = await evoke(["export", "adapter", run, "--to", "gguf", "--out", out("a.gguf"), "--json"]);
    expect([code, JSON.parse(stdout)]).toEqual([0, { out: out("a.gguf") }]);
    const { metadata, file } = parseGguf(out("a.gguf"));
    file.close();
    expect(metadata.get("general.type")).toBe("adapter");
  });

  it("takes an adapter folder with its base, and asks for it", async () => {
    const args = ["export", "adapter", join(run, "adapter"), "--to", "gguf", "--out", out("b.gguf")];
    const asked = await evoke(args);
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining("--base")]);
    const { code } = await evoke([...args, "--base", "bundled:mini"]);
    expect(code).toBe(0);
    expect(readFileSync(out("b.gguf")).equals(readFileSync(out("a.gguf")))).toBe(true);
  });

  it("refuses a model without an adapter", async () => {
    const { code, stderr } = await evoke(["export", "adapter", "bundled:mini", "--to", "gguf", "--out", out("c.gguf")]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("has no adapter")]);
  });
});

describe("evoke push", () => {
  it("looks, then sends adapter, tokenizer and card; nothing of this machine", async () => {
    const dry = await evoke(["push", run, "hf:ORG/TUNED", "--dry-run", "--json"], { env });
    expect([dry.code, JSON.parse(dry.stdout)]).toEqual([0, expect.objectContaining({ dryRun: true })]);
    expect(hub.repositories.has("ORG/TUNED")).toBe(false);
    const { code, stderr } = await evoke(["push", run, "hf:ORG/TUNED"], { env });
    expect(code, stderr).toBe(0);
    const repository = hub.repositories.get("ORG/TUNED")!;
    expect(repository.private).toBe(true);
    expect([...repository.files.keys()]).toEqual(
      expect.arrayContaining(["README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"]),
    );
    for (const [path, { bytes }] of repository.files) expect(bytes.includes(folder), path).toBe(false);
    const config = JSON.parse(repository.files.get("adapter_config.json")!.bytes.toString());
    expect(config).toMatchObject({ peft_type: "LORA", r: 2, base_model_name_or_path: null });
  });

  it("refuses what is no repository, no run, and a token that is not known", async () => {
    for (const [args, more, code, what] of [
      [[run, "ORG/NAME"], {}, 2, "write hf:ORG/NAME"],
      [[folder, "hf:ORG/NAME"], {}, 2, "is no run folder"],
      [[run, "hf:ORG/NAME"], { HF_TOKEN: "hf_wrong" }, undefined, "HF_TOKEN"],
    ] as const) {
      const found = await evoke(["push", ...args], { env: { ...env, ...more } });
      expect(found.stderr).toContain(what);
      expect(found.code).toBeGreaterThan(0);
      if (code !== undefined) expect(found.code).toBe(code);
    }
  });
});
