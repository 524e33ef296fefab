import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { evoke, repositoryRoot } from "../program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-export-"));
const recipe = join(folder, "recipe.yaml");
beforeAll(() => {
  const rows = [1, 2, 3, 4].map((i) => ({ prompt: `Say ${i}.`, completion: `It is ${i}, and no more.` }));
  writeFileSync(join(folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  writeFileSync(
    recipe,
    "model: bundled:mini\npreset: paper-qlora\nmode: rt\ndata: {path: rows.jsonl, validation: 0.25}\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Row {
  input_ids: number[];
  attention_mask: number[];
  labels: number[];
}

const run = (to: string, out: string, ...more: string[]) =>
  evoke(["export", "recipe", recipe, "--to", to, "--out", join(folder, out), ...more]);
const yaml11 = (out: string, name: string): Record<string, unknown> =>
  parse(readFileSync(join(folder, out, name), "utf8"), { version: "1.1" });

describe("evoke export recipe", () => {
  it("writes what `trl sft` runs: configuration, tokens, and labels of the response alone", async () => {
    const { code, stdout } = await run("trl", "trl", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      files: ["data/train.jsonl", "data/validation.jsonl", "evoke.json", "sft.yaml"],
      command: "trl sft --config sft.yaml",
      examples: 3,
      validation: 1,
      steps: 10,
    });
    expect(yaml11("trl", "sft.yaml")).toMatchObject({
      load_in_4bit: true,
      bnb_4bit_quant_type: "nf4",
      use_bnb_nested_quant: true,
      lora_r: 64,
      learning_rate: 1e-4,
      adam_epsilon: 1e-8,
      lr_scheduler_type: "constant",
      per_device_train_batch_size: 8,
      gradient_accumulation_steps: 8,
      num_train_epochs: 10,
      max_grad_norm: 0.3,
      bf16: true,
      dataset_name: "./data",
    });
    const tokenizer = await loadTokenizer(join(repositoryRoot, "models", "mini"));
    const lines = readFileSync(join(folder, "trl", "data", "train.jsonl"), "utf8")
      .trim()
      .split("\n");
    const { input_ids, attention_mask, labels } = JSON.parse(lines[0]!) as Row;
    expect(tokenizer.decode(input_ids)).toMatch(/^<\|assistant\|>\nIt is \d, and no more\.<\/?\S+>\n$/);
    expect(attention_mask).toEqual(input_ids.map(() => 1));
    const learnt = labels.filter((label) => label !== -100);
    expect(learnt.at(-1)).toBe(tokenizer.eosId);
    expect(tokenizer.decode(learnt, { skipSpecialTokens: true })).toMatch(/^It is \d, and no more\.$/);
  });

  it("writes what Axolotl runs, and a program where trl's command line lacks something", async () => {
    const flags = ["--set", "early_stop.patience=2", "--precision", "float32", "--model", "hf:some/model@main"];
    expect((await run("axolotl", "axolotl", ...flags, "--quiet")).code).toBe(0);
    expect(yaml11("axolotl", "axolotl.yaml")).toMatchObject({
      base_model: "some/model",
      revision_of_model: "main",
      adapter: "qlora",
      datasets: [{ path: "data/train.jsonl", ds_type: "json", type: null }],
      sample_packing: false,
      early_stopping_patience: 2,
      bf16: false,
    });
    const { stdout } = await run("trl", "stop", ...flags);
    expect(stdout).toContain("run there: python train.py --config sft.yaml\n");
    expect(readFileSync(join(folder, "stop", "train.py"), "utf8")).toContain(
      "EarlyStoppingCallback(early_stopping_patience=2, early_stopping_threshold=0)",
    );
    expect(yaml11("stop", "sft.yaml")).toMatchObject({ eval_steps: 1, save_steps: 1, load_best_model_at_end: true });
  });

  it("writes what starts several processes, and refuses what they cannot share", async () => {
    const flags = ["--accelerate", "fsdp2", "--processes", "4", "--nodes", "2", "--in-sequence"];
    const { code, stdout, stderr } = await run("trl", "several", ...flags, "--json");
    expect(code, stderr).toBe(0);
    const { files, command } = JSON.parse(stdout) as { files: string[]; command: string };
    expect(command).toBe("accelerate launch --config_file accelerate.yaml train.py --config sft.yaml");
    expect(files).toEqual(
      expect.arrayContaining(["RUN.md", "accelerate.yaml", "job.sbatch", "rayjob.yaml", "sky.yaml", "train.py"]),
    );
    expect(yaml11("several", "sft.yaml")).toMatchObject({
      per_device_train_batch_size: 8,
      gradient_accumulation_steps: 2,
      train_sampling_strategy: "sequential",
    });
    expect((await run("trl", "odd", "--accelerate", "zero3", "--processes", "7")).stderr).toMatch(
      /^evoke: --processes 7: an update of 64 examples cannot be shared out evenly; 1, 2, 4, 8, 16, 32, 64 can\n$/,
    );
    const int8 = ["--set", "quantization.type=int8", "--set", "method=lora"];
    expect((await run("trl", "int8", "--accelerate", "fsdp2", ...int8)).stderr).toMatch(
      /8-bit weights .* cannot be shared/,
    );
    expect((await run("axolotl", "ax", "--accelerate", "fsdp2")).stderr).toMatch(/--accelerate .* for --to trl/);
  });

  it("replaces an export with --force, and nothing else ever", async () => {
    const line = (text: string) => ({ code: 2, stdout: "", stderr: `evoke: ${text}\n` });
    const again = join(folder, "again");
    expect((await run("trl", "again", "--quiet")).code).toBe(0);
    expect(await run("axolotl", "again")).toEqual(line(`${again}: exists already; --force replaces it`));
    expect((await run("axolotl", "again", "--force", "--quiet")).code).toBe(0);
    expect(readdirSync(again).sort()).toEqual(["axolotl.yaml", "data", "evoke.json"]);
    const mine = join(folder, "mine");
    mkdirSync(mine);
    writeFileSync(join(mine, "thesis.txt"), "");
    expect(await run("trl", "mine", "--force")).toEqual(
      line(`${mine}: holds no exported recipe, so it is not replaced; use another --out`),
    );
    expect(existsSync(join(mine, "thesis.txt"))).toBe(true);
  });

  it.each([
    [["--set", "quantization.block_size=128"], "quantization.block_size: bitsandbytes uses blocks of 64, not 128"],
    [
      ["--set", "lora.target_modules=[wrong]"],
      'lora.target_modules: unknown layer in ["wrong"]; use all-linear or some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj',
    ],
  ])("refuses %j with one line and writes nothing", async (flags, line) => {
    expect(await run("trl", "none", ...flags)).toEqual({ code: 2, stdout: "", stderr: `evoke: ${line}\n` });
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});
