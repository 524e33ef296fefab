import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readSamples, type SampleQuery } from "./samples.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-samples-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "rows.jsonl");
const rows = Array.from({ length: 50 }, (_, i) => ({
  index: i,
  text: i % 2 ? `A River in ${i}` : `a hill in ${i}`,
  nested: { words: ["Deep", i % 5 === 0 ? "Blue" : "Grey"] },
  acc: Number(i % 3 === 0),
  ...(i === 7 ? { missing: "not scored" } : {}),
}));
writeFileSync(path, `${rows.map((row) => JSON.stringify(row)).join("\n")}\nnot json\n`);

const query = (given: Partial<SampleQuery> = {}): SampleQuery => ({
  search: "",
  filters: {},
  offset: 0,
  limit: 10,
  ...given,
});

describe("readSamples", () => {
  it("gives pages, with the number of each line", async () => {
    const page = await readSamples(path, query({ offset: 45 }));
    expect(page).toMatchObject({ total: 50, matching: 50, offset: 45, invalid: 1 });
    expect(page.rows.map(({ line }) => line)).toEqual([46, 47, 48, 49, 50]);
    expect(page.rows[0]!.row).toEqual(rows[45]);
  });

  it("finds rows that hold every word, in any case and at any depth", async () => {
    const page = await readSamples(path, query({ search: "RIVER  blue" }));
    expect(page.rows.map(({ row }) => row.index)).toEqual([5, 15, 25, 35, 45]);
  });

  it("filters by fields of few values, which it counts over all rows", async () => {
    const page = await readSamples(path, query({ filters: { acc: "1" }, search: "hill" }));
    expect(page.matching).toBe(9);
    expect(page.facets).toEqual([
      {
        field: "acc",
        values: [
          { value: "0", count: 33 },
          { value: "1", count: 17 },
        ],
      },
      { field: "missing", values: [{ value: "not scored", count: 1 }] },
    ]);
  });

  it("matches no field that a row lacks, also not inherited ones", async () => {
    expect((await readSamples(path, query({ filters: { toString: "x" } }))).matching).toBe(0);
    expect((await readSamples(path, query({ filters: { missing: "not scored" } }))).matching).toBe(1);
  });
});
