import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { loadExperiment } from "./experiment-load.js";
import { experimentJsonSchema } from "./experiment-schema.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-experiment-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "my experiment.yaml");

function load(text: string, options: { sets?: string[]; smoke?: boolean } = {}) {
  writeFileSync(file, text);
  return loadExperiment(file, options).experiment;
}

function complaint(text: string, options: { sets?: string[]; smoke?: boolean } = {}): string {
  try {
    load(text, options);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message.replace(file, "e.yaml");
  }
  throw new Error("the experiment was accepted");
}

const minimal = "models: { base: bundled:mini }\narms:\n  base:\n";

describe("loadExperiment", () => {
  it("fills in defaults, names it after its file, and takes the first model", () => {
    const experiment = load(minimal);
    expect(experiment).toMatchObject({
      name: "my-experiment",
      model: "base",
      seeds: [0],
      arms: { base: {} },
      data: {},
    });
  });

  it("makes paths absolute, and leaves names and references alone", () => {
    const experiment = load(`models: { base: ./m, other: "hf:a/b,./c" }
data:
  a: { path: rows.jsonl }
  b: { prepare: lima }
  c: { prepare: ../raw.csv }
  d: { refine: a, refiner: other, prompt: p.txt }
arms: { icl: { prompt: urial }, own: { prompt: mine.txt } }
evaluations: { e: { suites: instruct, rows: { instruct: q.jsonl } } }
`);
    expect(experiment.models).toEqual({ base: join(folder, "m"), other: `hf:a/b,${join(folder, "c")}` });
    expect(experiment.data.a!.path).toBe(join(folder, "rows.jsonl"));
    expect(experiment.data.b!.prepare).toBe("lima");
    expect(experiment.data.c!.prepare).toBe(resolve(folder, "../raw.csv"));
    expect(experiment.data.d).toMatchObject({ refine: "a", refiner: "other", prompt: join(folder, "p.txt") });
    expect(experiment.arms).toMatchObject({ icl: { prompt: "urial" }, own: { prompt: join(folder, "mine.txt") } });
    expect(experiment.evaluations.e).toMatchObject({
      suites: ["instruct"],
      rows: { instruct: join(folder, "q.jsonl") },
    });
  });

  it.each([
    ["models.base", "models: { base: models/m.gguf }"],
    ["models.base", "models: { base: m.gguf }"],
    ["recipe.adapter", "recipe: { adapter: adapters/a }"],
    ["recipe.data.validation", "recipe: { data: { validation: held.jsonl } }"],
    ["data.x.path", "data: { x: { path: rows.jsonl } }"],
    ["data.x.path.0", "data: { x: { path: [rows.jsonl] } }"],
    ["data.x.prepare", "data: { x: { prepare: raw/rows.csv } }"],
    ["data.x.prompt", "data: { x: { refine: y, refiner: base, prompt: p.txt } }"],
    ["data.x.safety", "data: { x: { mix: y, count: 1, safety: safe/s.json } }"],
    ["data.x.self_instruct", "data: { x: { self_instruct: si.yaml } }"],
    ["data.x.self_instruct.seed_tasks", "data: { x: { self_instruct: { seed_tasks: s.jsonl } } }"],
    ["data.x.self_instruct.prompts", "data: { x: { self_instruct: { prompts: own } } }"],
    ["data.x.self_instruct.adapter", "data: { x: { self_instruct: { adapter: own } } }"],
    ["data.x.self_instruct.model", "data: { x: { self_instruct: { model: m/x.gguf } } }"],
    ["data.x.model", "data: { x: { self_instruct: s.yaml, model: m/x.gguf } }"],
    ["data.x.refiner", "data: { x: { refine: y, refiner: m/x.gguf } }"],
    ["arms.x.model", "arms: { x: { model: ./m } }"],
    ["arms.x.prompt", "arms: { x: { prompt: icl/p.txt } }"],
    ["arms.x.set.adapter", "arms: { x: { set: { adapter: own } } }"],
    ["arms.x.set.data.validation", "arms: { x: { set: { data: { validation: v.jsonl } } } }"],
    ["evaluations.x.judge", "evaluations: { x: { suites: instruct, judge: m/x.gguf } }"],
    ["evaluations.x.judge_prompt", "evaluations: { x: { suites: instruct, judge_prompt: j.txt } }"],
    ["evaluations.x.judge_safety_prompt", "evaluations: { x: { suites: instruct, judge_safety_prompt: j.txt } }"],
    ["evaluations.x.reference", "evaluations: { x: { suites: alpaca_eval, reference: out.json } }"],
    ["evaluations.x.difficulty", "evaluations: { x: { suites: alpaca_eval, difficulty: d.csv } }"],
    ["evaluations.x.bertscore", "evaluations: { x: { suites: user_tasks, bertscore: enc/e } }"],
    ["evaluations.x.rows.instruct", "evaluations: { x: { suites: instruct, rows: { instruct: q.jsonl } } }"],
  ])("counts %s from the experiment's folder: %s", (at, text) => {
    const rest = [
      text.startsWith("models") ? "" : "models: { base: ./m }",
      text.startsWith("arms") ? "" : "arms: { base: {} }",
    ];
    const value = at
      .split(".")
      .reduce((node: unknown, key) => (node as Record<string, unknown>)[key], load([text, ...rest].join("\n")));
    expect(value).toMatch(new RegExp(`^${folder}/[\\w./]+$`));
  });

  it.each(["hf:org/adapter", "/abs/adapter"])("leaves an adapter %s as it is", (adapter) => {
    const { recipe } = load(`models: { base: ./m }\narms: { base: {} }\nrecipe: { adapter: "${adapter}" }`);
    expect(recipe.adapter).toBe(adapter);
  });

  it("names what a sweep over any number makes, readably, each once, and finds it by its value", () => {
    const source = `models: { base: bundled:mini }
sweep: { lr: [0.0001, 3e-4, 0.5, 2] }
data:
  rows: { path: a.jsonl }
arms:
  "it-{lr}": { mode: it, data: rows, title: "IT at {lr}", set: { optimizer: { lr: "{lr}" } } }
evaluations:
  e: { suites: [xstest], arms: ["it-{lr}"] }
`;
    const experiment = load(source);
    const names = ["it-1e-4", "it-3e-4", "it-0_5", "it-2"];
    expect(Object.keys(experiment.arms)).toEqual(names);
    expect(experiment.evaluations.e!.arms).toEqual(names);
    expect(experiment.arms["it-1e-4"]).toMatchObject({ title: "IT at 0.0001", set: { optimizer: { lr: 0.0001 } } });
  });

  it("makes one entry for each value of a sweep", () => {
    const experiment = load(`models: { base: bundled:mini }
sweep: { n: [0, 100], mode: [it, rt] }
data:
  lima: { prepare: lima }
  "lima+{n}": { mix: lima, count: "{n}" }
arms:
  "{mode}+{n}": { mode: "{mode}", data: "lima+{n}", title: "{mode} with {n}" }
  untouched: { title: "{n} of them" }
evaluations:
  all: { suites: [xstest] }
  some: { suites: [xstest], arms: ["rt+{n}"] }
  "against-{n}": { suites: [alpaca_eval], arms: ["rt+{n}"], reference_arm: "it+{n}" }
`);
    expect(loadExperiment(file).sweptArms["rt+100"]).toEqual({ n: 100, mode: "rt" });
    expect(Object.keys(experiment.data)).toEqual(["lima", "lima+0", "lima+100"]);
    expect(experiment.data["lima+100"]).toEqual({ mix: "lima", count: 100 });
    expect(Object.keys(experiment.arms)).toEqual(["it+0", "it+100", "rt+0", "rt+100", "untouched"]);
    expect(experiment.arms["rt+100"]).toEqual({ mode: "rt", data: "lima+100", title: "rt with 100" });
    expect(experiment.arms.untouched!.title).toBe("{n} of them");
    expect(experiment.evaluations.some!.arms).toEqual(["rt+0", "rt+100"]);
    expect(experiment.evaluations["against-100"]).toMatchObject({ arms: ["rt+100"], reference_arm: "it+100" });
  });

  it("lays smoke over the file and --set over both; null takes an entry out", () => {
    const text = `models: { base: hf:a/b, judge: openai:x }
sweep: { n: [1, 2] }
arms: { base: , gone: { title: x } }
evaluations: { "e{n}": { suites: xstest, judge: judge, limit: 50 } }
smoke:
  models: { base: bundled:mini, judge: null }
  sweep: { n: [1] }
  arms: { gone: null }
  evaluations: { "e{n}": { limit: 2, judge: null } }
`;
    expect(Object.keys(load(text).arms)).toEqual(["base", "gone"]);
    const smoke = load(text, { smoke: true, sets: ["evaluations.e{n}.limit=3", "seeds=[1,2]"] });
    expect(smoke.models).toEqual({ base: "bundled:mini" });
    expect(Object.keys(smoke.arms)).toEqual(["base"]);
    expect(smoke.evaluations).toEqual({ e1: { suites: ["xstest"], limit: 3 } });
    expect(smoke.seeds).toEqual([1, 2]);
    expect(complaint(minimal, { smoke: true })).toBe("e.yaml: has no smoke block, which --smoke asks for");
  });

  it("names line, key and nearest valid key", () => {
    expect(complaint(`${minimal}evalutions: {}\n`)).toBe(
      'e.yaml:4: unknown key "evalutions"; did you mean "evaluations"?',
    );
    expect(complaint("models: { base: bundled:mini }\narms:\n  it: { mod: it }\n")).toBe(
      'e.yaml:3: unknown key "mod" in arms.it; did you mean "mode"?',
    );
    expect(complaint("models: { base: bundled:mini }\narms:\n  it: { mode: ti }\n")).toBe(
      'e.yaml:3: arms.it.mode: expected one of it, rt, text, got "ti"',
    );
    expect(complaint("models: { base: bundled:mini }\narms:\n  it: { recipe: {} }\n")).toMatch(
      /^e\.yaml:3: unknown key "recipe" in arms\.it: it belongs at the top level; valid keys here: title, .*, set, /,
    );
    expect(complaint("models: { base: bundled:mini }\narms:\n  a b: {}\n")).toMatch(/^e\.yaml:3: arms/);
    expect(complaint("arms: { base: {} }\n")).toBe(
      'e.yaml: missing key "models" (expected a block of "key: value" lines)',
    );
    expect(complaint(`${minimal}model: bse\n`)).toBe(
      'e.yaml:4: model: no such entry of models as "bse"; did you mean "base"?',
    );
    expect(complaint(`${minimal}sweep: { set: [a] }\ndata:\n  "x-{sat}": { prepare: lima }\n`)).toBe(
      "e.yaml:6: data.x-{sat}: no sweep fills {sat}; did you mean {set}?",
    );
    expect(complaint(`${minimal}sweep: { n: [1, 2] }\ndata:\n  "x{n}": { mix: 3 }\n`)).toMatch(
      /^e\.yaml:6: data\.x1\.mix: expected text, got 3/,
    );
    expect(complaint(minimal, { sets: ["llm.retires=3"] })).toBe(
      '--set llm.retires=3: unknown key "retires" in llm; did you mean "retries"?',
    );
    expect(complaint(`${minimal}smoke: { seeds: [x] }\n`, { smoke: true })).toMatch(/^e\.yaml:4: seeds\.0: expected/);
  });

  it("answers mangled files with an experiment or one line", () => {
    const source = `models: { base: bundled:mini }\nsweep: { n: [0, 1] }\ndata:\n  a: { prepare: lima }\n  "a{n}": { mix: a, count: "{n}" }\narms:\n  base:\n  "rt{n}": { mode: rt, data: "a{n}", set: { lora: { r: 8 } } }\nevaluations:\n  e: { suites: [xstest], arms: ["rt{n}"] }\nsmoke: { seeds: [1] }\n`;
    fc.assert(
      fc.property(
        fc.nat(source.length),
        fc.nat(6),
        fc.constantFrom("", "{", "}", "[", "{n}", "null", ": ", "\n", "- ", "&a ", "*a", "__proto__: 1\n", "1e999"),
        fc.boolean(),
        (at, cut, piece, smoke) => {
          try {
            load(source.slice(0, at) + piece + source.slice(at + cut), { smoke });
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
            expect((error as Error).message).not.toContain("\n");
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("experimentJsonSchema", () => {
  it("describes every field and asks only for models and arms", () => {
    const schema = experimentJsonSchema();
    expect(schema.required).toEqual(["models", "arms"]);
    const undescribed: string[] = [];
    const walk = (node: Record<string, unknown>, path: string): void => {
      for (const [key, child] of Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>)) {
        if (!child.description && !/columns\./.test(path + key)) undescribed.push(path + key);
        walk(child, `${path}${key}.`);
        const entry = child.additionalProperties;
        if (typeof entry === "object" && entry !== null) walk(entry as Record<string, unknown>, `${path}${key}.*.`);
      }
    };
    walk(schema, "");
    expect(undescribed).toEqual([]);
  });
});
