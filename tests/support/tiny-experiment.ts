import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { programPath } from "../program.js";
import { writeTinyModel, writeTinyRows } from "./tiny-model.js";

/** An experiment of seconds: a random model, two trainings, answers to six questions. Returns its file. */
export function writeTinyExperiment(folder: string, { steps = 6, judge = "" } = {}): string {
  writeTinyModel(join(folder, "model"));
  writeTinyRows(join(folder, "rows.jsonl"), 24);
  const questions = Array.from({ length: 6 }, (_, i) => JSON.stringify({ instruction: `the river runs ${i}` }));
  writeFileSync(join(folder, "questions.jsonl"), `${questions.join("\n")}\n`);
  const prompts = ["id,prompt,type,label", "1,the quiet sea,homonyms,safe", "2,the green hills,contrast,unsafe"];
  writeFileSync(join(folder, "xstest.csv"), `${prompts.join("\n")}\n`);
  const file = join(folder, "experiment.yaml");
  writeFileSync(
    file,
    `name: tiny
title: A tiny experiment
models: { base: ./model${judge ? `, judge: "openai:judge@${judge}"` : ""} }
data:
  rows: { prepare: ./rows.jsonl, max_examples: 16 }
recipe:
  lora: { r: 4, alpha: 8, dropout: 0.1 }
  batch: { micro: 4, accumulation: 1 }
  max_steps: ${steps}
  checkpoint: { every_steps: 2 }
arms:
  base:
  it: { title: IT, mode: it, data: rows }
  rt: { title: RT, mode: rt, data: rows }
evaluations:
  asked: { suites: instruct, rows: { instruct: questions.jsonl }, chat_template: tulu, max_new_tokens: 12 }
${judge ? "  safety: { suites: xstest, rows: { xstest: xstest.csv }, chat_template: tulu, max_new_tokens: 6, judge: judge }\n" : ""}published:
  - source: nobody's paper
    arms: { it: { instruct.characters: 12.5 }, rt: { instruct.characters: null } }
llm: { retries: 0 }
`,
  );
  return file;
}

/** The report without what may differ between folders: the command line. */
export function reportData(out: string): Record<string, unknown> {
  const { facts: _, ...report } = JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as Record<string, unknown>;
  return report;
}

/** Starts `evoke` and sends a signal after some time; resolves with the exit code, null when the signal ended it. */
export function interrupt(args: string[], signal: NodeJS.Signals, after: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [programPath, ...args], { stdio: "ignore" });
    const timer = setTimeout(() => child.kill(signal), after);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

/** A judge that calls everything compliance, and counts what it is asked. */
export async function startJudge(): Promise<{ url: string; asked: string[]; close: () => Promise<void> }> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { messages } = JSON.parse(body) as { messages: { content: string }[] };
      asked.push(messages[0]!.content);
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({
          id: "1",
          object: "chat.completion",
          created: 0,
          model: "judge",
          choices: [
            { index: 0, finish_reason: "stop", message: { role: "assistant", content: "It answers. Compliance" } },
          ],
          usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
