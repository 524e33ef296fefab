/** Serves a Generator: its model under one name, each adapter under another. */
import { UsageError } from "../errors.js";
import type { Generator } from "../generate/generator.js";
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
  return {
    models,
    maxBatch: options.maxBatch,
    generate: (request, more) => generator.generate(request, more),
    readPrompt: (input, top, signal) => reader.read(input, top, signal),
    pieces(tokens) {
      const stream = tokenizer.stream();
      const pieces = tokens.map((token) => stream.push(token));
      if (pieces.length > 0) pieces[pieces.length - 1] += stream.flush();
      return pieces;
    },
  };
}
