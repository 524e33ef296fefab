/** Serves a Generator: its model under one name, each adapter under another. */
import { UsageError } from "../errors.js";
import type { Generator } from "../generate/generator.js";
import { encodeInTurns, encodeMessages, encodePrompt } from "../generate/prompt.js";
import { checkPromptSize } from "../generate/prompt-size.js";
import { modelName } from "../hub/model-name.js";
import type { ServeBackend, ServedModel } from "./backend.js";
import { PromptReader } from "./prompt-reader.js";

export interface GeneratorBackendOptions {
  /** Name of the model. Default: `modelName` of its reference. */
  name?: string;
  /** Names of the generator's adapters: name → the path it was opened with. */
  adapters?: Readonly<Record<string, string>>;
  /** The generator's own limit, to know when requests wait. */
  maxBatch: number;
}

/** @throws UsageError when two models would have one name. */
export function generatorBackend(generator: Generator, options: GeneratorBackendOptions): ServeBackend {
  const { model, tokenizer } = generator;
  const name = options.name ?? modelName(model.reference);
  // A run folder means the base with its adapter; the bare base gets a name of its own.
  const own = model.adapterPath === undefined ? null : model.reference;
  const models: ServedModel[] = [
    { id: name, adapter: own },
    ...(own === null ? [] : [{ id: `${name}:base`, adapter: null }]),
    ...Object.entries(options.adapters ?? {}).map(([id, adapter]) => ({ id, adapter })),
  ];
  const twice = models.find(({ id }, i) => models.findIndex((other) => other.id === id) < i);
  if (twice) throw new UsageError(`two models would be called ${twice.id}; choose other names for the adapters`);
  const reader = new PromptReader(generator);
  const loaded = new Map<string, string>();
  return {
    models,
    get maxPositions() {
      return model.config.maxPositions;
    },
    maxBatch: options.maxBatch,
    generate: (request, more) => generator.generate(request, more),
    async readPrompt(input, top, signal) {
      await checkPromptSize(input, tokenizer, this.maxPositions, signal);
      return reader.read(input, top, signal);
    },
    async embed(input, signal) {
      await checkPromptSize(input, tokenizer, this.maxPositions, signal);
      return reader.embed(input, signal);
    },
    pieces(tokens) {
      const stream = tokenizer.stream();
      const pieces = tokens.map((token) => stream.push(token));
      if (pieces.length > 0) pieces[pieces.length - 1] += stream.flush();
      return pieces;
    },
    async tokenize(input, special, signal) {
      await checkPromptSize(input, tokenizer, this.maxPositions, signal);
      if (input.messages) return (await encodeMessages(tokenizer, input.messages, generator.template)).tokens;
      const { prompt = "" } = input;
      return special === undefined ? encodePrompt(tokenizer, prompt) : encodeInTurns(tokenizer, prompt, special);
    },
    detokenize: (tokens) => tokenizer.decode(tokens),
    async loadAdapter(id, path) {
      // A key of its own: the same folder may be offered under two names, and hold other weights later.
      const key = `${id}\n${path}`;
      await generator.addAdapter(key, path);
      loaded.set(id, key);
      models.push({ id, adapter: key });
    },
    unloadAdapter(id) {
      const key = loaded.get(id);
      if (key === undefined) return false;
      loaded.delete(id);
      models.splice(
        models.findIndex((one) => one.id === id),
        1,
      );
      generator.removeAdapter(key);
      return true;
    },
  };
}
