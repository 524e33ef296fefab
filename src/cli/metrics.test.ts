import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { UsageError } from "../errors.js";
import { dataFilterCommand } from "./data-filter.js";
import { metricsCommand } from "./metrics.js";
import { globalFlags } from "./output.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-metrics-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

function file(name: string, rows: unknown[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

/** Runs a command under a root that knows the global flags; returns what went to stdout and stderr. */
async function run(command: Command, args: string[]): Promise<{ stdout: string; stderr: string }> {
  const root = new Command("evoke").exitOverride().addCommand(command);
  for (const flag of globalFlags()) root.addOption(flag);
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += String(text);
      return true;
    });
  }
  await root.parseAsync([command.name(), ...args], { from: "user" });
  return written;
}

describe("metrics text", () => {
  const rows = file("predictions.jsonl", [
    { response: " The cats run fast today.\n", target: "The cat runs fast today.", other: "The cat runs fast today." },
    { response: "Yes, it is so.", target: "Yes, it is so.", other: "No." },
  ]);

  it("prints one document with --json", async () => {
    const { stdout, stderr } = await run(metricsCommand(), ["text", "--predictions", rows, "--json"]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      n: 2,
      bleu: {
        score: expect.any(Number),
        signature: expect.stringMatching(/^nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|version:/),
      },
      rougeL: 1,
      rouge1: expect.closeTo(1, 12),
      rouge2: expect.closeTo(1, 12),
    });
    // The stemmer makes "cats run" and "cat runs" the same to ROUGE, not to BLEU.
    expect(JSON.parse(stdout).bleu.score).toBeLessThan(80);
  });

  it("takes arrays, lists of references and another tokenizer, and warns of text without blanks", async () => {
    const array = join(folder, "array.json");
    const given = [
      { response: "我们 明天去北京", target: ["我们明天去北京", "明天我们去"] },
      { response: "the cat", target: ["a dog", "the cat"] },
    ];
    writeFileSync(array, JSON.stringify(given));
    const args = ["text", "--predictions", array, "--json", "--tokenizer", "char"];
    const { stdout, stderr } = await run(metricsCommand(), args);
    const { bleu, rouge1 } = JSON.parse(stdout);
    expect(bleu.signature).toContain("nrefs:2|");
    expect(bleu.signature).toContain("tok:char");
    expect(bleu.score).toBeCloseTo(100, 9);
    expect(rouge1).toBe(0.5); // rouge_score sees nothing in the Chinese row
    expect(stderr).toMatch(/ROUGE .* says nothing of such texts/);
    const plain = await run(metricsCommand(), ["text", "--predictions", array]);
    expect(plain.stderr).toMatch(/--tokenizer char compares characters/);
  });

  it("prints a table, takes other fields, and an encoder when there is one", async () => {
    const encoder = fileURLToPath(new URL("../model/encoder/fixtures/bert", import.meta.url));
    const args = ["--predictions", rows, "--field", "target", "--reference", "other", "--device", "cpu"];
    const { stdout } = await run(metricsCommand(), [...args, "--bertscore", "--encoder", encoder, "--layer", "2"]);
    expect(stdout).toMatch(/^BLEU +\d+\.\d\d {2}\(nrefs:1/);
    expect(stdout).toMatch(/^BERTScore F1 {2}0\.\d{4} {2}P 0\.\d{4}, R 0\.\d{4} {2}\(bert_L2_no-idf_version=/m);
  });

  it("refuses flags of BERTScore without it, and what is no encoder", async () => {
    const args = ["text", "--predictions", rows, "--device", "cpu"];
    await expect(run(metricsCommand(), [...args, "--layer", "2"])).rejects.toThrow("--layer belongs to --bertscore");
    await expect(run(metricsCommand(), [...args, "--bertscore", "--encoder", "bundled:mini"])).rejects.toThrow(
      "is not an encoder that is supported",
    );
  });

  it("names the file, the line and the fields when one is missing", async () => {
    const args = ["text", "--predictions", rows, "--field", "answer"];
    await expect(run(metricsCommand(), args)).rejects.toThrow(
      /predictions\.jsonl:1: field "answer" .*response, target, other/,
    );
    await expect(run(metricsCommand(), ["text", "--predictions", file("empty.jsonl", [])])).rejects.toThrow(UsageError);
  });
});

describe("data filter", () => {
  const pool = file("pool.jsonl", [{ instruction: "Write a short poem about rain" }]);
  const candidates = file("candidates.jsonl", [
    { id: 1, instruction: "Write a short poem about the rain" },
    { id: 2, instruction: "List five rivers of Europe" },
    { id: 3, instruction: "List five rivers of Europe." },
    { id: 4, instruction: "¿?" },
  ]);
  const output = join(folder, "kept.jsonl");
  const kept = () =>
    readFileSync(output, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  it("writes what is unlike the pool and unlike what was kept, with the nearest text", async () => {
    const args = ["--pool", pool, "--in", candidates, "--out", output, "--json", "--quiet"];
    const { stdout, stderr } = await run(dataFilterCommand(), args);
    expect(JSON.parse(stdout)).toMatchObject({ read: 4, kept: 2, dropped: 2, pool: 1, out: output });
    expect(stderr).toBe("");
    expect(kept()).toEqual([
      { id: 2, instruction: "List five rivers of Europe", max_similarity: 0, most_similar: null },
      { id: 4, instruction: "¿?", max_similarity: 0, most_similar: null },
    ]);
  });

  it("keeps more with a higher threshold, and gives Self-Instruct's fields on request", async () => {
    const args = ["--pool", pool, "--in", candidates, "--out", output, "--threshold", "0.95", "--neighbours", "10"];
    const { stdout, stderr } = await run(dataFilterCommand(), args);
    expect(stdout).toBe("");
    expect(stderr).toContain("kept 3 of 4");
    const first = kept()[0];
    expect(first).toMatchObject({ id: 1, most_similar: "Write a short poem about rain" });
    expect(first.max_similarity).toBeCloseTo((2 * 6) / 13, 12);
    expect(first.most_similar_instructions).toEqual({ "Write a short poem about rain": first.max_similarity });
    expect(first.avg_similarity_score).toBe(first.max_similarity);
  });

  it("works without a pool and with another field", async () => {
    const renamed = file("renamed.jsonl", [{ text: "one two" }, { text: "one two" }]);
    await run(dataFilterCommand(), ["--in", renamed, "--field", "text", "--out", output]);
    expect(kept()).toHaveLength(1);
  });

  it("refuses bad rows and thresholds", async () => {
    await expect(run(dataFilterCommand(), ["--in", candidates, "--field", "text", "--out", output])).rejects.toThrow(
      /candidates\.jsonl:1: field "text" is not a text/,
    );
    await expect(run(dataFilterCommand(), ["--in", candidates, "--out", output, "--threshold", "7"])).rejects.toThrow(
      UsageError,
    );
  });
});
