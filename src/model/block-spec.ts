/**
 * What one decoder block is made of. A family describes its blocks by this (architectures/); the loader, the graphs,
 * adapters, memory plans and exports go by it, and nobody else knows names or shapes of weights.
 */

/** Name of a linear layer within its block, as checkpoints and PEFT have it: `self_attn.q_proj`. */
export type LinearName = string;

export type Activation = "silu" | "gelu-tanh" | "gelu";

export interface LinearSpec {
  name: LinearName;
  shape: readonly [out: number, width: number];
  bias: boolean;
  /** Checkpoints hold [in, out] (GPT-2's Conv1D). In memory it is [out, in] as everywhere. */
  transposed: boolean;
  /** The norm whose result it reads; undefined where it reads something else. */
  reads?: NormSpec;
}

export interface NormSpec {
  kind: "rms" | "layer";
  size: number;
  epsilon: number;
  /** Added to the weight (Gemma stores w − 1). */
  offset: 0 | 1;
  /** Name of the weight, [size], in the block or, for the final norm, in the checkpoint; undefined for norms without. */
  weight?: string;
  /** Name of the bias, [size]; undefined for norms without. */
  bias?: string;
}

export interface AttentionSpec {
  /** The layers for queries, keys and values: three, or one for all. */
  qkv: readonly LinearName[];
  /** One layer's rows: queries, keys, values in turn for each head (GPT-NeoX). Otherwise all queries, all keys, all values. */
  byHead: boolean;
  output: LinearName;
  /** Norms of queries and keys: of each head where their size is the head's, otherwise of the whole projection. */
  queryNorm?: NormSpec;
  keyNorm?: NormSpec;
  /** Queries, keys and values are limited to ±this (OLMo). */
  clip?: number;
}

export interface MlpSpec {
  activation: Activation;
  /** activation(gate) · up; otherwise activation(up). */
  gated: boolean;
  /** Gate and up, one layer for both, or up alone. */
  input: readonly LinearName[];
  down: LinearName;
  /** Numbers between the layers. */
  width: number;
}

export interface BlockSpec {
  /** All linear layers. */
  linears: readonly LinearSpec[];
  attention: AttentionSpec;
  mlp: MlpSpec;
  norms: {
    beforeAttention?: NormSpec;
    afterAttention?: NormSpec;
    beforeMlp?: NormSpec;
    afterMlp?: NormSpec;
  };
  /** Whether the MLP reads the result of attention, or both read the block's input (GPT-NeoX). */
  residual: "sequential" | "parallel";
  /** Factor of what attention and MLP add to the stream (Granite). */
  residualScale: number;
}

/** The norms of a block. */
export function blockNorms({ norms, attention }: BlockSpec): NormSpec[] {
  const all = [...Object.values(norms), attention.queryNorm, attention.keyNorm];
  return all.filter((norm): norm is NormSpec => norm !== undefined);
}
