import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { dataDir } from "../../tests/support/suite-runs.js";
import { extentOf, extentText } from "./extent.js";
import { prepareRows } from "./prepare.js";
import { readDataRecord, recordNotes, writeDataRecord } from "./record.js";
import { locateData } from "./source-files.js";
import { DATA_SOURCES } from "./sources.js";

const root = mkdtempSync(join(tmpdir(), "evoke-extent-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(folder: string, path: string, rows: number): string {
  const file = join(root, folder, path);
  mkdirSync(dirname(file), { recursive: true });
  const lines = Array.from({ length: rows }, (_, i) => JSON.stringify({ prompt: `q${i}`, completion: "a" }));
  writeFileSync(file, `${lines.join("\n")}\n`);
  return join(root, folder);
}

describe("how much of a set is there", () => {
  it.each(DATA_SOURCES.map(({ name, rows }) => ({ name, rows })))(
    "is known of $name, $rows rows",
    async ({ name, rows }) => {
      const source = DATA_SOURCES.find((each) => each.name === name)!;
      const [place] = source.local;
      const path = typeof place === "string" ? place : place!.path;
      const located = await locateData(name, { dataDir: put(name, path, 3), fetchMissing: false });
      const { extent } = await prepareRows(located);
      expect(extent).toEqual({ set: name, rows: 3, whole: rows });
      expect(extentText(extent!)).toBe(`${name}: 3 of ${rows.toLocaleString("en-US")} rows`);
      expect(extentText(extentOf(located, rows)!)).toBeUndefined();
    },
  );

  it("says that another set's copy stands in, also where it has as many rows", async () => {
    const located = await locateData("alpaca", { dataDir: put("stand-in", "sft/alpaca_subset.jsonl", 2) });
    expect(extentText(extentOf(located, 51_760)!)).toBe(
      "alpaca: 51,760 rows of another set (Stanford Alpaca, not cleaned, 52,002 rows) stand in for its 51,760",
    );
  });

  it("is not guessed for files of one's own", async () => {
    const { extent } = await prepareRows(await locateData(join(put("own", "mine.jsonl", 2), "mine.jsonl")));
    expect(extent).toBeUndefined();
  });

  it.skipIf(!existsSync(dataDir))("holds on the shared data (skipped without it)", async () => {
    const texts = await Promise.all(
      ["lima", "alpaca", "dolly", "gsm8k", "safety", "self-instruct-seeds"].map(async (name) => {
        const { extent } = await prepareRows(await locateData(name, { dataDir, fetchMissing: false }));
        return extentText(extent!) ?? `${name}: whole`;
      }),
    );
    expect(texts).toEqual([
      "lima: 1,029 of 1,030 rows",
      "alpaca: 22,312 rows of another set (Stanford Alpaca, not cleaned, 52,002 rows) stand in for its 51,760",
      "dolly: 3,306 of 15,011 rows",
      "gsm8k: whole",
      "safety: whole",
      "self-instruct-seeds: whole",
    ]);
  });
});

describe("the record beside prepared rows", () => {
  it("is found by the rows that it is of, and by no others", () => {
    const out = join(root, "rows.jsonl");
    writeFileSync(out, "{}\n");
    const extents = [{ set: "dolly", rows: 3306, whole: 15_011 }];
    writeDataRecord(out, [out], { made_by: "prepare", rows: 1, extents, settings: { seed: 3 } });
    expect(readDataRecord(out)).toMatchObject({ made_by: "prepare", extents, settings: { seed: 3 } });
    expect(recordNotes(out)).toEqual(["dolly: 3,306 of 15,011 rows"]);
    writeFileSync(out, "{} \n");
    expect(recordNotes(out)).toEqual([]);
  });

  it("is no data file of its folder", async () => {
    const folder = put("beside", "rows.jsonl", 2);
    writeDataRecord(join(folder, "rows.jsonl"), [], { made_by: "mix", rows: 2, extents: [], settings: {} });
    expect((await locateData(folder)).files).toEqual([join(folder, "rows.jsonl")]);
  });
});
