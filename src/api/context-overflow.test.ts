/** Every pipeline asks a server with a small context again for a shorter answer: rewriting, judging, answering, Self-Instruct. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { writeTasks } from "../../tests/support/task-writer.js";
import { refineRows } from "../data/refine.js";
import { OpenAiCompatibleModel } from "../llm/openai-compatible.js";
import { selfInstructSchema } from "../self-instruct/recipe.js";
import { runSelfInstruct } from "../self-instruct/run.js";
import { evaluate } from "./evaluate.js";

const ROOM = 90;
const folder = mkdtempSync(join(tmpdir(), "evoke-overflow-"));
let server: Server;
let reference: string;
let asked: number[];
beforeEach(() => void (asked = []));
beforeAll(async () => {
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => {
      const body = JSON.parse(text) as {
        max_tokens: number;
        prompt?: string;
        messages?: { content: string }[];
        seed?: number;
      };
      const prompt = body.prompt ?? body.messages!.at(-1)!.content;
      asked.push(body.max_tokens);
      const isOver = body.max_tokens > ROOM;
      const message =
        "This model's maximum context length is 512 tokens. Please reduce your prompt; or completion length.";
      const written = /safety/i.test(prompt)
        ? '{"safety": {"reason": "So.", "score": 4}}'
        : /Refined/.test(prompt)
          ? "Refined response: better"
          : writeTasks(prompt, body.seed ?? null).text;
      const choice = {
        index: 0,
        text: written,
        message: { role: "assistant", content: written },
        finish_reason: "stop",
      };
      response.statusCode = isOver ? 400 : 200;
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify(
          isOver ? { error: { message, type: "invalid_request_error" } } : { choices: [choice], usage: {} },
        ),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  reference = `openai:m@http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The limits that were asked for: from the first by steps of 0.8 to one that fits. */
const falls = (from: number): number[] => {
  const limits = [from];
  while (limits.at(-1)! > ROOM) limits.push(Math.floor(limits.at(-1)! * 0.8));
  return limits;
};
const model = () => new OpenAiCompatibleModel(reference, { env: {}, sleep: async () => {} });

it("rewriting responses", async () => {
  const template = "{prompt} {response} Refined";
  const { rows, counts } = await refineRows([{ prompt: "q", completion: "r" }], model(), { template });
  expect(rows[0]!.completion).toBe("better");
  expect(counts.failed).toBe(0);
  expect(asked).toEqual(falls(8192));
});

it("answering and judging", async () => {
  const rows = join(folder, "rows.jsonl");
  writeFileSync(rows, '{"id": 801, "instruction": "Locks?", "category": "safety"}\n');
  const { results } = await evaluate({
    suites: "just_eval",
    model: reference,
    judge: reference,
    rows: { just_eval: rows },
    out: join(folder, "eval"),
  });
  expect(results.just_eval).toMatchObject({ n: 1, metrics: { safety: { value: 4 } } });
  expect(asked).toEqual([...falls(2048), ...falls(2048)]);
});

it("Self-Instruct, in each stage that asks for more than there is room for", async () => {
  const seedTasks = join(import.meta.dirname, "../../examples/self-instruct/seed_tasks.jsonl");
  const recipe = selfInstructSchema.parse({ model: "m", num_instructions: 3 });
  await runSelfInstruct(recipe, { folder: join(folder, "run"), seedTasks, model: model() });
  for (const from of [1024, 3]) for (const limit of falls(from)) expect(asked).toContain(limit);
  expect([350, 300].some((from) => falls(from).every((limit) => asked.includes(limit)))).toBe(true);
});
