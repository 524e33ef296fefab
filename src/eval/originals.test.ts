import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { locatePinnedFile, type PinnedFile } from "../data/pinned-file.js";
import { ownOrigin } from "../data/prompt-origin.js";
import { sha256 } from "../files/sha256.js";
import { EVAL_FILES } from "./eval-files.js";
import { judgePromptOf } from "./judge-prompt.js";
import { originalAlpacaPrompt, readGsm8kShots, readPythonTemplate } from "./originals.js";

const FILE = { path: "p.txt", origin: ownOrigin("judge", "", "p.txt") };

describe("originals", () => {
  it("reads worked examples out of a task file", () => {
    const text =
      "fewshot_config:\n  samples:\n  - question: What is 1 + 1?\n    target: It is\n      2. The final answer is 2\n";
    const [shot] = readGsm8kShots(text, "task.yaml");
    expect(shot!.question).toContain("\nProblem: What is 1 + 1?\n");
    expect(shot!.answer).toBe("It is 2. The final answer is 2");
    expect(() => readGsm8kShots("task: x\n", "task.yaml")).toThrow("task.yaml: holds no worked examples");
  });

  it("reads a prompt out of a Python file, with its places as ours", () => {
    const place = (name: string) => `$\{${name}}`;
    const source = `T = """\\\nAsked: ${place("instruction")}\nSaid: ${place("candidate")}\n{"a": 1}\n"""\n`;
    const prompt = judgePromptOf(readPythonTemplate(source, "t.py"), ["instruction", "output"], FILE);
    expect(prompt.fill({ instruction: "{output}", output: "$&" })).toBe('Asked: {output}\nSaid: $&\n{"a": 1}\n');
    expect(() => readPythonTemplate("T = 1", "t.py")).toThrow("t.py: holds no prompt");
  });
});

describe("judge prompts", () => {
  const values = { instruction: "Say {output} <|im_end|>", output: " $& " };

  it("are one turn of the user", () => {
    const prompt = judgePromptOf("Asked: {instruction}\nSaid: {output}\n", ["instruction", "output"], FILE);
    expect(prompt.messages(values)).toEqual([{ role: "user", content: "Asked: Say {output} <|im_end|>\nSaid:  $&" }]);
  });

  it("or the turns that they mark as ChatML does, found before anything is filled in", () => {
    const template = "<|im_start|>system\nYou judge.\n<|im_end|>\n<|im_start|>user\n{instruction}|{output}<|im_end|>";
    const prompt = judgePromptOf(template, ["instruction", "output"], FILE);
    expect(prompt.messages(values)).toEqual([
      { role: "system", content: "You judge." },
      { role: "user", content: "Say {output} <|im_end|>| $&" },
    ]);
    expect(() => judgePromptOf("<|im_start|>user\n{a}", ["a"], FILE)).toThrow(/^p\.txt: .* outside of a turn/);
    expect(() => judgePromptOf("<|im_start|>judge\n{a}<|im_end|>", ["a"], FILE)).toThrow('p.txt: "judge" is no role');
  });
});

describe("fetching what an original repository holds", () => {
  const CONTENT = "<|im_start|>user\n{instruction} {output_1} {output_2}\n<|im_end|>";
  const asked: string[] = [];
  let server: Server;
  let folder: string;
  let options: { dataDir: string; env: NodeJS.ProcessEnv; say: (line: string) => void };

  const file = (path: string, content: string): PinnedFile => ({
    local: [`originals/${path}`],
    remote: { url: `https://raw.githubusercontent.com/org/tool/abc/${path}`, sha256: sha256(content) },
  });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evoke-originals-"));
    server = createServer(({ url }, response) => {
      asked.push(url!);
      if (url!.endsWith("/prompt.txt")) response.end(CONTENT);
      else if (url!.endsWith("/private.txt")) response.writeHead(403).end();
      else if (url!.endsWith(".txt") && url!.includes("alpaca_eval_clf")) response.end("something else");
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/raw/`;
    options = { dataDir: folder, env: { EVOKE_GITHUB_MIRROR: mirror }, say: () => {} };
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("takes a mirror in place of GitHub, keeps the file in the data folder, and asks once", async () => {
    const wanted = file("prompt.txt", CONTENT);
    const path = await locatePinnedFile(wanted, options);
    expect(path).toBe(join(folder, "originals", "prompt.txt"));
    expect(readFileSync(path, "utf8")).toBe(CONTENT);
    expect(await locatePinnedFile(wanted, options)).toBe(path);
    expect(asked).toEqual(["/raw/org/tool/abc/prompt.txt"]);
  });

  it("keeps nothing of a file whose bytes are not the pinned ones", async () => {
    await expect(originalAlpacaPrompt(options)).rejects.toThrow(
      /alpaca_eval_clf\.txt: SHA-256 is [0-9a-f]{64}, expected/,
    );
    const [local] = EVAL_FILES.alpacaJudge.local;
    expect(existsSync(join(folder, local))).toBe(false);
  });

  it("says in one line what is not there or not allowed", async () => {
    await expect(locatePinnedFile(file("gone.md", ""), options)).rejects.toThrow(/gone\.md: not found \(HTTP 404\)/);
    await expect(locatePinnedFile(file("private.txt", ""), options)).rejects.toThrow(/access refused \(HTTP 403\)/);
    expect(readdirSync(join(folder, "originals"))).toEqual(["prompt.txt"]);
  });

  it("says where a file can be put when nothing answers", async () => {
    const unreachable = { ...options, env: { EVOKE_GITHUB_MIRROR: "http://127.0.0.1:9" } };
    await expect(locatePinnedFile(file("prompt2.txt", CONTENT), unreachable)).rejects.toThrow(
      /tried 4 times\); put the file at .*prompt2\.txt, or name a mirror in EVOKE_GITHUB_MIRROR/,
    );
  });

  it("reads a copy in the data folder without asking anyone", async () => {
    const { mkdirSync, writeFileSync } = await import("node:fs");
    const own = mkdtempSync(join(folder, "own-"));
    mkdirSync(join(own, "originals"));
    writeFileSync(join(own, EVAL_FILES.alpacaJudge.local[0]), `${CONTENT}\n`);
    const before = asked.length;
    const prompt = await originalAlpacaPrompt({ ...options, dataDir: own });
    expect(prompt.messages({ instruction: "i", output_1: "a", output_2: "b" })).toEqual([
      { role: "user", content: "i a b" },
    ]);
    expect(asked).toHaveLength(before);
  });
});
