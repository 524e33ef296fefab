import { Command } from "commander";
import { generateMany, type WritingOptions } from "../api/generate.js";
import { streamText } from "../api/stream-text.js";
import { FailureError, UsageError } from "../errors.js";
import type { GenerateResult } from "../llm/language-model.js";
import { createProgress } from "../progress/progress.js";
import type { Message } from "../tokenizer/chat-template.js";
import {
  addModelFlags,
  addSamplingFlags,
  type ModelFlags,
  modelOptions,
  type SamplingFlags,
  samplingOf,
} from "./generation-flags.js";
import { interruptible } from "./interrupt.js";
import { type GlobalOptions, globalOptions, printJson, say } from "./output.js";
import { type InputRow, partialOf, readInput, textField, writeWhole } from "./resumable-rows.js";

interface GenerateFlags extends ModelFlags, SamplingFlags {
  in?: string;
  out?: string;
  prompt?: string;
}

/** `evoke generate`: answers to a file of prompts or conversations. */
export function generateCommand(): Command {
  const command = new Command("generate")
    .description("Write an answer to every row of a file. Run again after a stop: finished rows are not done again.")
    .argument("<model>", "model, run folder, or openai:NAME@BASE_URL")
    .option("--prompt <text>", "one question, asked as a conversation; the answer goes to stdout")
    .option("--in <file>", "JSON Lines with prompt (text to continue) or messages (a conversation)")
    .option("--out <file>", "the same rows with output, finish_reason, prompt_tokens, output_tokens");
  return addSamplingFlags(addModelFlags(command), 256).action(
    async (reference: string, flags: GenerateFlags, self: Command) => {
      const globals = globalOptions(self);
      if (flags.prompt !== undefined) return answerOne(reference, flags.prompt, flags, globals);
      const { in: from, out } = flags;
      if (from === undefined || out === undefined)
        throw new UsageError("generate: name the rows with --in and their answers with --out, or ask one --prompt");
      const rows = await readInput(from);
      const sampling = samplingOf(flags);
      const requests = rows.map((row, index) => requestOf(row, index, sampling, globals.seed));
      const progress = createProgress({ label: "writing", total: rows.length, unit: "rows", quiet: globals.quiet });
      let done = 0;
      const started = performance.now();
      let results: (GenerateResult | Error)[];
      try {
        results = await interruptible((signal) =>
          generateMany({
            model: reference,
            modelOptions: { ...modelOptions(flags), device: globals.device },
            requests,
            journal: partialOf(out),
            signal,
            onProgress: (event) => (event.type === "notice" ? say(event.message, globals) : progress.update(++done)),
          }),
        );
      } finally {
        progress.finish();
      }
      let written = 0;
      const answered = rows.map(({ row, where }, i) => {
        const result = results[i]!;
        if (result instanceof Error) throw rowFailure(result, where);
        written += result.outputTokens;
        return {
          ...row,
          output: result.text,
          finish_reason: result.finishReason,
          prompt_tokens: result.promptTokens,
          output_tokens: result.outputTokens,
        };
      });
      writeWhole(out, answered);
      const seconds = (performance.now() - started) / 1000;
      if (globals.json) printJson({ out, rows: rows.length, output_tokens: written, seconds });
      else say(`${out}: ${rows.length} answers, ${written} tokens`, globals);
    },
  );
}

/** One answer, as it is written. */
async function answerOne(model: string, prompt: string, flags: GenerateFlags, globals: GlobalOptions): Promise<void> {
  if (flags.in !== undefined || flags.out !== undefined)
    throw new UsageError("generate: --prompt excludes --in and --out");
  const messages: Message[] = [{ role: "user", content: prompt }];
  const result = await interruptible(async (signal) => {
    const stream = streamText({
      ...{ model, messages, ...samplingOf(flags), seed: globals.seed, signal },
      modelOptions: { ...modelOptions(flags), device: globals.device },
      onProgress: (event) => void (event.type === "notice" && say(event.message, globals)),
    });
    for await (const text of stream) if (!globals.json) process.stdout.write(text);
    return stream.result;
  });
  if (!globals.json) return void process.stdout.write("\n");
  const { text, finishReason, promptTokens, outputTokens } = result;
  printJson({ output: text, finish_reason: finishReason, prompt_tokens: promptTokens, output_tokens: outputTokens });
}

function requestOf(
  input: InputRow,
  index: number,
  sampling: ReturnType<typeof samplingOf>,
  seed?: number,
): WritingOptions {
  const { row, where } = input;
  // With a temperature equal prompts get answers of their own, which the row's number keeps apart.
  const own = (sampling.temperature ?? 0) > 0 ? { seed: seed ?? 0, trial: index } : {};
  if (row.messages === undefined) return { prompt: textField(input, "prompt"), ...sampling, ...own };
  if (row.prompt !== undefined) throw new UsageError(`${where}: has both prompt and messages; one of them is meant`);
  return { messages: messagesOf(row.messages, where), ...sampling, ...own };
}

const ROLES = new Set(["system", "user", "assistant"]);

function messagesOf(value: unknown, where: string): Message[] {
  const ok =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((message) => ROLES.has(message?.role) && typeof message.content === "string");
  if (!ok)
    throw new UsageError(`${where}: messages must be a list of {"role": "system|user|assistant", "content": text}`);
  return value.map(({ role, content }) => ({ role, content }));
}

function rowFailure(error: Error, where: string): Error {
  if (error instanceof UsageError) return new UsageError(`${where}: ${error.message}`);
  return new FailureError(`${where}: ${error.message}`, { cause: error });
}
