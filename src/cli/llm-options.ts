import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { type Model, type ModelOptions, openModel } from "../api/model.js";
import { describeUsage, type Price, type Usage } from "../llm/usage.js";
import type { LocalFlags } from "./generation-flags.js";
import { interruptible } from "./interrupt.js";
import { type GlobalOptions, parseCount, parseNumber, say } from "./output.js";

/** Flags of every command that asks a language model. */
export interface LlmFlags {
  adapter?: string;
  concurrency?: number;
  retries?: number;
  timeout?: number;
  maxRequests?: number;
  maxTokens?: number;
  apiKeyEnv?: string;
  price?: Price;
  api?: "auto" | "completions" | "chat";
}

export function addLlmOptions(command: Command): Command {
  const options = [
    new Option("--adapter <dir>", "PEFT adapter on top of a local model"),
    new Option("--concurrency <n>", "server: requests under way at once (default 8)").argParser(parseCount),
    new Option("--retries <n>", "server: attempts after the first one (default 9)").argParser(parseCount),
    new Option("--timeout <seconds>", "server: most seconds for one attempt (default 300)").argParser(parseNumber),
    new Option("--max-requests <n>", "server: stop after this many requests, retries included").argParser(parseCount),
    new Option("--max-tokens <n>", "server: stop after this many tokens, prompts included").argParser(parseCount),
    new Option("--api-key-env <name>", "server: environment variable with the key (default OPENAI_API_KEY)"),
    new Option("--price <in,out>", "server: US dollars per million tokens, for the cost").argParser(parsePrice),
    new Option("--api <kind>", "server: endpoint for plain prompts").choices(["auto", "completions", "chat"]),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

function parsePrice(text: string): Price {
  const [prompt, output, ...rest] = text.split(",").map(Number);
  if (rest.length > 0 || !Number.isFinite(prompt) || !Number.isFinite(output))
    throw new InvalidArgumentError("two numbers are expected, such as 0.5,1.5.");
  return { prompt: prompt!, output: output! };
}

/** How a model is opened, from flags. */
export function llmModelOptions(flags: LlmFlags & LocalFlags, globals: GlobalOptions): ModelOptions {
  const { adapter, concurrency, retries, timeout, maxRequests, maxTokens, apiKeyEnv, price, api } = flags;
  const { weights, threads } = flags;
  const server = { concurrency, retries, timeoutSeconds: timeout, maxRequests, maxTokens, apiKeyEnv, price, api };
  return { adapter, device: globals.device, weights, threads, server };
}

/** Opens a model for the length of `work`; SIGINT and SIGTERM stop it between answers, with finished ones kept. */
export async function withModel<T>(
  model: string,
  options: ModelOptions,
  globals: GlobalOptions,
  work: (model: Model, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return interruptible(async (signal) => {
    const opened = await openModel({ model, ...options, signal, onProgress: ({ message }) => say(message, globals) });
    try {
      return await work(opened, signal);
    } finally {
      await opened.dispose();
    }
  });
}

/** One line about requests, failed attempts, tokens and cost, for models that count them. */
export function sayUsage(usage: Usage | undefined, globals: GlobalOptions): void {
  if (usage) say(describeUsage(usage), globals);
}
