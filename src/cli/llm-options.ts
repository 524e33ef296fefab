import { setMaxListeners } from "node:events";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { InterruptedError } from "../errors.js";
import { type ResolvedModel, type ResolveOptions, resolveLanguageModel } from "../llm/resolve.js";
import { describeUsage, type Price } from "../llm/usage.js";
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

/** What `resolveLanguageModel` takes, from flags over a recipe's values. */
export function resolveOptions(flags: LlmFlags, globals: GlobalOptions, under: ResolveOptions = {}): ResolveOptions {
  const { timeout, ...rest } = flags;
  const given = { ...rest, timeoutSeconds: timeout, device: globals.device };
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...under, ...set, say: (line) => say(line, globals) };
}

/** Opens a model for the length of `work`; SIGINT and SIGTERM stop it between answers, with finished ones kept. */
export async function withModel<T>(
  reference: string,
  options: ResolveOptions,
  work: (model: ResolvedModel, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // one listener for each request under way
  const stop = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(signal === "SIGINT" ? 130 : 143); // a second signal does not wait
    controller.abort(new InterruptedError(signal as "SIGINT" | "SIGTERM"));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    const model = await resolveLanguageModel(reference, { ...options, signal: controller.signal });
    try {
      return await work(model, controller.signal);
    } finally {
      await model.dispose?.();
    }
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

/** One line about requests, failed attempts, tokens and cost, for models that count them. */
export function sayUsage(model: ResolvedModel, globals: GlobalOptions): void {
  if (model.usage) say(describeUsage(model.usage), globals);
}
