import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { HostileServer } from "../support/hostile-server.js";

const folder = mkdtempSync(join(tmpdir(), "data-cli-"));
const at = (name: string): string => join(folder, name);
function write(name: string, rows: unknown[]): string {
  writeFileSync(at(name), rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join(""));
  return at(name);
}
const read = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const prepared = (count: number, source = "s"): object[] =>
  Array.from({ length: count }, (_, index) => ({ prompt: `p${index}`, completion: `c${index}`, source, index }));

describe("evoke data", () => {
  it("lists and prepares from a data folder", async () => {
    write("lima.jsonl", [
      { conversations: ["q", "a"] },
      { conversations: ["q", "a", "b", "c"] },
      { conversations: ["x", "y"] },
    ]);
    const list = JSON.parse((await evoke(["data", "list", "--json", "--data-dir", folder])).stdout) as {
      name: string;
      path: string | null;
    }[];
    expect(list.find(({ name }) => name === "lima")?.path).toBe(at("lima.jsonl"));
    const outcome = await evoke(["data", "prepare", "lima", "--out", at("out.jsonl"), "--json"], {
      env: { EVOKE_DATA: folder },
    });
    expect(outcome.code).toBe(0);
    expect(JSON.parse(outcome.stdout)).toMatchObject({ source: "lima", read: 3, rows: 2, multi_turn: 1, invalid: 0 });
    expect(read(at("out.jsonl"))).toEqual([
      { prompt: "q", completion: "a", source: "lima", index: 0 },
      { prompt: "x", completion: "y", source: "lima", index: 2 },
    ]);
  });

  it("names file and line of a malformed row, or skips and counts them", async () => {
    const file = write("bad.jsonl", [
      { prompt: "a", completion: "b" },
      "{not json",
      { prompt: "a" },
      { prompt: "c", completion: "d" },
    ]);
    const strict = await evoke(["data", "prepare", file, "--out", at("bad-out.jsonl")]);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toMatch(/^evoke: .*bad\.jsonl:2: not valid JSON .*\n$/);
    const lax = await evoke(["data", "prepare", file, "--out", at("bad-out.jsonl"), "--skip-invalid", "--json"]);
    expect(lax.code).toBe(0);
    expect(JSON.parse(lax.stdout)).toMatchObject({ read: 4, rows: 2, invalid: 2 });
    expect(read(at("bad-out.jsonl")).map(({ index }) => index)).toEqual([0, 3]);
    expect(lax.stderr).toMatch(/skipped .*bad\.jsonl:2: /);
    expect(lax.stderr).toMatch(/skipped .*bad\.jsonl:3: the field "completion" is missing/);
  });

  it("mixes several counts in one call", async () => {
    const base = write("base.jsonl", prepared(3));
    const safety = write("safety.jsonl", [
      ...Array.from({ length: 8 }, (_, i) => ({
        instruction: `bad ${i}`,
        output: i < 6 ? `Sorry, no ${i}.` : "Fine.",
      })),
    ]);
    const args = ["data", "mix", base, "--safety", safety, "--out", at("mix.jsonl"), "--json"];
    const outcome = await evoke([...args, "--count", "2,5"]);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      safety_rows: 8,
      refusals: 6,
      mixtures: [
        { added: 2, rows: 5 },
        { added: 5, rows: 8 },
      ],
    });
    const [two, five] = [read(at("mix+safety2.jsonl")), read(at("mix+safety5.jsonl"))];
    expect(five.slice(0, 3)).toEqual(prepared(3));
    for (const row of two) expect(five).toContainEqual(row);
    const tooMany = await evoke([...args, "--count", "7"]);
    expect(tooMany.code).toBe(2);
    expect(tooMany.stderr).toContain("6 of 8 safety rows pass the filter");
  });

  it("refines through a server that fails 30 % of the calls: every row once, nothing sent again later", async () => {
    const server = await HostileServer.start({
      failRate: 0.3,
      answer: ({ prompt }) =>
        prompt.includes("c7\n") ? "no marker" : `Better. Refined response: ${/p\d+/.exec(prompt)![0]}!`,
    });
    const file = write("rows.jsonl", prepared(40));
    const args = ["data", "refine", file, "--refiner", `openai:org/Big@${server.url}`, "--timeout", "1", "--json"];
    const outcome = await evoke(args);
    expect(outcome.code, outcome.stderr).toBe(0);
    const report = JSON.parse(outcome.stdout) as { out: string; usage: { errors: Record<string, number> } };
    expect(report).toMatchObject({
      rows: 40,
      extracted: 39,
      extraction_rate: 0.975,
      changed: 39,
      failed: 0,
      out: at("rows_refined_by_Big.jsonl"),
    });
    expect(Object.keys(report.usage.errors).length).toBeGreaterThan(2);
    const rows = read(report.out);
    expect(rows.map(({ prompt }) => prompt)).toEqual(prepared(40).map((row) => (row as { prompt: string }).prompt));
    expect(rows[3]).toEqual({ prompt: "p3", completion: "p3!", source_completion: "c3", source: "s", index: 3 });
    expect(rows[7]).toMatchObject({ completion: "c7", source_completion: "c7" });
    expect(server.answered.size).toBe(40);
    const sent = server.received.length;
    expect((await evoke(args)).code).toBe(0);
    expect(server.received.length).toBe(sent);
    await server.stop();
  });

  it("exits 1 with a clear line when the refiner's server always fails or is not there", async () => {
    const server = await HostileServer.start({ failRate: 1, kinds: ["500"] });
    const file = write("rows2.jsonl", prepared(3));
    const refine = (url: string) =>
      evoke(["data", "refine", file, "--refiner", `openai:m@${url}`, "--retries", "1", "--quiet"]);
    const failing = await refine(server.url);
    expect(failing.code).toBe(1);
    expect(failing.stderr).toMatch(/^evoke: no request was answered; row 1: openai:m at .*HTTP 500.*\n$/);
    await server.stop();
    const gone = await refine(server.url);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toMatch(/ECONNREFUSED/);
  });

  it("reports what a data set holds, as page, Markdown and JSON", async () => {
    const file = write("report-rows.jsonl", [
      { instruction: "Write a poem about rain.", input: "", output: "Drops." },
      { instruction: "Sort the list.", input: "b, a", output: "a, b" },
      { instruction: "Sort the list.", input: "d, c", output: 7 },
    ]);
    const args = ["data", "report", file, "--out", at("report.html"), "--tokenizer", "bundled:mini", "--json"];
    const strict = await evoke(args);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toMatch(/^evoke: .*report-rows\.jsonl:3: the field "output" is not a text\n$/);
    expect(existsSync(at("report.html"))).toBe(false);
    const outcome = await evoke([...args, "--skip-invalid", "--seeds", file.replace("report-rows", "report-seeds")]);
    expect(outcome.code).toBe(2); // no such seeds
    write("report-seeds.jsonl", [
      { instruction: "Sort it.", instances: [{ input: "", output: "x" }], is_classification: false },
    ]);
    const told = await evoke([...args, "--skip-invalid", "--seeds", at("report-seeds.jsonl")]);
    expect(told.code, told.stderr).toBe(0);
    const figures = JSON.parse(told.stdout) as Record<string, unknown>;
    expect(figures).toMatchObject({
      out: at("report.html"),
      markdown: at("report.md"),
      invalid: 1,
      counts: { instructions: 2, instances: 2, emptyInputs: 1 },
      similarity: { within: { compared: 2 }, toSeeds: { compared: 2 } },
      tokens: { rows: 2, truncated: 0 },
      languages: { texts: 2 },
    });
    expect(readFileSync(at("report.html"), "utf8")).toContain("report-rows.jsonl</h1>");
    expect(readFileSync(at("report.md"), "utf8")).toContain("| instances | 2 |");
  });

  it("writes page, Markdown and figures into the folder that is named, which need not be there yet", async () => {
    const rows = [{ prompt: "Write a poem.", completion: "Drops.", source: "s", index: 0 }];
    const file = write("folder-rows.jsonl", rows);
    for (const out of [at("new/report"), at("ends.with.dots/"), folder]) {
      const told = await evoke(["data", "report", file, "--out", out, "--json"]);
      expect(told.code, told.stderr).toBe(0);
      const written = JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as { counts: object };
      expect(written.counts).toMatchObject({ instructions: 1, instances: 1 });
      const { out: page, markdown, ...figures } = JSON.parse(told.stdout) as Record<string, unknown>;
      expect([page, markdown]).toEqual([join(out, "report.html"), join(out, "report.md")]);
      expect(figures).toEqual(written);
      for (const path of [page, markdown]) expect(readFileSync(String(path), "utf8")).toContain("folder-rows.jsonl");
    }
  });

  it("exits 2 on bad usage", async () => {
    for (const args of [
      ["prepare", "lima"],
      ["prepare", "nothing", "--out", at("x")],
      ["mix", at("base.jsonl"), "--count", "x", "--out", at("x")],
      ["nonsense"],
      ["report", at("base.jsonl"), "--out", at("base.jsonl")],
      ["report", at("nothing.jsonl"), "--out", at("x.html")],
      ["refine", at("base.jsonl"), "--refiner", "openai:@http://h"],
    ]) {
      const outcome = await evoke(["data", ...args]);
      expect(outcome.code, args.join(" ")).toBe(2);
      expect(outcome.stdout).toBe("");
      expect(outcome.stderr.trim().split("\n")).toHaveLength(1);
    }
  });

  it("shows statistics and first rows", async () => {
    const file = write("stats.jsonl", [...prepared(4), ...prepared(1)]);
    const stats = JSON.parse((await evoke(["data", "stats", file, "--json"])).stdout) as object;
    expect(stats).toMatchObject({
      rows: 5,
      duplicates: 1,
      repeatedPrompts: 1,
      sources: { s: 5 },
      promptWords: { mean: 1, max: 1 },
    });
    const head = await evoke(["data", "head", file, "-n", "2"]);
    expect(
      head.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(prepared(2));
  });
});
