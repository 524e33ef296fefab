import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { Random } from "../random/counter.js";
import { loadRecipe, parseRecipe } from "./load.js";
import { presetNames } from "./presets.js";
import { recipeJsonSchema } from "./schema.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-recipe-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "recipe.yaml");
const minimal = "model: bundled:mini\ndata:\n  path: train.jsonl\n";

async function load(text: string, sets: string[] = []) {
  writeFileSync(file, text);
  return loadRecipe(file, sets);
}
async function complaint(text: string, sets: string[] = []): Promise<string> {
  try {
    await load(text, sets);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message.replace(file, "recipe.yaml");
  }
  throw new Error("the recipe was accepted");
}

describe("loadRecipe", () => {
  it("fills in the paper's QLoRA numbers", async () => {
    const recipe = await load(minimal);
    expect(recipe).toMatchObject({
      method: "qlora",
      mode: "it",
      template: "tulu",
      lora: { r: 64, alpha: 16, dropout: 0.1, target_modules: "all-linear" },
      quantization: { type: "nf4", double_quant: true, block_size: 64 },
      optimizer: { lr: 1e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
      schedule: { type: "constant", warmup_steps: 0, warmup_ratio: 0 },
      batch: { micro: 8, accumulation: 8 },
      epochs: 10,
      max_length: 2048,
      max_grad_norm: 0.3,
      seed: 0,
    });
    expect(await load(`${minimal}preset: paper-qlora\n`)).toEqual({ ...recipe, preset: "paper-qlora" });
  });

  it("lets the file win over the preset and --set over both", async () => {
    const text = `${minimal}preset: paper-lora\nbatch: {micro: 2}\noptimizer:\n  lr: 3e-4\n`;
    const recipe = await load(text, [
      "optimizer.lr=5e-5",
      "lora.target_modules=[q_proj, v_proj]",
      "max_grad_norm=null",
    ]);
    expect(recipe.schedule).toEqual({ type: "cosine", warmup_steps: 100, warmup_ratio: 0 });
    expect(recipe.quantization.type).toBe("int8");
    expect(recipe.lora).toMatchObject({ r: 16, alpha: 16, dropout: 0.1, target_modules: ["q_proj", "v_proj"] });
    expect(recipe.batch).toEqual({ micro: 2, accumulation: 8 });
    expect(recipe.optimizer.lr).toBe(5e-5);
    expect(recipe.max_grad_norm).toBeNull();
    expect((await load(text, ["preset=paper-full"])).method).toBe("full");
  });

  it("reads the paper's full recipe", () => {
    expect(parseRecipe({ model: "m", preset: "paper-full", data: { path: "d" } })).toMatchObject({
      method: "full",
      quantization: { type: "none" },
      optimizer: { lr: 2e-5 },
      schedule: { type: "cosine", warmup_ratio: 0.03 },
      batch: { micro: 4, accumulation: 8 },
      epochs: 3,
    });
  });

  it("anchors file names at the recipe's folder, or the current one for --set", async () => {
    const text =
      "model: ./base,hf:a/b\nadapter: old\ndata:\n  path: [a.jsonl, /abs/b.jsonl, 'hf:x/y']\n  validation: v.jsonl\n";
    const recipe = await load(text);
    expect(recipe.model).toBe(`${join(folder, "base")},hf:a/b`);
    expect(recipe.adapter).toBe(join(folder, "old"));
    expect(recipe.data.path).toEqual([join(folder, "a.jsonl"), "/abs/b.jsonl", "hf:x/y"]);
    expect(recipe.data.validation).toBe(join(folder, "v.jsonl"));
    const set = await load(text, ["data.path=c.jsonl", "data.validation=0.1"]);
    expect(set.data).toMatchObject({ path: [resolve("c.jsonl")], validation: 0.1 });
  });

  it("can be written out and read again unchanged", async () => {
    const recipe = await load(minimal, ["cluster.workers=2", "early_stop.patience=2", "data.validation=0.2"]);
    expect(parseRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
  });

  it("names line, key and nearest valid key", async () => {
    expect(await complaint(`${minimal}optimizer:\n  lerning_rate: 1e-4\n`)).toBe(
      'recipe.yaml:5: unknown key "lerning_rate" in optimizer; did you mean "lr"?',
    );
    expect(await complaint(`${minimal}lerning_rate: 1e-4\n`)).toBe(
      'recipe.yaml:4: unknown key "lerning_rate"; did you mean "optimizer.lr"?',
    );
    expect(await complaint("modle: x\ndata: {path: a}\n")).toMatch(
      /^recipe.yaml:1: unknown key "modle"; did you mean "model"\?/,
    );
    expect(await complaint(`${minimal}epoch: 3\n`)).toBe('recipe.yaml:4: unknown key "epoch"; did you mean "epochs"?');
    expect(await complaint(`${minimal}dropout: 3\n`)).toContain('did you mean "lora.dropout"?');
    expect(await complaint(`${minimal}zzzzqqqq: 3\n`)).toContain(
      'unknown key "zzzzqqqq"; valid keys here: model, adapter,',
    );
    expect(await complaint(minimal, ["lora.rnk=3"])).toBe(
      '--set lora.rnk=3: unknown key "rnk" in lora; did you mean "r"?',
    );
    expect(await complaint(`${minimal}__proto__: {a: 1}\n`)).toBe('recipe.yaml:4: unknown key "__proto__"');
    expect(await complaint(`${minimal}lora:\n  __proto__: {a: 1}\n`)).toContain(
      'recipe.yaml:5: unknown key "__proto__"',
    );
  });

  it("says what was expected where a value is wrong", async () => {
    const cases: [string, string][] = [
      ["seed: x", 'recipe.yaml:4: seed: expected a number, got "x"'],
      ["seed: 1.5", "recipe.yaml:4: seed: expected a whole number, got 1.5"],
      ["cluster: &c {again: *c}", "recipe.yaml: not usable YAML: Converting circular structure"],
      ["epochs: 0", "recipe.yaml:4: epochs: expected a number above 0, got 0"],
      ["method: qlra", 'recipe.yaml:4: method: expected one of qlora, lora, full, got "qlra"'],
      ["packing: 1", "recipe.yaml:4: packing: expected true or false, got 1"],
      ["lora:\n  dropout: 1", "recipe.yaml:5: lora.dropout: expected a number below 1, got 1"],
      ["lora: 3", 'recipe.yaml:4: lora: expected a block of "key: value" lines, got 3'],
      ["lora:\n  target_modules: 3", "recipe.yaml:5: lora.target_modules: expected all-linear or a list, got 3"],
      [
        "optimizer:\n  betas:\n    - 0.9\n    - 2",
        "recipe.yaml:7: optimizer.betas.1: expected a number below 1, got 2",
      ],
      [
        "optimizer:\n  betas: [0.9]",
        "recipe.yaml:5: optimizer.betas: expected a list of at least 2 entries, got [0.9]",
      ],
      [
        "quantization:\n  block_size: 63",
        "recipe.yaml:5: quantization.block_size: expected one of 32, 64, 128, 256, 512, 1024, got 63",
      ],
      ["preset: papier", 'recipe.yaml:4: preset: expected one of paper-qlora, paper-lora, paper-full, got "papier"'],
      ["method: full\nquantization: {type: nf4}", "recipe.yaml:5: quantization.type: method full trains all weights"],
      ["method: qlora\nquantization: {type: none}", "recipe.yaml:5: quantization.type: method qlora needs nf4 or int8"],
      ["early_stop: {patience: 2}", "recipe.yaml:4: early_stop: needs validation rows"],
      ["seed: 1\nseed: 2", "recipe.yaml:5: not valid YAML: Map keys must be unique"],
      ["a: [", "not valid YAML"],
    ];
    for (const [text, message] of cases) expect(await complaint(minimal + text)).toContain(message);
    expect(await complaint("data: {path: []}\nmodel: m\n")).toContain("recipe.yaml:1: data.path: expected ");
    expect(await complaint("data: {path: a}\n")).toBe('recipe.yaml: missing key "model" (expected text)');
    expect(await complaint("model: m\n")).toContain('missing key "data"');
    expect(await complaint("")).toBe('recipe.yaml:1: expected "key: value" lines (a YAML map)');
    expect(await complaint(minimal, ["seed"])).toBe("--set seed: expected KEY=VALUE, such as optimizer.lr=2e-4");
    expect(await complaint(minimal, ["seed=x"])).toBe('--set seed=x: seed: expected a number, got "x"');
    await expect(loadRecipe(join(folder, "none.yaml"))).rejects.toThrow("none.yaml: no such file");
    await expect(loadRecipe(folder)).rejects.toThrow("is a folder");
  });

  it("answers mangled recipes with a recipe or a UsageError", async () => {
    const source = `model: hf:a/b\npreset: paper-qlora\nmode: rt\ndata: &d\n  path: [a.jsonl, b.jsonl]\n  columns: {output: answer}\nlora: {r: 8}\noptimizer:\n  lr: 2e-4 # slow\n  betas: [0.9, 0.99]\ncluster: {nodes: 2, again: *d}\n`;
    const pieces = [
      "&a",
      "*a",
      "!!binary x",
      "{",
      "}",
      "[",
      "]",
      ":",
      "\n",
      "- ",
      "? ",
      "|",
      "'",
      "\0",
      "__proto__:",
      "<<: *d",
      "~",
      "1e999",
      "\t",
      "é",
      "%",
      "---\n",
    ];
    let refused = 0;
    for (let i = 0; i < 2000; i++) {
      const random = new Random("recipe-fuzz", i);
      let text = source;
      for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(text.length + 1);
        const cut = random.below(6);
        text = text.slice(0, at) + (random.below(2) ? pieces[random.below(pieces.length)]! : "") + text.slice(at + cut);
      }
      try {
        await load(text);
      } catch (error) {
        if (!(error instanceof UsageError)) throw new Error(`not a UsageError for: ${text}`, { cause: error });
        expect(error.message).not.toContain("\n");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(refused).toBeLessThan(2000);
  });
});

describe("recipeJsonSchema", () => {
  it("describes every field and asks only for model and data", () => {
    const schema = recipeJsonSchema();
    expect(schema.required).toEqual(["model", "data"]);
    const undescribed: string[] = [];
    const walk = (node: Record<string, unknown>, path: string): void => {
      for (const [key, child] of Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>)) {
        if (!child.description) undescribed.push(path + key);
        walk(child, `${path}${key}.`);
      }
    };
    walk(schema, "");
    expect(undescribed).toEqual([]);
    expect(JSON.stringify(schema)).toContain(JSON.stringify(presetNames));
  });
});
