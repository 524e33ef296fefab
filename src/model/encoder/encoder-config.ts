/** What an encoder of BERT's kind is, read from its config.json. */
import { UsageError } from "../../errors.js";
import { ConfigFields } from "../config-fields.js";

export interface EncoderConfig {
  architecture: "bert" | "roberta" | "xlm-roberta";
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  activation: "gelu" | "gelu-tanh";
  /** ε of the layer norms. */
  epsilon: number;
  /** Rows of the table of learned positions. */
  positions: number;
  /** Row of a text's first token in that table: 0 in BERT; RoBERTa counts from after its padding id. */
  firstPosition: number;
  /** Rows of the table of token types; a single text is of type 0. */
  tokenTypes: number;
}

const ARCHITECTURES = ["bert", "roberta", "xlm-roberta"] as const;
const ACTIVATIONS: Readonly<Record<string, EncoderConfig["activation"]>> = {
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
};

/**
 * Reads config.json's fields.
 *
 * @param source the model's path, for messages.
 * @throws UsageError for a family that is no encoder we know, or a bad field.
 */
export function encoderConfig(fields: Readonly<Record<string, unknown>>, source: string): EncoderConfig {
  const c = new ConfigFields(fields, source);
  const architecture = ARCHITECTURES.find((name) => name === fields.model_type);
  if (!architecture) {
    throw new UsageError(
      `${source}: "${fields.model_type ?? ""}" is not an encoder that is supported; there are ${ARCHITECTURES.join(", ")} (MiniLM is a bert)`,
    );
  }
  const hiddenSize = c.size("hidden_size");
  const heads = c.size("num_attention_heads");
  if (hiddenSize % heads) c.fail(`hidden_size ${hiddenSize} is not a multiple of ${heads} heads`);
  const activation = String(c.raw("hidden_act") ?? "gelu");
  const kind = String(c.raw("position_embedding_type") ?? "absolute");
  if (kind !== "absolute") c.fail(`position embeddings of type "${kind}" are not supported, absolute ones are`);
  const padding = c.number("pad_token_id", architecture === "bert" ? 0 : 1);
  return {
    architecture,
    vocabSize: c.size("vocab_size"),
    hiddenSize,
    layers: c.size("num_hidden_layers"),
    heads,
    headDim: hiddenSize / heads,
    intermediateSize: c.size("intermediate_size"),
    activation: ACTIVATIONS[activation] ?? c.fail(`activation "${activation}" is not supported`),
    epsilon: c.number("layer_norm_eps", 1e-12),
    positions: c.size("max_position_embeddings", 512),
    firstPosition: architecture === "bert" ? 0 : padding + 1,
    tokenTypes: c.size("type_vocab_size", architecture === "bert" ? 2 : 1),
  };
}

/** Most tokens that a text may have, special ones included. */
export const longestText = ({ positions, firstPosition }: EncoderConfig): number => positions - firstPosition;
