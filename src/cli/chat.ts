import { createInterface } from "node:readline";
import { Command } from "commander";
import { FailureError } from "../errors.js";
import { isOpenAiReference } from "../llm/openai-reference.js";
import { controlStream } from "../progress/terminal.js";
import type { ChatModel } from "./chat-session.js";
import { ChatSession } from "./chat-session.js";
import {
  addModelFlags,
  addSamplingFlags,
  draftOption,
  type ModelFlags,
  modelOptions,
  type SamplingFlags,
  samplingOf,
} from "./generation-flags.js";
import { type GlobalOptions, globalOptions, say } from "./output.js";

type ChatFlags = ModelFlags & SamplingFlags & { system?: string; debug?: boolean; draft: number };

/** `evoke chat`: a conversation at the terminal. */
export function chatCommand(): Command {
  const command = new Command("chat")
    .description("Talk to a model. /help inside lists what can be done.")
    .argument("<model>", "model, run folder, or openai:NAME@BASE_URL")
    .option("--system <text>", "system message")
    .option("--debug", "show after each answer its prompt, the prompt's number of tokens, and the dialogue")
    .addOption(draftOption(8));
  return addSamplingFlags(addModelFlags(command), 2048).action(
    async (reference: string, flags: ChatFlags, self: Command) => {
      const globals = globalOptions(self);
      const open = (name: string): Promise<ChatModel> =>
        openModel(name, name === reference ? flags : { ...flags, adapter: undefined }, globals);
      const model = await open(reference);
      say(`${model.name}; /help lists what can be done, /quit leaves`, globals);
      await converse(model, open, flags);
    },
  );
}

async function openModel(reference: string, flags: ChatFlags, globals: GlobalOptions): Promise<ChatModel> {
  const sampling = { ...samplingOf(flags), ...(globals.seed === undefined ? {} : { seed: globals.seed }) };
  if (isOpenAiReference(reference)) {
    const { resolveLanguageModel } = await import("../llm/resolve.js");
    const server = await resolveLanguageModel(reference);
    return {
      name: reference,
      render: () => undefined,
      dispose: async () => {},
      async reply(messages, onText, signal) {
        const [result] = await server.generate([{ messages, ...sampling }], { signal });
        signal.throwIfAborted();
        if (!result || result instanceof Error) throw result ?? new FailureError(`${reference}: no answer`);
        onText(result.text);
      },
    };
  }
  const { Generator } = await import("../generate/generator.js");
  const { adapter, template, weights, threads, batchSize = 1 } = modelOptions(flags);
  const generator = await Generator.open(reference, {
    ...{ template, weights, threads, maxBatch: batchSize },
    draftTokens: flags.draft,
    device: globals.device,
    ...(adapter ? { adapters: [adapter] } : {}),
    say: (line) => say(line, globals),
  });
  return {
    name: adapter ? `${reference} with ${adapter}` : reference,
    render: (messages) => generator.render(messages),
    count: (messages) => generator.countTokens(messages),
    dispose: () => generator.dispose(),
    async reply(messages, onText, signal) {
      await generator.generate({ messages, ...sampling }, { onText, signal });
    },
  };
}

async function converse(
  model: ChatModel,
  open: (name: string) => Promise<ChatModel>,
  { system, debug }: Pick<ChatFlags, "system" | "debug">,
): Promise<void> {
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    output: terminal ? controlStream(process.stdout) : undefined,
    terminal,
  });
  const session = new ChatSession({ model, open, system, debug, write: (text) => void process.stdout.write(text) });
  let interrupts = 0;
  const interrupt = (): void => {
    interrupts++;
    if (session.busy && interrupts === 1) session.stop();
    else if (interrupts >= 2) {
      lines.close();
      process.exitCode = 130;
      if (session.busy) process.exit(130);
    } else {
      process.stdout.write("(Ctrl-C again leaves)\n");
      prompt();
    }
  };
  const prompt = (): void => {
    if (!terminal) return;
    lines.setPrompt(session.continued ? "… " : "> ");
    lines.prompt();
  };
  lines.on("SIGINT", interrupt);
  process.on("SIGINT", interrupt);
  try {
    prompt();
    for await (const line of lines) {
      interrupts = 0;
      if (!(await session.line(line))) break;
      interrupts = 0;
      prompt();
    }
  } finally {
    process.off("SIGINT", interrupt);
    lines.close();
  }
}
