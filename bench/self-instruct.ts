/**
 * Time and peak memory of each Self-Instruct stage at the size of the paper's data, with the program as it is and a local
 * HTTP server in the language model's place that answers at once: proposals are real instructions with their words in
 * another order.
 *
 * Usage: npx tsc -p tsconfig.build.json; EVOKE_DATA=… npx tsx bench/self-instruct.ts [INSTRUCTIONS]   (default 52000)
 */
import { fork, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Random } from "../src/random/counter.js";

const root = join(import.meta.dirname, "..");
const data = process.env.EVOKE_DATA ?? join(root, "../shared/data");

if (process.argv[2] === "serve") serve();
else await bench(Number(process.argv[2] ?? 52_000));

async function bench(count: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evoke-bench-"));
  const server = fork(fileURLToPath(import.meta.url), ["serve"], { execArgv: process.execArgv });
  try {
    const port = await new Promise<number>((resolve) => server.once("message", (text) => resolve(Number(text))));
    const recipe = join(folder, "recipe.yaml");
    writeFileSync(
      recipe,
      `model: openai:words@http://127.0.0.1:${port}/v1
seed_tasks: ${join(data, "self_instruct/seed_tasks.jsonl")}
num_instructions: ${count}
bootstrap: { requests_per_batch: 64 }
llm: { concurrency: 64 }
`,
    );
    const hook = join(folder, "hook.mjs");
    writeFileSync(
      hook,
      `process.on("exit", () => console.log("PEAK", process.resourceUsage().maxRSS, process.cpuUsage().user));`,
    );
    const out = join(folder, "run");
    for (const stage of ["bootstrap", "classify", "instances", "prepare"]) {
      const { seconds, output } = await run(hook, ["self-instruct", stage, recipe, "--out", out, "--quiet"]);
      const [, peak, cpu] = /PEAK (\d+) (\d+)/.exec(output)!;
      console.log(
        `${stage.padEnd(10)} ${seconds.toFixed(1).padStart(7)} s  ${(Number(cpu) / 1e6).toFixed(1).padStart(7)} s of processor  ${(Number(peak) / 1024).toFixed(0).padStart(6)} MiB`,
      );
    }
    const size = (name: string): string => `${(statSync(join(out, name)).size / 2 ** 20).toFixed(0)} MiB ${name}`;
    const files = ["machine_generated_instructions.jsonl", "machine_generated_instances.jsonl", "journal.jsonl"];
    console.log(`${count} instructions: ${files.map(size).join(", ")}`);
    console.log(readFileSync(join(out, "summary.json"), "utf8"));
  } finally {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(hook: string, args: string[]): Promise<{ seconds: number; output: string }> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const program = [join(root, "bin/evoke.js"), ...args];
    const child = spawn(process.execPath, ["--import", pathToFileURL(hook).href, ...program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("close", (code) => {
      const seconds = (performance.now() - started) / 1000;
      if (code === 0) resolve({ seconds, output });
      else reject(new Error(`evoke ${args.join(" ")}: exit ${code}`));
    });
  });
}

/** An OpenAI-compatible server whose answers are a function of prompt and seed. */
function serve(): void {
  const texts = ["self_instruct/user_oriented_instructions.jsonl", "sft/alpaca_subset.jsonl"].flatMap((file) =>
    readFileSync(join(data, file), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { instruction: string }).instruction.replace(/\s+/g, " ")),
  );
  const answer = (prompt: string, seed: unknown): string => {
    if (prompt.endsWith("Is it classification?")) return prompt.length % 4 === 0 ? " Yes" : " No";
    const random = new Random("bench server", prompt.slice(-200), String(seed));
    const words = (): string => random.shuffled(texts[random.below(texts.length)]!.split(" ")).join(" ");
    if (/\n9\.$/.test(prompt))
      return Array.from({ length: 7 }, (_, i) => `${i ? `\n${9 + i}.` : ""} ${words()}`).join("");
    const count = 1 + random.below(3);
    return Array.from({ length: count }, (_, i) => `Example ${i + 1}\nInput: ${words()}\nOutput: ${words()}`).join(
      "\n",
    );
  };
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    request.on("end", () => {
      const { prompt, seed } = JSON.parse(text) as { prompt: string; seed?: number };
      const choices = [{ index: 0, text: answer(prompt, seed), finish_reason: "stop" }];
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ choices, usage: { prompt_tokens: 10, completion_tokens: 5 } }));
    });
  });
  server.listen(0, "127.0.0.1", () => process.send!((server.address() as AddressInfo).port));
}
