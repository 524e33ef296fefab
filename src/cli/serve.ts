import { Command, InvalidArgumentError, Option } from "commander";
import { serve } from "../api/serve.js";
import { UsageError } from "../errors.js";
import type { DecodePrecision } from "../generate/decode-graph.js";
import { PROMPT_TEMPLATES, type PromptTemplate } from "../generate/prompt.js";
import type { Rule } from "../generate/rules.js";
import { checkRules } from "../serve/guard.js";
import { draftOption, rulesOption } from "./generation-flags.js";
import { aborted, interruptible } from "./interrupt.js";
import { type GlobalOptions, globalOptions, parseCount, parsePort, printJson, say } from "./output.js";

interface ServeFlags {
  adapter: Record<string, string>;
  name?: string;
  host: string;
  port: number;
  token?: string;
  allowOrigin: string[];
  maxBatch: number;
  maxQueue: number;
  drain: number;
  adaptersFrom?: string;
  draft: number;
  rules?: Rule[];
  weights: DecodePrecision;
  template?: PromptTemplate;
  engine: "evoke" | "vllm";
  tensorParallel?: number;
  dtype?: string;
  quantization?: string;
  print: boolean;
}

/** `evoke serve MODEL`: the OpenAI API over a model and its adapters, until a signal ends it. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("Serve a model and its adapters to clients of the OpenAI API.")
    .argument("<model>", "folder, .gguf file, hf:ORG/NAME[@REV], pip:NAME==VERSION, bundled:mini or run folder")
    .argument("[vllm-flags...]", "with --engine vllm, behind --: further flags of vllm serve")
    .option("--adapter <name=dir>", "PEFT adapter or run folder, offered as model NAME (repeatable)", addAdapter, {})
    .option("--name <name>", "name of the model itself; default: a short form of the reference")
    .option("--host <address>", "address to listen on; other than this machine's own needs a token", "127.0.0.1")
    .option("--port <n>", "port; 0 takes a free one", parsePort, 8000)
    .addOption(new Option("--token <text>", "token that clients must send as their API key").env("EVOKE_TOKEN"))
    .option("--allow-origin <origin>", "web origin whose pages may call (repeatable)", append, [])
    .option("--max-batch <n>", "answers written at once", parsePositive, 32)
    .option("--max-queue <n>", "answers that may wait; more are refused with 429", parseCount, 64)
    .option(
      "--drain <seconds>",
      "after a signal, wait this long for the answers that are running or waiting",
      parseCount,
      30,
    )
    .option("--adapters-from <dir>", "let clients load and unload adapters of this folder while serving")
    .addOption(draftOption(0))
    .addOption(rulesOption())
    .addOption(
      new Option("--weights <format>", "weights of the decoding step")
        .choices(["int8", "float32", "int4"])
        .default("int8"),
    )
    .addOption(
      new Option("--template <name>", "chat template; default: a run's or the model's own").choices(PROMPT_TEMPLATES),
    )
    .addOption(new Option("--engine <name>", "what runs the model").choices(["evoke", "vllm"]).default("evoke"))
    .option("--tensor-parallel <n>", "vllm: GPUs that share the model", parsePositive)
    .option("--dtype <type>", "vllm: arithmetic, such as bfloat16; default: its own choice")
    .option("--quantization <method>", "vllm: storage of the weights, such as bitsandbytes or fp8")
    .option("--print", "vllm: show the command instead of running it", false)
    .action(async (reference: string, more: string[], flags: ServeFlags, command: Command) => {
      const global = globalOptions(command);
      if (flags.engine === "vllm") return serveWithVllm(reference, flags, more, global);
      refuseVllmFlags(flags, more);
      const { adapter: adapters, name, host, port, allowOrigin: origins, maxBatch, maxQueue, adaptersFrom } = flags;
      const { draft: draftTokens, weights, template, rules } = flags;
      const token = flags.token || undefined; // an empty variable is none
      await interruptible(
        async (signal) => {
          const server = await serve({
            ...{ model: reference, adapters, name, host, port, token, origins, maxBatch, maxQueue, adaptersFrom },
            ...{ draftTokens, weights, template, rules, device: global.device, signal },
            onProgress: ({ message }) => say(message, global),
          });
          if (global.json) printJson({ url: server.url, models: server.models });
          else process.stdout.write(`${server.url}/v1 serves ${server.models.join(", ")}\n`);
          await aborted(signal);
          await server.close(flags.drain * 1000);
          throw signal.reason;
        },
        (signal) => say(`${signal}: finishing the running answers; once more ends at once`, global),
      );
    });
}

/** Starts or shows `vllm serve`; it ends by a signal or a failure. */
async function serveWithVllm(reference: string, flags: ServeFlags, more: string[], global: GlobalOptions) {
  const { vllmCommand } = await import("../cluster/vllm/command.js");
  const { runVllm, shellLine } = await import("../cluster/vllm/serve.js");
  const { adapter: adapters, allowOrigin: origins, host, print } = flags;
  const token = flags.token || undefined;
  checkRules({ host, token, origins });
  const log = (line: string): void => say(line, global);
  const command = await vllmCommand(reference, { ...flags, adapters, origins, token, more, say: log });
  for (const note of command.notes) log(note);
  if (!print) return interruptible((signal) => runVllm(command, signal));
  if (global.json) printJson({ command: ["vllm", ...command.args], models: command.models });
  else process.stdout.write(`${shellLine(command)}\n`);
}

function refuseVllmFlags({ tensorParallel, dtype, quantization, print }: ServeFlags, more: string[]): void {
  if (more.length || tensorParallel !== undefined || dtype !== undefined || quantization !== undefined || print)
    throw new UsageError(
      "--tensor-parallel, --dtype, --quantization, --print and flags behind -- are vLLM's; add --engine vllm",
    );
}

function addAdapter(text: string, previous: Record<string, string>): Record<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || path === undefined) throw new InvalidArgumentError("expected NAME=FOLDER.");
  if (Object.hasOwn(previous, name)) throw new UsageError(`--adapter ${name} is given twice`);
  return { ...previous, [name]: path };
}

function append(value: string, previous: string[]): string[] {
  return [...previous, value];
}

function parsePositive(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new InvalidArgumentError("at least 1 is needed.");
  return value;
}
