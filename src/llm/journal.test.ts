import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { whileFailing } from "../../tests/support/broken-fs.js";
import { generateKey, withJournal } from "./journal.js";
import type { GenerateRequest, LanguageModel } from "./language-model.js";

/** Answers with the prompt, and fails on prompts that begin with "bad"; counts what it is asked. */
function countingModel(id = "m"): LanguageModel & { asked: string[] } {
  const asked: string[] = [];
  return {
    id,
    asked,
    async generate(requests, options) {
      return requests.map(({ prompt = "" }, i) => {
        asked.push(prompt);
        const result = prompt.startsWith("bad")
          ? new Error("no")
          : { text: `<${prompt}>`, finishReason: "stop" as const, promptTokens: 1, outputTokens: 1 };
        options?.onResult?.(i, result);
        return result;
      });
    },
    async score(pairs) {
      return pairs.map(({ continuation }) => {
        asked.push(continuation);
        return { logprob: -continuation.length, tokens: 1, isGreedy: true };
      });
    },
  };
}
/** The same, one at a time and stopped by its signal, as servers are asked. */
function slowModel(): ReturnType<typeof countingModel> {
  const model = countingModel();
  return {
    ...model,
    async generate(requests, options) {
      const results = [];
      for (const [i, request] of requests.entries()) {
        options?.signal?.throwIfAborted();
        const [result] = await model.generate([request]);
        options?.onResult?.(i, result!);
        results.push(result!);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return results;
    },
  };
}
const ask = (...prompts: string[]): GenerateRequest[] => prompts.map((prompt) => ({ prompt, maxTokens: 5 }));
let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "journal-")), "calls.jsonl");
});

describe("withJournal", () => {
  it("asks each question once, within a call, across calls and across processes' lives", async () => {
    const model = countingModel();
    const first = withJournal(model, path);
    const seen: number[] = [];
    const results = await first.generate(ask("a", "b", "a"), { onResult: (index) => seen.push(index) });
    expect(results.map((r) => (r as { text: string }).text)).toEqual(["<a>", "<b>", "<a>"]);
    expect(seen.sort()).toEqual([0, 1, 2]);
    await Promise.all([first.generate(ask("c")), first.generate(ask("c", "a"))]);
    first.close();
    const second = withJournal(model, path);
    expect(await second.generate(ask("b", "c", "d"))).toHaveLength(3);
    expect(second.calls).toEqual({ reused: 2, made: 1, failed: 0 });
    second.close();
    expect(model.asked).toEqual(["a", "b", "c", "d"]);
  });

  it("does not keep errors", async () => {
    const model = countingModel();
    const journal = withJournal(model, path);
    expect((await journal.generate(ask("bad", "good")))[0]).toBeInstanceOf(Error);
    expect((await journal.generate(ask("bad", "good")))[0]).toBeInstanceOf(Error);
    journal.close();
    expect(model.asked).toEqual(["bad", "good", "bad"]);
  });

  it("keeps what finished before the model threw", async () => {
    const model: LanguageModel = {
      id: "m",
      async generate(_, options) {
        options?.onResult?.(1, { text: "done", finishReason: "stop", promptTokens: 1, outputTokens: 1 });
        throw new Error("engine died");
      },
    };
    const journal = withJournal(model, path);
    await expect(journal.generate(ask("a", "b"))).rejects.toThrow("engine died");
    expect(journal.isFinished(ask("b")[0]!)).toBe(true);
    expect(journal.isFinished(ask("a")[0]!)).toBe(false);
    journal.close();
  });

  it("drops a torn last line wherever it is cut, and asks only for that call again", async () => {
    const model = countingModel();
    const journal = withJournal(model, path);
    await journal.generate(ask("é1", "é2", "é3"));
    journal.close();
    const whole = readFileSync(path);
    const lastStart = whole.lastIndexOf(10, whole.length - 2) + 1;
    for (let cut = lastStart; cut < whole.length; cut += 7) {
      writeFileSync(path, whole);
      truncateSync(path, cut);
      model.asked.length = 0;
      const again = withJournal(model, path);
      await again.generate(ask("é1", "é2", "é3"));
      again.close();
      expect(model.asked).toEqual(["é3"]);
      expect(readFileSync(path).equals(whole)).toBe(true);
    }
  });

  it("ignores damaged lines further up", async () => {
    const model = countingModel();
    const journal = withJournal(model, path);
    await journal.generate(ask("a"));
    journal.close();
    appendFileSync(path, '\u0000\u0000garbage\nnull\n{"key": 3}\n');
    const again = withJournal(model, path);
    await again.generate(ask("a", "b"));
    again.close();
    expect(model.asked).toEqual(["a", "b"]);
  });

  it("is refused while a living process holds it, and shared within a process", async () => {
    const holder = withJournal(countingModel(), path);
    const lock = JSON.parse(readFileSync(`${path}.lock`, "utf8")) as { pid: number };
    expect(lock.pid).toBe(process.pid);
    withJournal(countingModel(), path).close();
    holder.close();
    const { spawn } = await import("node:child_process");
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
    const other = child.pid!;
    const { hostname } = await import("node:os");
    const start = readFileSync(`/proc/${other}/stat`, "utf8").split(") ")[1]!.split(" ")[19];
    writeFileSync(`${path}.lock`, `${JSON.stringify({ pid: other, host: hostname(), start })}\n`);
    expect(() => withJournal(countingModel(), path)).toThrow(/in use by process/);
    child.kill("SIGKILL");
  });

  it("leaves nothing beside the file when it is closed", () => {
    withJournal(countingModel(), path).close();
    expect(readdirSync(dirname(path))).toEqual(["calls.jsonl"]);
  });

  it("stops at once and names the file when it cannot be written", async () => {
    const model = slowModel();
    const journal = withJournal(model, path);
    const all = ask(...Array.from({ length: 50 }, (_, i) => `p${i}`));
    const other = journal.generate(ask("x", "y")).catch((error: unknown) => error);
    await whileFailing("writeSync", "ENOSPC", 5, async () => {
      await expect(journal.generate(all)).rejects.toThrow(`${path}: the journal cannot be written (ENOSPC`);
      await other;
    });
    expect(model.asked.length).toBeLessThan(10);
    const asked = model.asked.length;
    await expect(journal.generate(ask("z"))).rejects.toThrow(path);
    await expect(journal.score!([{ context: "c", continuation: "d" }])).rejects.toThrow(path);
    expect(model.asked.length).toBe(asked);
    journal.close();
    const again = withJournal(model, path);
    expect([...ask("x", "y"), ...all].filter((request) => again.isFinished(request))).toHaveLength(5);
    again.close();
  });

  it("names the file when it cannot be flushed", async () => {
    const journal = withJournal(countingModel(), path);
    await whileFailing("fsync", "EIO", 0, async () => {
      await expect(journal.generate(ask("a"))).rejects.toThrow(`${path}: the journal cannot be written (EIO`);
    });
    await expect(journal.generate(ask("a"))).rejects.toThrow(path);
    journal.close();
  });

  it("asks again what was kept in another shape", async () => {
    const model = countingModel();
    const journal = withJournal(model, path);
    await journal.generate(ask("a", "b", "c", "d", "e"));
    await journal.score!([{ context: "", continuation: "s" }]);
    journal.close();
    const damage: ((value: Record<string, unknown>) => unknown)[] = [
      (value) => ({ ...value, text: 5 }),
      (value) => ({ ...value, finishReason: "tool" }),
      (value) => ({ ...value, outputTokens: "1" }),
      (value) => [value],
      (value) => ({ ...value, logprobs: [{ token: "x" }] }),
      (value) => ({ ...value, logprob: null }),
    ];
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    const damaged = lines.map((line, i) => {
      const { key, value } = JSON.parse(line) as { key: string; value: Record<string, unknown> };
      return `${JSON.stringify({ key, value: damage[i]!(value) })}\n`;
    });
    writeFileSync(path, damaged.join(""));
    model.asked.length = 0;
    const again = withJournal(model, path);
    const results = await again.generate(ask("a", "b", "c", "d", "e"));
    expect(results.map((result) => (result as { text: string }).text)).toEqual(["<a>", "<b>", "<c>", "<d>", "<e>"]);
    expect(await again.score!([{ context: "", continuation: "s" }])).toEqual([
      { logprob: -1, tokens: 1, isGreedy: true },
    ]);
    again.close();
    expect(model.asked).toEqual(["a", "b", "c", "d", "e", "s"]);
    const last = withJournal(model, path);
    await last.generate(ask("a", "e"));
    last.close();
    expect(model.asked).toHaveLength(6);
  });

  it("is no pipe", () => {
    spawnSync("mkfifo", [path]);
    expect(() => withJournal(countingModel(), path)).toThrow(`${path}: is no regular file`);
  });

  it("tells apart models, parameters and trials, not the order of properties", () => {
    const base: GenerateRequest = { prompt: "p", maxTokens: 5, temperature: 0 };
    const variants: [string, GenerateRequest][] = [
      ["m", base],
      ["n", base],
      ["m", { ...base, trial: 1 }],
      ["m", { ...base, maxTokens: 6 }],
      ["m", { ...base, prompt: "q" }],
      ["m", { ...base, stop: ["\n"] }],
      ["m", { maxTokens: 5, temperature: 0, messages: [{ role: "user", content: "p" }] }],
    ];
    expect(new Set(variants.map(([id, request]) => generateKey(id, request))).size).toBe(variants.length);
    expect(generateKey("m", { temperature: 0, maxTokens: 5, prompt: "p", stop: undefined })).toBe(
      generateKey("m", base),
    );
  });

  it("keeps any text exactly", async () => {
    const model = countingModel();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (prompt) => {
        fc.pre(!prompt.startsWith("bad"));
        const journal = withJournal(model, path);
        const [fresh] = await journal.generate(ask(prompt));
        journal.close();
        const again = withJournal(model, path);
        const [kept] = await again.generate(ask(prompt));
        again.close();
        expect(kept).toEqual(fresh);
        expect(again.calls.reused).toBe(1);
      }),
      { numRuns: 50 },
    );
  });

  it("keeps scores", async () => {
    const model = countingModel();
    const journal = withJournal(model, path);
    const pairs = [
      { context: "c", continuation: "xx" },
      { context: "c", continuation: "yyy" },
    ];
    const scores = await journal.score!(pairs);
    expect(scores.map(({ logprob }) => logprob)).toEqual([-2, -3]);
    expect(await journal.score!([...pairs].reverse())).toEqual([...scores].reverse());
    journal.close();
    expect(model.asked).toEqual(["xx", "yyy"]);
  });

  it("scores a call as a whole again where pairs depend on each other and some were not kept", async () => {
    const model = { ...countingModel(), scoresTogether: true };
    const pairs = ["x", "yy"].map((continuation) => ({ context: "c", continuation }));
    const first = withJournal(model, path);
    await first.score!(pairs.slice(0, 1));
    expect((await first.score!(pairs)).map(({ logprob }) => logprob)).toEqual([-1, -2]);
    await first.score!(pairs);
    first.close();
    expect(model.asked).toEqual(["x", "x", "yy"]);
  });
});
