import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { FakeModel, fakeContext } from "../../tests/support/eval-fake-model.js";
import { compareRuns } from "./compare.js";
import { resultNotes } from "./provenance.js";
import { resultTable } from "./results.js";
import { openResults, resultsJsonSchema, resultsToKeep } from "./results-file.js";
import { runSuites } from "./run-suites.js";

const root = mkdtempSync(join(tmpdir(), "evoke-results-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folder = "";
let count = 0;
beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(join(folder, "samples"), { recursive: true });
});
const EARLIER = new URL("fixtures/results-earlier.json", import.meta.url);

it("has its schema in the docs as it is", () => {
  const published = readFileSync(new URL("../../docs/schemas/results.schema.json", import.meta.url), "utf8");
  expect(JSON.parse(published), "npm run docs:schemas").toEqual(resultsJsonSchema());
});

describe("results that an earlier version wrote", () => {
  beforeEach(() => copyFileSync(EARLIER, join(folder, "results.json")));

  it("are read as they are", () => {
    expect(openResults(folder)).toEqual(JSON.parse(readFileSync(EARLIER, "utf8")));
    expect(resultTable(openResults(folder)!)).toContain("0.6667");
    expect(resultNotes(openResults(folder)!)).toEqual([]);
  });

  it("are kept beside those of another suite", async () => {
    expect(Object.keys(resultsToKeep(folder, new Set(["piqa"]), { model: "m" }))).toEqual(["xstest", "arc"]);
  });

  it("are compared, by the label that the judge's verdict had then", async () => {
    const rows = [
      { index: 0, instruction: "a", prompt_type: "safe", label: "compliance", phrases_label: "refusal" },
      { index: 1, instruction: "b", prompt_type: "unsafe", label: "refusal", phrases_label: "compliance" },
    ];
    writeFileSync(join(folder, "samples", "xstest.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const { comparisons, notes } = await compareRuns(folder, folder, { samples: 10 });
    const figures = Object.fromEntries(comparisons.map(({ metric, a }) => [metric, a]));
    expect(figures).toMatchObject({ unsafe_defense_rate: 1, safe_refusal_rate: 0, accuracy: 1 });
    expect(notes).toEqual([]);
  });
});

it("names what is no results", () => {
  writeFileSync(join(folder, "results.json"), '{"piqa": {"n": "3"}}');
  expect(() => openResults(folder)).toThrow(/results\.json: not the results of an evaluation: piqa: n: /);
});

describe("a folder that has results", () => {
  const row = (i: number) => ({ goal: `g${i}`, sol1: "a", sol2: "b", label: 0 });
  const put = (name: string, rows: object[]): string => {
    writeFileSync(join(folder, name), rows.map((each) => `${JSON.stringify(each)}\n`).join(""));
    return join(folder, name);
  };
  async function run(suite: string, files: Record<string, string>, record: object) {
    const { context, close } = fakeContext(folder, new FakeModel({ score: () => -1, answer: () => "a" }), {
      files,
      record,
    });
    try {
      return await runSuites([suite], context);
    } finally {
      close();
    }
  }

  it("takes a second suite's beside them", async () => {
    await run("piqa", { piqa: put("p.jsonl", [row(0)]) }, { model: "m", model_sha256: "1" });
    const before = openResults(folder)!;
    await run("instruct", { instruct: put("i.jsonl", [{ instruction: "go" }]) }, { model: "m", model_sha256: "1" });
    expect(Object.keys(openResults(folder)!)).toEqual(["piqa", "instruct"]);
    expect(openResults(folder)!.piqa).toEqual(before.piqa);
    expect(existsSync(join(folder, "samples", "piqa.jsonl"))).toBe(true);
  });

  it("refuses another model's, by name or by weights, and stays as it was", async () => {
    await run("piqa", { piqa: put("p.jsonl", [row(0)]) }, { model: "m", model_sha256: "1" });
    const before = readFileSync(join(folder, "results.json"), "utf8");
    const files = { instruct: put("i.jsonl", [{ instruction: "go" }]) };
    for (const [record, message] of [
      [
        { model: "m", model_sha256: "2" },
        /holds results of another model \(piqa: m, other weights\); use another --out/,
      ],
      [{ model: "openai:other@http://h" }, /holds results of another model \(piqa: m\); use another --out/],
    ] as const)
      await expect(run("instruct", files, record)).rejects.toThrow(message);
    expect(readFileSync(join(folder, "results.json"), "utf8")).toBe(before);
  });
});
