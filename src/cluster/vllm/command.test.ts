import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { afterAll, describe, expect, it } from "vitest";
import { renderTulu } from "../../tokenizer/chat-template.js";
import { type VllmOptions, vllmCommand } from "./command.js";
import { runVllm, shellLine } from "./serve.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-vllm-"));
afterAll(() => rmSync(folder, { recursive: true }));

const options: VllmOptions = { adapters: {}, host: "127.0.0.1", port: 8000, origins: [], more: [] };
const at = ["--host", "127.0.0.1", "--port", "8000"];

function adapter(name: string, config: object): string {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "adapter_config.json"), JSON.stringify(config));
  return join(folder, name);
}

function run(name: string, record: object): string {
  adapter(`${name}/adapter`, { r: 48 });
  writeFileSync(join(folder, name, "run.json"), JSON.stringify(record));
  return join(folder, name);
}

describe("the vllm serve command", () => {
  it("leaves a Hub model to vLLM, at its revision, with adapters of the largest rank that fits them", async () => {
    const [it, rt] = [adapter("it", { r: 16 }), adapter("rt", { r: 8, rank_pattern: { q_proj: 40 } })];
    const { args, models, env } = await vllmCommand("hf:ORG/Name@v2,pip:other==1", {
      ...options,
      adapters: { it, rt },
      tensorParallel: 4,
      dtype: "bfloat16",
      quantization: "fp8",
      token: "a-secret-key",
      origins: ["https://a.example"],
      more: ["--max-model-len", "4096"],
    });
    expect(args).toEqual([
      ...["serve", "ORG/Name", "--revision", "v2", "--served-model-name", "ORG/Name", ...at],
      ...["--tensor-parallel-size", "4", "--dtype", "bfloat16", "--quantization", "fp8"],
      ...["--enable-lora", "--max-loras", "2", "--max-lora-rank", "64", "--lora-modules", `it=${it}`, `rt=${rt}`],
      ...["--allowed-origins", '["https://a.example"]', "--max-model-len", "4096"],
    ]);
    expect(models).toEqual(["it", "rt", "ORG/Name"]);
    expect(env).toEqual({ VLLM_API_KEY: "a-secret-key" });
    expect(args.join(" ")).not.toContain("secret");
  });

  it("serves a run as its base with the adapter, in the run's template", async () => {
    const path = run("my run", { model: "hf:ORG/Base", template: "tulu", method: "qlora" });
    const command = await vllmCommand(path, options);
    const template = command.args[command.args.indexOf("--chat-template") + 1]!;
    expect(command.args).toEqual([
      ...["serve", "ORG/Base", "--served-model-name", "my run:base", ...at, "--chat-template", template],
      ...["--enable-lora", "--max-loras", "1", "--max-lora-rank", "64"],
      ...["--lora-modules", `my run=${join(path, "adapter")}`],
    ]);
    expect(command.models).toEqual(["my run", "my run:base"]);
    expect(command.notes).toEqual([expect.stringContaining("--quantization bitsandbytes")]);
    expect(shellLine(command)).toContain("--served-model-name 'my run:base'");
    expect((await vllmCommand(path, { ...options, template: "model" })).args).not.toContain("--chat-template");
    await expect(vllmCommand(path, { ...options, adapters: { "my run": path } })).rejects.toThrow("would be called");
  });

  it("hands over a template that writes the paper's tags", async () => {
    const { args } = await vllmCommand("bundled:mini", { ...options, template: "tulu" });
    expect(existsSync(join(args[1]!, "config.json"))).toBe(true);
    const template = new Template(readFileSync(args[args.indexOf("--chat-template") + 1]!, "utf8"));
    for (const messages of [
      [{ role: "user", content: "hi\n" }],
      [
        { role: "system", content: "x" },
        { role: "user", content: " a" },
        { role: "assistant", content: "b " },
        { role: "user", content: "\nc" },
      ],
    ] as const)
      expect(template.render({ messages, add_generation_prompt: true, eos_token: "</s>" })).toBe(
        renderTulu([...messages], "</s>", { addGenerationPrompt: true }),
      );
  });

  it.each([
    [{ adapters: { a: "nowhere" } }, "nowhere: is no PEFT adapter: it has no adapter_config.json"],
    [{ template: "none" as const }, "--template none: vLLM renders conversations; use tulu or model"],
  ])("refuses %j", async (more, message) => {
    await expect(vllmCommand("bundled:mini", { ...options, ...more })).rejects.toThrow(message);
  });

  it("refuses what vLLM cannot load", async () => {
    writeFileSync(join(folder, "m.gguf"), "GGUF");
    await expect(vllmCommand(join(folder, "m.gguf"), options)).rejects.toThrow("vLLM wants a Hugging Face folder");
    await expect(
      vllmCommand("bundled:mini", { ...options, adapters: { big: adapter("big", { r: 1024 }) } }),
    ).rejects.toThrow("rank 1024, vLLM serves at most 512");
  });
});

describe("running it", () => {
  it("says what to do where it is not installed", async () => {
    const command = await vllmCommand("bundled:mini", options);
    await expect(runVllm(command, new AbortController().signal, join(folder, "no-vllm"))).rejects.toThrow(
      "vllm is not installed here: pip install vllm",
    );
  });

  it("hands over the key in the environment and reports how it ended", async () => {
    const program = join(folder, "vllm");
    writeFileSync(program, '#!/bin/sh\n[ "$VLLM_API_KEY" = a-secret-key ] && exit 3\nexit 4\n', { mode: 0o755 });
    const command = await vllmCommand("bundled:mini", { ...options, token: "a-secret-key" });
    await expect(runVllm(command, new AbortController().signal, program)).rejects.toThrow("vllm ended with code 3");
    expect(shellLine(command)).toMatch(/^VLLM_API_KEY="\$EVOKE_TOKEN" vllm serve /);
  });
});
