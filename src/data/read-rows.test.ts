import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { Random } from "../random/counter.js";
import { prepareRows } from "./prepare.js";
import { readRows } from "./read-rows.js";
import type { SourceRow } from "./source-row.js";

const folder = mkdtempSync(join(tmpdir(), "rows-"));
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
async function all(path: string, onInvalid?: (message: string, line: number) => void): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for await (const row of readRows(path, onInvalid)) rows.push(row);
  return rows;
}
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

describe("readRows", () => {
  it("reads JSON Lines with line numbers", async () => {
    const path = file("a.jsonl", '\ufeff{"a":1}\r\n\n{"a":"x\u2028y"}\n{"a":3}');
    expect(await all(path)).toEqual([
      { row: { a: 1 }, line: 1 },
      { row: { a: "x\u2028y" }, line: 3 },
      { row: { a: 3 }, line: 4 },
    ]);
  });

  it("reads JSON arrays with the line each item begins on, alone or under a name", async () => {
    const array = '[\n  {"a": "]},["},\n  {"a": {"b": [1, 2]}},\n\n {"a": "\\"\\\\"} ]\n';
    const rows = [
      { row: { a: "]},[" }, line: 2 },
      { row: { a: { b: [1, 2] } }, line: 3 },
      { row: { a: '"\\' }, line: 5 },
    ];
    expect(await all(file("a.json", array))).toEqual(rows);
    expect((await all(file("b.json", `{"data": ${array}}`))).map(({ row }) => row)).toEqual(rows.map(({ row }) => row));
    expect(await all(file("empty.json", " [ ] "))).toEqual([]);
    expect((await all(file("lines.json", '{"a":1}\n{"a":2}\n'))).map(({ row }) => row.a)).toEqual([1, 2]);
    await expect(all(file("text.json", '"x"'))).rejects.toThrow(/text\.json:1: expected a JSON array/);
  });

  it("reads CSV and TSV with quotes and line ends inside them", async () => {
    const path = file("a.csv", 'prompt,completion\n"a, ""b""\nsecond",c\n\nd,é\n');
    expect(await all(path)).toEqual([
      { row: { prompt: 'a, "b"\nsecond', completion: "c" }, line: 2 },
      { row: { prompt: "d", completion: "é" }, line: 5 },
    ]);
    expect((await all(file("a.tsv", "a\tb\n1,2\t3\n"))).map(({ row }) => row)).toEqual([{ a: "1,2", b: "3" }]);
    await expect(all(file("double.csv", "a,a\n1,2\n"))).rejects.toThrow('double.csv:1: the column "a" is named twice');
  });

  it.each(["none", "snappy", "zstd"])("reads Parquet (%s) of several row groups", async (codec) => {
    const rows = await all(fixture(`${codec}.parquet`));
    expect(rows).toHaveLength(40);
    expect(rows[38]).toEqual({
      line: 39,
      row: {
        instruction: "Count to 39 é😀",
        input: "x".repeat(39),
        output: Array.from({ length: 39 }, (_, i) => i).join(" "),
        n: 39,
        turns: [
          { role: "user", content: "q" },
          { role: "assistant", content: "39" },
        ],
      },
    });
  });

  it.each([
    ["x.jsonl", '{"a":1}\n{"a":\n{"a":3}\n[1]\n', [2, 4]],
    ["x.json", '[{"a":1},\n{"a":},\n{"a":3},\n4]', [2, 4]],
    ["x.csv", "a,b\n1,2\n3\n4,5\n6,7,8\n", [3, 5]],
  ])("names the line of a malformed row of %s, and can go on without it", async (name, text, lines) => {
    const path = file(name, text);
    await expect(all(path)).rejects.toThrow(new RegExp(`^${path}:${lines[0]}: `));
    await expect(all(path)).rejects.toThrow(UsageError);
    const told: string[] = [];
    const rows = await all(path, (message) => told.push(message));
    expect(rows).toHaveLength(2);
    expect(told).toHaveLength(2);
    for (const [i, line] of lines.entries()) expect(told[i]).toMatch(new RegExp(`^${path}:${line}: `));
  });

  it("treats what follows broken CSV quotes as one malformed row", async () => {
    const path = file("quotes.csv", 'a,b\n1,2\n"3,4\n5,6\n');
    const told: number[] = [];
    expect(await all(path, (_, line) => told.push(line))).toHaveLength(1);
    expect(told).toEqual([3]);
  });

  it("explains missing files, folders and unknown endings", async () => {
    await expect(all(join(folder, "none.jsonl"))).rejects.toThrow("none.jsonl: no such file");
    await expect(all(folder)).rejects.toThrow("is a folder");
    await expect(all(file("a.xlsx", ""))).rejects.toThrow("unknown kind of file");
  });
});

describe("mutated files", () => {
  const rows = Array.from({ length: 12 }, (_, i) => ({
    instruction: `Say ${i} é😀`,
    input: i % 3 ? "" : 'in, "x"',
    output: `o${i}`,
  }));
  const csv = rows
    .map((row) =>
      Object.values(row)
        .map((v) => `"${v.replaceAll('"', '""')}"`)
        .join(","),
    )
    .join("\n");
  const originals: [string, Buffer][] = [
    ["m.jsonl", Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""))],
    ["m.json", Buffer.from(JSON.stringify(rows, null, 1))],
    ["m.csv", Buffer.from(`instruction,input,output\n${csv}\n`)],
    ...["none", "snappy", "zstd"].map((codec): [string, Buffer] => [
      `${codec}.parquet`,
      readFileSync(fixture(`${codec}.parquet`)),
    ]),
  ];

  it.each(originals)("5,000 in all, here of %s: rows or one UsageError line, nothing else", async (name, original) => {
    const outcomes = { rows: 0, refused: 0 };
    for (let i = 0; i < 840; i++) {
      const bytes = mutate(original, new Random("mutation", name, i));
      const path = file(name, bytes);
      try {
        const skipped: string[] = [];
        const onInvalid = i % 2 ? (message: string) => void skipped.push(message) : undefined;
        const prepared = await prepareRows({ name: "m", files: [path] }, { onInvalid });
        for (const row of prepared.rows) expect(typeof row.prompt).toBe("string");
        for (const message of skipped) expect(message.startsWith(path)).toBe(true);
        outcomes.rows++;
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        expect(error.message).toContain(path);
        outcomes.refused++;
      }
    }
    expect(outcomes.rows).toBeGreaterThan(50);
    expect(outcomes.refused).toBeGreaterThan(50);
  });
});

/** One or two changes: a byte, a cut, a removed or doubled stretch, a byte that means something to a parser. */
function mutate(original: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(original);
  const special = Buffer.from('"\\,\n\r{}[]:\0\xff', "latin1");
  for (let change = 0; change <= random.below(2); change++) {
    // Half of the changes near the end: that is where Parquet keeps its footer.
    const at = random.below(2)
      ? random.below(bytes.length)
      : bytes.length - 1 - random.below(Math.min(bytes.length, 1200));
    const length = random.below(30);
    switch (random.below(8)) {
      case 0:
        bytes = bytes.subarray(0, Math.max(1, at));
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length - 1, at + length))]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      case 3:
      case 4:
        bytes[at] = special[random.below(special.length)]!;
        break;
      default:
        bytes[at] = random.below(256);
    }
  }
  return bytes;
}
