/**
 * vLLM on the CPU beside our own engine: the same scores, the same answers of an adapter, and every part that vLLM plays in
 * the papers. `tests/servers/run.sh` installs it and runs this.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generator } from "../../../src/generate/generator.js";
import { repositoryRoot } from "../../program.js";
import { type ServerProgram, startServerProgram } from "../../support/server-program.js";
import { rowsOf, run, startVllm, type Vllm } from "./vllm-server.js";

/** A Hugging Face folder; the mini model unless told otherwise. */
const model = process.env.EVOKE_TEST_SERVERS_MODEL ?? join(repositoryRoot, "models", "mini");
const ROWS = 50;

const folder = mkdtempSync(join(tmpdir(), "evoke-vllm-"));
const adapter = join(folder, "run");
let plain: Vllm;
let withAdapter: Vllm;

beforeAll(async () => {
  if (!process.env.EVOKE_TEST_SERVERS) return;
  const recipe = join(folder, "recipe.yaml");
  const rows = join(repositoryRoot, "examples", "data", "mini-train.jsonl");
  writeFileSync(
    recipe,
    `model: ${model}
method: lora
mode: it
data: { path: ${rows} }
lora: { r: 8, alpha: 16 }
optimizer: { lr: 0.01 }
batch: { micro: 4, accumulation: 1 }
max_steps: 30
max_length: 128
`,
  );
  await run("train", recipe, "--out", adapter);
  // vLLM 0.32's CPU build dies of an echo with log-probabilities where adapters are enabled (punica_cpu.py), so there are two.
  plain = await startVllm(model, { maxTokens: 512 });
  withAdapter = await startVllm(model, { maxTokens: 512, flags: ["--adapter", `tuned=${adapter}`] });
});

afterAll(async () => {
  await plain?.stop();
  await withAdapter?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!process.env.EVOKE_TEST_SERVERS)("vLLM", () => {
  it.each(["arc_easy", "hellaswag"])("chooses in %s as our own engine does", async (task) => {
    const local = join(folder, `local-${task}`);
    const remote = join(folder, `remote-${task}`);
    await run("eval", task, "--model", model, "--limit", String(ROWS), "--out", local);
    await run("eval", task, "--model", `openai:base@${plain.url}`, "--limit", String(ROWS), "--out", remote);
    const [ours, theirs] = [local, remote].map((out) => rowsOf(join(out, "samples", `${task}.jsonl`)));
    expect(ours).toHaveLength(ROWS);
    let farthest = 0;
    for (const [i, row] of ours!.entries()) {
      const other = theirs![i]!;
      const [mine, its] = [row, other].map(({ logprobs }) => logprobs as number[]);
      expect([other.predicted, other.predicted_norm], `row ${i}`).toEqual([row.predicted, row.predicted_norm]);
      for (const [j, value] of mine!.entries()) farthest = Math.max(farthest, Math.abs(value - its![j]!));
    }
    console.log(`${task}: ${ROWS} rows, largest difference of a log-probability ${farthest.toExponential(2)}`);
    expect(farthest).toBeLessThan(1e-3);
  });

  it("writes with our adapter as we do: 16 greedy tokens on 10 prompts", async () => {
    const client = new OpenAI({ baseURL: withAdapter.url, apiKey: "unused" });
    const own = await Generator.open(model, { adapters: [adapter], weights: "float32" });
    const prompts = rowsOf(join(repositoryRoot, "examples", "data", "mini-heldout.jsonl")).slice(0, 10);
    const answers: [string, string][] = [];
    for (const { instruction } of prompts) {
      const ask = { prompt: `${String(instruction)}\n`, temperature: 0 };
      const ours = await own.generate({ ...ask, adapter, maxTokens: 16 });
      const theirs = await client.completions.create({ ...ask, model: "tuned", max_tokens: 16 });
      answers.push([ours.text, theirs.choices[0]!.text]);
    }
    await own.dispose();
    expect(answers.map(([, theirs]) => theirs)).toEqual(answers.map(([ours]) => ours));
    expect(new Set(answers.map(([ours]) => ours)).size).toBeGreaterThan(1);
  });

  it("gives the log-probabilities of its first token, by which judges are read", async () => {
    const client = new OpenAI({ baseURL: plain.url, apiKey: "unused" });
    const judged = await client.chat.completions.create({
      model: "base",
      messages: [{ role: "user", content: "Which is better, m or M?" }],
      max_tokens: 1,
      logprobs: true,
      top_logprobs: 20,
    });
    expect(judged.choices[0]!.logprobs!.content![0]!.top_logprobs).toHaveLength(20);
  });

  it("shares requests with our own server behind one name", async () => {
    const own: ServerProgram = await startServerProgram(["serve", model, "--name", "base", "--weights", "float32"]);
    try {
      const prompts = join(folder, "prompts.jsonl");
      const texts = Array.from({ length: 40 }, (_, i) => `Number ${i} is`);
      writeFileSync(prompts, texts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(""));
      const outputs: string[] = [];
      for (const [i, urls] of [plain.url, `${own.url}/v1`, `${plain.url},${own.url}/v1`].entries()) {
        const out = join(folder, `out-${i}.jsonl`);
        await run("generate", `openai:base@${urls}`, "--in", prompts, "--out", out, "--max-tokens", "8");
        outputs.push(readFileSync(out, "utf8"));
      }
      expect(outputs[1]).toBe(outputs[0]);
      expect(outputs[2]).toBe(outputs[0]);
      const figures = await (await fetch(`${own.url}/metrics`)).text();
      const served = Number(
        /evoke_http_requests_total\{route="\/v1\/completions",status="200"\} (\d+)/.exec(figures)![1],
      );
      expect(served).toBeGreaterThan(40);
      expect(served).toBeLessThan(80);
    } finally {
      own.child.kill("SIGKILL");
    }
  });
});
