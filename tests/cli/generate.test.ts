import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evoke, programPath } from "../program.js";
import { writeTinyModel } from "../support/tiny-model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-generate-"));
afterAll(() => rmSync(root, { recursive: true }));
const model = join(root, "model");
writeTinyModel(model);
const at = (name: string): string => join(root, name);
const write = (name: string, rows: object[]): string => {
  writeFileSync(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return at(name);
};
const read = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("evoke generate", () => {
  it("answers rows in their order and keeps their fields", async () => {
    const rows = [
      { prompt: "the river runs", id: 7 },
      { messages: [{ role: "user", content: "a quiet sea" }], id: 8 },
      { prompt: "stars", id: 9 },
    ];
    const input = write("in.jsonl", rows);
    const args = ["generate", model, "--in", input, "--max-tokens", "6", "--template", "tulu", "--weights", "float32"];
    const { code, stdout, stderr } = await evoke([...args, "--out", at("out.jsonl"), "--json"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ out: at("out.jsonl"), rows: 3 });
    const out = read(at("out.jsonl"));
    out.forEach((row, i) => {
      expect(row).toMatchObject(rows[i]!);
      expect(typeof row.output).toBe("string");
      expect(["stop", "length"]).toContain(row.finish_reason);
      expect(row.prompt_tokens).toBeGreaterThan(0);
      expect(row.output_tokens).toBeLessThanOrEqual(6);
    });
    expect(existsSync(at("out.jsonl.partial"))).toBe(false);

    // One row a time gives the same.
    await evoke([...args, "--out", at("one.jsonl"), "--batch", "1"]);
    expect(read(at("one.jsonl"))).toEqual(out);
  });

  it("names a row it cannot use and writes nothing", async () => {
    const input = write("bad.jsonl", [{ prompt: "x" }, { text: "y" }]);
    const { code, stderr } = await evoke(["generate", model, "--in", input, "--out", at("bad-out.jsonl")]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.jsonl:2: field "prompt"/);
    expect(existsSync(at("bad-out.jsonl"))).toBe(false);
  });

  it("goes on after a stop without doing finished rows again", async () => {
    const input = write(
      "many.jsonl",
      Array.from({ length: 12 }, (_, i) => ({ prompt: `river ${i}` })),
    );
    const args = ["generate", model, "--in", input, "--max-tokens", "450", "--batch", "1", "--temperature", "1"];
    const out = at("many-out.jsonl");
    const child = spawn(process.execPath, [programPath, ...args, "--out", out], { stdio: "ignore" });
    const partial = (): string => (existsSync(`${out}.partial`) ? readFileSync(`${out}.partial`, "utf8") : "");
    const ended = new Promise((resolve) => child.on("close", resolve));
    while (partial().split("\n").length < 3 && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGKILL");
    await ended;
    const kept = partial().split("\n").length - 1;
    expect(kept).toBeGreaterThan(0);
    expect(existsSync(out)).toBe(false);
    expect((await evoke([...args, "--out", out])).code).toBe(0);
    expect((await evoke([...args, "--out", at("undisturbed.jsonl")])).code).toBe(0);
    expect(read(out)).toEqual(read(at("undisturbed.jsonl")));
  });
});

describe("evoke score", () => {
  it("adds log-probabilities", async () => {
    const input = write("pairs.jsonl", [
      { context: "the river", continuation: " runs", id: 1 },
      { context: "the river", continuation: " falls", id: 2 },
      { context: "", continuation: "stars", id: 3 },
    ]);
    const { code, stderr } = await evoke(["score", model, "--in", input, "--out", at("scored.jsonl"), "-q"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const rows = read(at("scored.jsonl"));
    expect(rows.map(({ id }) => id)).toEqual([1, 2, 3]);
    for (const { logprob, tokens, is_greedy } of rows) {
      expect(logprob).toBeLessThan(0);
      expect(tokens).toBeGreaterThan(0);
      expect(typeof is_greedy).toBe("boolean");
    }
  });
});

describe("evoke chat", () => {
  it("talks over a pipe", async () => {
    const child = spawn(process.execPath, [programPath, "chat", model, "--max-tokens", "5", "--template", "tulu"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    child.stdin.end("the river\n/debug\n/model\n/nothing\n/quit\nnever read\n");
    expect(await ended).toBe(0);
    expect(stdout).toContain("<|user|>\nthe river\n<|assistant|>\n");
    expect(stdout).toContain(`${model}\n/nothing is not known`);
    expect(stdout).not.toContain("never read");
  });
});
