/** The rows of every file that is joined with another one may change places: no figure changes. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { suiteRuns, top } from "../../tests/support/suite-runs.js";
import { compareRuns } from "./compare.js";
import type { SuiteContext } from "./suite.js";
import { type Annotation, reportAnnotations } from "./suites/alpaca-annotations.js";

const root = mkdtempSync(join(tmpdir(), "evoke-joins-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const { rowsFile, run } = suiteRuns();
const RUNS = { numRuns: 12 };

const put = (path: string, text: string): string => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  return join(root, path);
};
const lines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const shuffled = <T>(rows: readonly T[]): fc.Arbitrary<T[]> =>
  fc.shuffledSubarray([...rows], { minLength: rows.length, maxLength: rows.length });

const ten = Array.from({ length: 10 }, (_, i) => i);
const annotations = (seed: number, count = 30): Annotation[] =>
  Array.from({ length: count }, (_, i) => ({
    instruction: `instruction ${i}`,
    output_1: "r".repeat(20 + ((i * 7) % 31)),
    output_2: "m".repeat(10 + ((i * seed) % 47)),
    preference: i === 3 ? null : 1 + (((i + seed) * 37) % 100) / 100,
  }));

describe("figures do not depend on the order of", () => {
  it("either run's samples in a comparison", async () => {
    const sample = (i: number, shift: number) => ({ question: `q${i % 8}`, acc: (i + shift) % 3 === 0 ? 1 : 0 });
    const write = (name: string, rows: readonly unknown[]) =>
      dirname(dirname(put(`${name}/samples/piqa.jsonl`, lines(rows))));
    const [a, b] = [0, 1].map((shift) => ten.map((i) => sample(i, shift))) as [object[], object[]];
    const expected = await compareRuns(write("a", a), write("b", b), { samples: 50 });
    expect(expected.notes).toEqual(["piqa: 2 questions are there several times; each counts once"]);
    await fc.assert(
      fc.asyncProperty(shuffled(a), shuffled(b), async (left, right) => {
        expect(await compareRuns(write("a", left), write("b", right), { samples: 50 })).toEqual(expected);
      }),
      RUNS,
    );
  });

  it("annotations, with and without difficulties, and those of other models", () => {
    const rows = annotations(3);
    const others = [annotations(5), annotations(11).slice(4)];
    const table = put(
      "difficulty.csv",
      `index,instruction_difficulty\n${rows.map((_, i) => `${i},${((i * 13) % 7) - 3}`).join("\n")}\n`,
    );
    const instructions = rows.map(({ instruction }) => instruction);
    const ways = [{}, { others }, { difficulty: table, instructions }];
    const expected = ways.map((way) => reportAnnotations(rows, way));
    expect(expected.map(({ how }) => how)).toEqual([
      "fitted without difficulties: no published figure comes out so",
      "difficulties fitted from 2 other models' judgements",
      "difficulties of the official table",
    ]);
    fc.assert(
      fc.property(shuffled(rows), shuffled(others[0]!), shuffled(others[1]!), (own, first, second) => {
        expect(reportAnnotations(own)).toEqual(expected[0]);
        expect(reportAnnotations(own, { others: [first, second] })).toEqual(expected[1]);
        expect(reportAnnotations(own, { difficulty: table, instructions })).toEqual(expected[2]);
      }),
      RUNS,
    );
  });

  it("a difficulty table's lines", () => {
    const rows = annotations(3);
    const head = "index,instruction_difficulty\n";
    const entries = rows.map((_, i) => `${i},${((i * 13) % 7) - 3}\n`);
    const instructions = rows.map(({ instruction }) => instruction);
    const report = (text: string) => reportAnnotations(rows, { difficulty: put("table.csv", text), instructions });
    const expected = report(head + entries.join(""));
    expect(expected.lengthControlled).toBeDefined();
    fc.assert(
      fc.property(shuffled(entries), (some) => {
        expect(report(head + some.join(""))).toEqual(expected);
      }),
      RUNS,
    );
  });

  const alpaca = (rows: readonly object[], reference: readonly object[], more: Partial<SuiteContext> = {}) =>
    run(
      "alpaca_eval",
      { answer: (text) => `S ${text.length}` },
      {
        answer: (text) =>
          text.includes("number 3") ? top(["no", 1]) : top(["m", text.includes("number 5") ? 0.9 : 0.4], ["M", 0.5]),
      },
      {
        files: { alpaca_eval: rowsFile("rows.jsonl", [...rows]) },
        reference: rowsFile("reference.jsonl", [...reference]),
        retryUnreadable: 0,
        ...more,
      },
    );
  const instructions = ten.map((i) => ({ instruction: `number ${i}` }));
  const references = instructions.map((each, i) => ({ ...each, output: `R${"r".repeat(i)}` }));
  const answers = instructions.map((each, i) => ({ ...each, output: `given ${"s".repeat(2 * i)}` }));

  it("a benchmark's rows, the reference's outputs and answers that are given", async () => {
    const strip = ({ result }: Awaited<ReturnType<typeof alpaca>>) => ({
      metrics: result.metrics,
      n: result.n,
      missing: result.missing,
    });
    const outputs = (rows: readonly object[]) => ({ outputs: [rowsFile("outputs.jsonl", [...rows])] });
    const written = strip(await alpaca(instructions, references));
    const given = strip(await alpaca(instructions, references, outputs(answers)));
    expect([written.n, written.missing]).toEqual([9, 1]);
    expect(given.metrics).not.toEqual(written.metrics);
    const close = (metrics: object) =>
      JSON.parse(JSON.stringify(metrics), (_, value) => (typeof value === "number" ? expect.closeTo(value, 9) : value));
    await fc.assert(
      fc.asyncProperty(shuffled(instructions), shuffled(references), shuffled(answers), async (own, others, mine) => {
        expect(strip(await alpaca(own, others))).toEqual(close(written));
        expect(strip(await alpaca(own, others, outputs(mine)))).toEqual(close(given));
      }),
      { numRuns: 5 },
    );
  });

  it("user tasks and published predictions, of which those left over are named", async () => {
    const task = (i: number) => ({
      id: `${i}`,
      motivation_app: i % 2 ? "Mail" : "Notes",
      instruction: `number ${i}`,
      instances: [{ input: `in ${i}`, output: `word ${i} out` }],
    });
    const tasks = ten.map(task);
    const predictions = [...ten.slice(1), 42].map((i) => ({
      instruction: `number ${i}`,
      input: `in ${i}`,
      response: `word ${i}`,
    }));
    const score = async (own: readonly object[], published: readonly object[]) => {
      put("data/self_instruct/predictions/davinci_predictions.jsonl", lines(published));
      const source = { dataDir: join(root, "data"), fetchMissing: false };
      const files = { user_tasks: rowsFile("tasks.jsonl", [...own]) };
      const { result, said } = await run("user_tasks", { answer: (text) => `out ${text.length}` }, undefined, {
        files,
        source,
      });
      return { models: result.details!.models as Record<string, { n: number }>, metrics: result.metrics, said };
    };
    const expected = await score(tasks, predictions);
    expect(expected.models.davinci!.n).toBe(9);
    expect(expected.said.join("\n")).toContain("user_tasks: davinci has no answer to 1 of 10 tasks, and 1 to others");
    const close = JSON.parse(JSON.stringify([expected.models, expected.metrics]), (_, value) =>
      typeof value === "number" ? expect.closeTo(value, 9) : value,
    );
    await fc.assert(
      fc.asyncProperty(shuffled(tasks), shuffled(predictions), async (own, published) => {
        const { models, metrics } = await score(own, published);
        expect([models, metrics]).toEqual(close);
      }),
      { numRuns: 5 },
    );
    const twice = [...predictions, { ...predictions[0], response: "another" }];
    await expect(score(tasks, twice)).rejects.toThrow(/davinci_predictions\.jsonl:11: field "response" is another one/);
  });
});

it("a model that is called like a published one keeps its own figures, and that one its own", async () => {
  const tasks = ten.map((i) => ({
    ...{ id: `${i}`, motivation_app: "Mail", instruction: `number ${i}` },
    instances: [{ input: "", output: `word ${i}` }],
  }));
  put(
    "named/self_instruct/predictions/davinci_predictions.jsonl",
    lines(ten.map((i) => ({ instruction: `number ${i}`, input: "", response: `word ${i}` }))),
  );
  const { result } = await run("user_tasks", { answer: () => "nothing alike" }, undefined, {
    ...{ files: { user_tasks: rowsFile("tasks.jsonl", tasks) }, generator: "davinci" },
    source: { dataDir: join(root, "named"), fetchMissing: false },
  });
  const models = result.details!.models as Record<string, { rougeL: number }>;
  expect([models["davinci (this run)"]!.rougeL, models.davinci!.rougeL]).toEqual([0, 1]);
  expect([result.details!.own, result.metrics.rougeL!.value]).toEqual(["davinci (this run)", 0]);
});

it("pairs MMLU's questions by what is asked, though all have the choices A to D", async () => {
  const row = (i: number) => ({ question: `q${i}`, subject: "anatomy", choices: ["w", "x", "y", "z"], answer: i % 4 });
  const outs: string[] = [];
  for (const [name, rows, right] of [
    ["one", [0, 1, 2, 3], "q1"],
    ["two", [3, 1, 0, 2], "q2"],
  ] as const) {
    const score = ({ context, continuation }: { context: string; continuation: string }) => {
      const at = Number(/q(\d)/.exec(context)![1]);
      return (continuation === ` ${"ABCD"[at % 4]}`) === context.includes(right) ? -1 : -2;
    };
    const file = put(`mmlu/${name}.jsonl`, lines(rows.map(row)));
    const { out } = await run("mmlu", { score }, undefined, { files: { mmlu: file }, shots: 0 });
    const kept = join(root, "mmlu", name);
    cpSync(out, kept, { recursive: true });
    rmSync(out, { recursive: true });
    outs.push(kept);
  }
  const { comparisons, notes } = await compareRuns(outs[0]!, outs[1]!, { samples: 10 });
  expect(comparisons).toMatchObject([{ metric: "acc", n: 4, sign: { wins: 1, losses: 1, ties: 2 } }]);
  expect(notes.filter((note) => note.includes("several times"))).toEqual([]);
});

it("refuses other models' annotations that judge one instruction twice, differently", () => {
  const [first, ...rest] = annotations(5);
  const others = [[first!, ...rest, { ...first!, preference: 2 }]];
  expect(reportAnnotations(annotations(3), { others }).lengthControlledProblem).toMatch(
    /judge an instruction twice, differently: "instruction 0"/,
  );
});
