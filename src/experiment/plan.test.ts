import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { loadExperiment } from "../recipe/experiment-load.js";
import { Inputs } from "./inputs.js";
import { planExperiment } from "./plan.js";
import type { Step } from "./step.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rows = (n: number): string =>
  Array.from({ length: n }, (_, i) => `${JSON.stringify({ prompt: `p${i}`, completion: `c${i}` })}\n`).join("");

async function plan(text: string, { home = folder, sets = [] as string[] } = {}): Promise<Map<string, Step>> {
  mkdirSync(home, { recursive: true });
  const file = join(home, "e.yaml");
  writeFileSync(file, text);
  const loaded = loadExperiment(file, { sets });
  const inputs = new Inputs({ fetchMissing: false, say: () => {} });
  const steps = await planExperiment(loaded, loaded.experiment.models, inputs);
  return new Map(steps.map((step) => [step.id, step]));
}

async function complaint(text: string): Promise<string> {
  const error = await plan(text).catch((problem: unknown) => problem);
  expect(error).toBeInstanceOf(UsageError);
  return (error as Error).message.replace(`${folder}/`, "");
}

writeFileSync(join(folder, "rows.jsonl"), rows(4));
writeFileSync(join(folder, "questions.jsonl"), '{"instruction":"q"}\n');
writeFileSync(join(folder, "model.gguf"), "planning opens no model");

const head = `models: { base: ./model.gguf, judge: "openai:j@http://127.0.0.1:1/v1" }
data:
  rows: { path: rows.jsonl }
  refined: { refine: rows, refiner: judge }
recipe: { batch: { micro: 2, accumulation: 1 }, max_steps: 2 }
arms:
  base:
  icl: { prompt: urial }
  it: { mode: it, data: rows }
  rt: { mode: rt, data: [rows, refined], set: { lora: { r: 8 } } }
`;
const evaluations = `evaluations:
  asked: { suites: instruct, rows: { instruct: questions.jsonl } }
  core: { suites: [piqa, gsm8k], limit: 2 }
  safety: { suites: [xstest, piqa], judge: judge, limit: 2 }
`;

describe("planExperiment", () => {
  it("plans data, trainings and evaluations in the order of their needs", async () => {
    const steps = await plan(head + evaluations);
    expect([...steps.keys()]).toEqual([
      "data.refined",
      "train.it",
      "train.rt",
      "eval.base.asked",
      "eval.icl.asked",
      "eval.it.asked",
      "eval.rt.asked",
      "eval.base.core",
      "eval.it.core",
      "eval.rt.core",
      "answers.base.safety",
      "eval.base.safety",
      "answers.icl.safety",
      "eval.icl.safety",
      "answers.it.safety",
      "eval.it.safety",
      "answers.rt.safety",
      "eval.rt.safety",
    ]);
    expect(steps.get("data.refined")).toMatchObject({ kind: "refine", lane: "remote", needs: [] });
    expect(steps.get("train.rt")).toMatchObject({ needs: ["data.refined"], lane: "local", arm: "rt", seed: 0 });
    expect(steps.get("eval.rt.core")).toMatchObject({ needs: ["train.rt"], lane: "local" });
    expect(steps.get("train.rt")!.job).toMatchObject({ recipe: { mode: "rt", lora: { r: 8 }, max_steps: 2 } });
    for (const { folder: at, kind, key } of steps.values()) expect(at).toBe(`steps/${kind}-${key.slice(0, 16)}`);
  });

  it("lets a server judge beside local work, in a step of its own", async () => {
    const steps = await plan(head + evaluations);
    expect(steps.get("answers.it.safety")).toMatchObject({ kind: "answers", lane: "local", needs: ["train.it"] });
    const judging = steps.get("eval.it.safety")!;
    expect(judging).toMatchObject({ kind: "eval", lane: "remote", needs: ["answers.it.safety"] });
    expect(judging.job).toMatchObject({ suites: ["xstest"] });
    expect(steps.get("answers.icl.safety")!.job).toMatchObject({ suites: ["xstest"], prompt: "urial" });
    const local = await plan(head + evaluations, { sets: ["evaluations.safety.judge=base"] });
    expect(local.has("answers.it.safety")).toBe(false);
    expect(local.get("eval.it.safety")).toMatchObject({ lane: "local" });
  });

  it("hands on how the judge is asked", async () => {
    const file = join(folder, "judge.txt");
    writeFileSync(file, "{instruction} {output}");
    const judged = (more: string) =>
      plan(`${head}evaluations: { j: { suites: just_eval, arms: [base], judge: base${more} } }\n`);
    const steps = await judged(", judge_prompt: judge.txt, judge_safety_prompt: judge.txt, judge_max_new_tokens: 56");
    const step = steps.get("eval.base.j")!;
    expect(step.job).toMatchObject({ judgePrompt: { file }, judgeSafetyPrompt: { file }, judgeMaxNewTokens: 56 });
    expect((await judged("")).get("eval.base.j")!.key).not.toBe(step.key);
  });

  it("compares with the answers of another arm", async () => {
    const steps = await plan(
      `${head}evaluations: { versus: { suites: alpaca_eval, arms: [rt], reference_arm: it, judge: base } }\n`,
    );
    expect(steps.get("answers.it.versus")).toMatchObject({ needs: ["train.it"] });
    expect(steps.get("eval.rt.versus")!.needs).toEqual(["train.rt", "answers.it.versus"]);
    expect(steps.has("eval.it.versus")).toBe(false);
  });

  it("trains and evaluates once for each seed", async () => {
    const steps = await plan(head + evaluations, { sets: ["seeds=[3, 4]"] });
    expect(steps.get("train.it@3")!.job).toMatchObject({ recipe: { seed: 3 } });
    expect(steps.get("eval.it@4.core")).toMatchObject({ needs: ["train.it@4"], seed: 4 });
    expect(steps.has("eval.base.core")).toBe(true);
    expect(steps.get("train.it@3")!.key).not.toBe(steps.get("train.it@4")!.key);
  });

  it("says what is wrong, where, and what was perhaps meant", async () => {
    const arms = (line: string): string =>
      `models: { base: bundled:mini }\ndata: { rows: { path: rows.jsonl } }\narms:\n  ${line}\n`;
    const cases: [string, string][] = [
      [
        arms("it: { mode: it, data: row }"),
        'e.yaml:4: arms.it.data: no such data entry as "row"; did you mean "rows"?',
      ],
      [arms("it: { mode: it }"), "e.yaml:4: arms.it: tuning needs data"],
      [arms("it: { data: rows }"), "e.yaml:4: arms.it.data: is for tuning; say how with mode: it, rt or text"],
      [
        arms("it: { mode: it, data: rows, set: { lora: { rank: 4 } } }"),
        'e.yaml:4: arms.it: recipe: unknown key "rank"',
      ],
      [arms("it: { mode: it, data: rows, set: { seed: 4 } }"), "recipe field seed is set by the experiment itself"],
      [arms("it: { mode: it, data: rows, prompt: urial }"), "in-context learning tunes nothing"],
      [
        `${arms("base:")}evaluations: { e: { suites: [xtest] } }\n`,
        'e.yaml:5: evaluations.e.suites: no such suite as "xtest"; did you mean "xstest"?',
      ],
      [
        `${arms("base:")}evaluations: { e: { suites: piqa, arms: [bas] } }\n`,
        'e.yaml:5: evaluations.e.arms: no such arm as "bas"',
      ],
      [
        "models: { base: bundled:mini }\narms: { base: }\ndata: { x: { refine: y } }\n",
        "e.yaml:3: data.x: refine needs a refiner",
      ],
      [
        "models: { base: bundled:mini }\narms: { base: }\ndata: { x: { path: a, prepare: b } }\n",
        "data.x: has both path and prepare",
      ],
      [
        "models: { base: bundled:mini }\narms: { base: }\ndata: { x: { prepare: lima, count: 3 } }\n",
        "data.x.count: has no meaning beside prepare",
      ],
      ["models: { base: bundled:mini }\narms: { base: }\ndata: { x: {} }\n", "data.x: says not where rows are from"],
      [
        "models: { base: bundled:mini }\narms: { base: }\ndata: { x: { mix: y, count: 1, safety: y }, y: { mix: x, count: 1, safety: x } }\n",
        "data entries need each other in a circle: data.x, data.y",
      ],
      [arms("it: { mode: it, data: rows }").replace("rows.jsonl", "none.jsonl"), "none.jsonl: no such file"],
      ...[
        ["ti: { piqa.acc: 0.5 }", 'no such arm as "ti"; did you mean "it"?'],
        ["it: { piga.acc: 0.5 }", 'no such suite as "piga"; did you mean "piqa"?'],
        ["it: { piqa.ac: 0.5 }", 'no such metric as "ac"; did you mean "acc"?'],
        ["it: { piqa.acc: 50 }", "50 is outside of 0 to 1, the units of acc"],
        ["it: { e/piqa.acc: 0.5 }", 'no such evaluation as "e"; there are none'],
        ["it: { piqa: 0.5 }", "expected SUITE.METRIC"],
      ].map(([figures, message]): [string, string] => [
        `${arms("it: { mode: it, data: rows }")}published: [{ source: paper, arms: { ${figures} } }]\n`,
        message!,
      ]),
    ];
    for (const [text, message] of cases) expect(await complaint(text)).toContain(message);
  });
});

describe("keys of steps", () => {
  const keys = async (...args: Parameters<typeof plan>) =>
    Object.fromEntries([...(await plan(...args))].map(([id, { key }]) => [id, key]));
  const text = head + evaluations;

  it("stay the same wherever files lie and however the file is written", async () => {
    const other = join(folder, "elsewhere");
    mkdirSync(other);
    cpSync(join(folder, "rows.jsonl"), join(other, "rows.jsonl"));
    cpSync(join(folder, "questions.jsonl"), join(other, "questions.jsonl"));
    cpSync(join(folder, "model.gguf"), join(other, "model.gguf"));
    const reordered = text.replace("{ micro: 2, accumulation: 1 }", "{ accumulation: 1, micro: 2 }");
    expect(await keys(`# a comment\ntitle: other\n${reordered}`, { home: other })).toEqual(await keys(text));
    expect(await keys(text, { sets: ["recipe.checkpoint.every_steps=3", "recipe.threads=1"] })).toEqual(
      await keys(text),
    );
  });

  it("change with what the result depends on, downstream too, and nowhere else", async () => {
    const before = await keys(text);
    const changed = async (change: () => Promise<Record<string, string>>): Promise<string[]> => {
      const after = await change();
      return Object.keys(before).filter((id) => after[id] !== before[id]);
    };
    expect(await changed(() => keys(text, { sets: ["arms.it.set={lora: {r: 4}}"] }))).toEqual([
      "train.it",
      "eval.it.asked",
      "eval.it.core",
      "answers.it.safety",
      "eval.it.safety",
    ]);
    expect(await changed(() => keys(text, { sets: ["evaluations.core.limit=3"] }))).toEqual([
      "eval.base.core",
      "eval.it.core",
      "eval.rt.core",
    ]);
    expect(await changed(() => keys(text, { sets: ["data.refined.temperature=1"] }))).toEqual([
      "data.refined",
      "train.rt",
      ...Object.keys(before).filter((id) => /^(eval|answers)\.rt\./.test(id)),
    ]);
    writeFileSync(join(folder, "questions.jsonl"), '{"instruction":"another"}\n');
    const asked = await changed(() => keys(text));
    expect(asked.filter((id) => !id.endsWith(".asked"))).toEqual([]);
    expect(asked).toHaveLength(4);
    writeFileSync(join(folder, "rows.jsonl"), rows(5));
    expect(await changed(() => keys(text))).toContain("train.it");
  });
});
