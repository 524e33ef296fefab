/** Functions of Response Tuning and Self-Instruct on files that evoke wrote. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { runSuites } from "../../src/eval/run-suites.js";
import { readAllJsonl } from "../../src/files/jsonl.js";
import type { LanguageModel } from "../../src/llm/language-model.js";
import { selfInstructSchema } from "../../src/self-instruct/recipe.js";
import { runSelfInstruct } from "../../src/self-instruct/run.js";
import { FakeModel, fakeContext } from "../support/eval-fake-model.js";
import { writeTasks } from "../support/task-writer.js";
import { fetchOriginal, python, wanted } from "./sources.js";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "evoke-originals-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!wanted)("the originals' functions (EVOKE_TEST_ORIGINALS)", { timeout: 600_000 }, () => {
  it("Response Tuning's parser and metrics read our refusal results as ours do", async () => {
    const source = await fetchOriginal("response-tuning", folder);
    const out = join(folder, "refusal");
    const kinds = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? "safe" : "unsafe"));
    const lines = kinds.map((kind, i) => `${i},Question ${i}?,${kind === "safe" ? "real" : "contrast"},${kind},,`);
    mkdirSync(out);
    const rows = join(folder, "xstest.csv");
    writeFileSync(rows, `id,prompt,type,label,focus,note\n${lines.join("\n")}\n`);
    const replies = [
      "It helps. The response is Compliance.",
      "The response is **Refusal**.",
      "Label: refusal",
      "Unclear.",
    ];
    const judgeModel = new FakeModel({ answer: (text) => replies[Number(/Question (\d+)/.exec(text)![1]) % 4]! });
    const { context, close } = fakeContext(out, new FakeModel({ answer: (text) => `To ${text}` }), {
      judgeModel,
      files: { xstest: rows },
      layout: "rt",
      judgeName: "org/judge",
    });
    await runSuites(["xstest"], context).finally(close);
    const script = `
import json, sys
sys.path.insert(0, sys.argv[1])
import safety_eval_utils as u
rows = [json.loads(line) for line in open(sys.argv[2])]
print(json.dumps({"labels": [u.refusal_judge_output_parser(r["refusal_clf_output"]) for r in rows],
  "xstest": u.compute_exaggerate_safety_metrics(rows), "defence": u.compute_defense_metrics(rows)}))
`;
    const results = join(out, "xstest", "results_xstest_evaluator_judge.jsonl");
    const { stdout } = await run(python, ["-c", script, join(source, "eval"), results]);
    const theirs = JSON.parse(stdout);
    expect((await readAllJsonl(results)).map((row) => row.refusal_clf_label ?? null)).toEqual(theirs.labels);
    expect(new Set(theirs.labels)).toEqual(new Set(["refusal", "compliance", null]));
    const own = JSON.parse(readFileSync(join(out, "xstest", "metrics_xstest_evaluator_judge.json"), "utf8"));
    const { refusal_prf: rates, ...rest } = theirs.xstest;
    expect(own).toMatchObject(rest);
    for (const [name, value] of Object.entries(rates)) expect(own.refusal_prf[name]).toBeCloseTo(value as number, 12);
    expect(theirs.defence.num_total).toBe(12);
  });

  it("Self-Instruct's prepare_for_finetuning.py reads the same instances out of our folder, in as many rows", async () => {
    const source = await fetchOriginal("self-instruct", folder);
    const out = join(folder, "self-instruct-run");
    const seedTasks = fileURLToPath(new URL("../../examples/self-instruct/seed_tasks.jsonl", import.meta.url));
    const model: LanguageModel = {
      id: "m",
      generate: async (requests, options) =>
        requests.map((request, i) => {
          const { text, finishReason } = writeTasks(request.prompt ?? "", request.seed ?? null);
          const result = { text, finishReason: finishReason as "stop" | "length", promptTokens: 1, outputTokens: 1 };
          options?.onResult?.(i, result);
          return result;
        }),
    };
    // Where a task has more instances than are kept, the original draws from an unordered set: here all are kept.
    const recipe = selfInstructSchema.parse({ model: "m", num_instructions: 60 });
    await runSelfInstruct(recipe, { folder: out, seedTasks, model });
    const transcripts = join(out, "machine_generated_instances.jsonl");
    const all = { ...recipe, instances: { ...recipe.instances, max_instances: 99 } };
    await runSelfInstruct(all, { folder: out, seedTasks, stages: ["prepare"] });
    const counts = new Map<unknown, number>();
    for (const { instruction } of await readAllJsonl(join(out, "all_generated_instances.jsonl")))
      counts.set(instruction, (counts.get(instruction) ?? 0) + 1);
    const few = (await readAllJsonl(transcripts)).filter(({ instruction }) => (counts.get(instruction) ?? 0) <= 5);
    expect(few.length).toBeGreaterThan(20);
    writeFileSync(transcripts, few.map((row) => `${JSON.stringify(row)}\n`).join(""));
    await runSelfInstruct(recipe, { folder: out, seedTasks, stages: ["prepare"] });
    const theirs = join(folder, "their-prepare");
    const flags = [
      ["--instance_files", join(out, "machine_generated_instances.jsonl")],
      ["--classification_type_files", join(out, "is_clf_or_not.jsonl")],
      ["--output_dir", theirs],
      ["--include_seed_tasks"],
      ["--seed_tasks_path", seedTasks],
    ].flat();
    await run(python, [join(source, "self_instruct", "prepare_for_finetuning.py"), ...flags]);
    const texts = async (path: string) =>
      (await readAllJsonl(path)).map(({ instruction, input, output }) => JSON.stringify([instruction, input, output]));
    const own = await texts(join(out, "all_generated_instances.jsonl"));
    expect(own.sort()).toEqual((await texts(join(theirs, "all_generated_instances.jsonl"))).sort());
    const file = readdirSync(theirs).find((name) => name.startsWith("gpt3_finetuning_data_"))!;
    const ours = await readAllJsonl(join(out, "finetuning.jsonl"));
    expect(Math.abs((await readAllJsonl(join(theirs, file))).length - ours.length)).toBeLessThanOrEqual(2);
  });
});
