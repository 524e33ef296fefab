import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { looksLikeRefusal, mixRefusals } from "./mix.js";
import { type PreparedRow, prepareRows, sampleInOrder } from "./prepare.js";
import { locateData } from "./source-files.js";

interface Digest {
  rows: number;
  sha256: string;
}
/** Made by tools/golden/data_prepare.py. */
const golden = JSON.parse(readFileSync(new URL("fixtures/prepared.json", import.meta.url), "utf8")) as {
  sources: Record<string, Digest>;
  "dolly 500": Digest;
  refusals: Digest;
  "refusals 100": Digest;
  "refusals 1829": Digest;
};
const dataDir = process.env.EVOKE_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const skip = existsSync(dataDir) ? false : `no data at ${dataDir} (set EVOKE_DATA)`;
if (skip) process.stderr.write(`prepare.test.ts: skipped, ${skip}\n`);

function digest(rows: readonly PreparedRow[]): Digest {
  const hash = createHash("sha256");
  for (const { prompt, completion } of rows) hash.update(`${prompt}\0${completion}\0`);
  return { rows: rows.length, sha256: hash.digest("hex") };
}
const prepare = async (name: string, maxExamples?: number): Promise<PreparedRow[]> =>
  (await prepareRows(await locateData(name, { dataDir }), { maxExamples })).rows;

describe.skipIf(skip)("public data, equal to the reference rules", () => {
  it.each(Object.entries(golden.sources))("%s", async (name, wanted) => {
    const rows = await prepare(name);
    expect(digest(rows)).toEqual(wanted);
    expect(new Set(rows.map(({ source }) => source))).toEqual(new Set([name]));
  });

  it("takes the first 1000 rows of LIMA, numbered as in the source", async () => {
    const rows = await prepare("lima");
    expect(rows.map(({ index }) => index)).toEqual(rows.map((_, i) => i));
  });

  it("draws the rows that the reference draws with seed 0", async () => {
    expect(digest(await prepare("dolly", 500))).toEqual(golden["dolly 500"]);
  });

  it("keeps 1829 of 2483 safety rows, and draws those that the reference draws", async () => {
    const safety = await prepare("safety");
    expect(safety).toHaveLength(2483);
    expect(digest(safety.filter(({ completion }) => looksLikeRefusal(completion)))).toEqual(golden.refusals);
    const base = safety.slice(0, 3);
    const mixed = mixRefusals(base, safety, 100);
    expect(mixed.counts).toEqual({ base: 3, refusals: 1829, added: 100 });
    expect(mixed.rows.slice(0, 3)).toEqual(base);
    expect(digest(mixed.rows.slice(3))).toEqual(golden["refusals 100"]);
    expect(digest(mixRefusals([], safety, 1829).rows)).toEqual(golden["refusals 1829"]);
    expect(() => mixRefusals(base, safety, 1830)).toThrow("1829 of 2483 safety rows pass the filter");
  });
});

describe("looksLikeRefusal", () => {
  it.each([
    ["I'm sorry, no.", true],
    ["As an AI, I cannot.", true],
    ["AI-based help", true],
    ["SORRY!", true],
    ["I said no.", false],
    ["Aid is paid by mail.", false],
    ["ai_model", false],
    ["Thaïs and Maï", false],
    ["éai", false],
    ["ai2", false],
    ["sorry-looking", true],
  ])("%j → %s", (text, expected) => {
    expect(looksLikeRefusal(text)).toBe(expected);
  });
});

describe("sampleInOrder", () => {
  it("keeps order, size and, for a larger count, the smaller sample", () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(70), fc.nat(70), fc.nat(1000), (size, a, b, seed) => {
        const items = Array.from({ length: size }, (_, i) => i);
        const [small, large] = [Math.min(a, b), Math.max(a, b)].map((count) => sampleInOrder(items, count, seed)) as [
          number[],
          number[],
        ];
        expect(small).toHaveLength(Math.min(size, a, b));
        expect([...small].sort((x, y) => x - y)).toEqual(small);
        for (const item of small) expect(large).toContain(item);
      }),
    );
  });

  it("depends on the seed", () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    expect(sampleInOrder(items, 10, 1)).not.toEqual(sampleInOrder(items, 10, 2));
    expect(sampleInOrder(items, 10, 1)).toEqual(sampleInOrder(items, 10, 1));
  });
});

it("takes GPT-3's end marker off Self-Instruct's fine-tuning file, and blanks around prompt and completion", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "evoke-finetuning-"));
  try {
    const rows = [
      { prompt: "Name a colour. Output:", completion: " Red.<|endoftext|>" },
      { prompt: "Task: Sort.\n\nb, a\n\n", completion: "a, b<|endoftext|>" },
      { prompt: "What ends a text?\n", completion: "<|endoftext|> does.<|endoftext|>" },
    ];
    const file = join(dataDir, "gpt3_finetuning_data.jsonl");
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const prepared = await prepareRows(await locateData("self-instruct-gpt3", { dataDir, fetchMissing: false }));
    expect(prepared.rows.map(({ prompt, completion }) => [prompt, completion])).toEqual([
      ["Name a colour. Output:", "Red."],
      ["Task: Sort.\n\nb, a", "a, b"],
      ["What ends a text?", "<|endoftext|> does."],
    ]);
    expect(prepared.rows[0]!.source).toBe("self-instruct-finetuning");
    expect(prepared.extent).toMatchObject({ rows: 3, whole: 82612 });
    const asFile = await prepareRows(await locateData(file));
    expect(asFile.rows[0]!.completion).toBe(" Red.<|endoftext|>"); // a file of one's own is taken as it is
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});
