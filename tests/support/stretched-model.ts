/** A fixture with more layers than it has: its own, again and again. For programs that know patterns of layers. */
import { fileURLToPath } from "node:url";
import { type Checkpoint, openCheckpoint } from "../../src/checkpoint/open.js";
import { decoderConfig } from "../../src/model/architectures/index.js";

const fixtures = fileURLToPath(new URL("../../src/model/fixtures/", import.meta.url));

/** Fields that llama.cpp takes as given for a family, where the fixture has others. */
export const LLAMA_CPP_FIELDS: Readonly<Record<string, Record<string, unknown>>> = {
  // llama.cpp has no windows for Mistral: the model is the same up to the window's length.
  mistral: { sliding_window: 256 },
  // It makes contexts of at least 256 tokens; the factors for short texts hold up to the original length.
  phi3: { original_max_position_embeddings: 256, max_position_embeddings: 1024 },
  gemma2: { query_pre_attn_scalar: 16, num_hidden_layers: 4 },
  gemma3: {
    query_pre_attn_scalar: 16,
    num_hidden_layers: 7,
    sliding_window_pattern: 6,
    rope_local_base_freq: 10_000,
  },
  olmo3: {
    num_hidden_layers: 5,
    layer_types: ["sliding", "sliding", "sliding", "full", "sliding"].map((type) => `${type}_attention`),
    rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 },
  },
  smollm3: { num_hidden_layers: 5, no_rope_layer_interval: 4 },
};

export function stretchedModel(
  name: string,
  changes: Record<string, unknown> = LLAMA_CPP_FIELDS[name] ?? {},
): Checkpoint {
  const checkpoint = openCheckpoint(`${fixtures}${name}`);
  const { names, layers } = decoderConfig(checkpoint.config, name);
  const config: Record<string, unknown> = { ...checkpoint.config, ...changes };
  const prefix = `${names.blocks}.`;
  const inBlock = (weight: string): [layer: number, rest: string] | undefined => {
    const [, layer, rest] = (weight.startsWith(prefix) && /^(\d+)(\..+)$/.exec(weight.slice(prefix.length))) || [];
    return rest === undefined ? undefined : [Number(layer), rest];
  };
  const own = (weight: string): string => {
    const [layer, rest] = inBlock(weight) ?? [];
    return rest === undefined ? weight : `${prefix}${layer! % layers}${rest}`;
  };
  const wanted = Number(config.num_hidden_layers ?? layers);
  const all = checkpoint.names().flatMap((weight) => {
    const [layer, rest] = inBlock(weight) ?? [];
    if (rest === undefined) return [weight];
    return Array.from({ length: wanted }, (_, i) => i)
      .filter((i) => i % layers === layer)
      .map((i) => `${prefix}${i}${rest}`);
  });
  return {
    source: checkpoint.source,
    config,
    generationConfig: checkpoint.generationConfig,
    names: () => all,
    has: (weight) => all.includes(weight),
    info: (weight) => ({ ...checkpoint.info(own(weight)), name: weight }),
    read: (weight, out) => checkpoint.read(own(weight), out),
    readRows: (weight, rows, out) => checkpoint.readRows(own(weight), rows, out),
    readNf4: () => undefined,
    close: () => checkpoint.close(),
  };
}
