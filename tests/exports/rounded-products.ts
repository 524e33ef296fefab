/**
 * Logits of a decoder as llama.cpp's processor code computes them from a quantised file: before each product the activations
 * are rounded to 8 bits, in the blocks that belong to the weight's format, and GELU goes through half precision (ggml-cpu:
 * `vec_dot_type`, quantize_row_q8_0, quantize_row_q8_K, ggml_table_gelu_f16). Plain loops: for a comparison, not for use. Knows
 * what Gemma 3 and Llama are made of: RMS norms, gated MLP, whole rotation, texts shorter than the window.
 */
import type { Checkpoint } from "../../src/checkpoint/open.js";
import { decoderConfig } from "../../src/model/architectures/index.js";
import type { NormSpec } from "../../src/model/block-spec.js";
import type { DecoderConfig } from "../../src/model/decoder-config.js";
import { ropeFrequencies, ropeTables } from "../../src/model/rope.js";
import { floatToHalf, halfToFloat } from "../../src/quant/half.js";

const half = (value: number): number => halfToFloat(floatToHalf(value));

/** Rounds `x` in blocks, in place. */
function roundBlocks(x: Float32Array, size: number, scale: (most: number) => number): void {
  for (let at = 0; at < x.length; at += size) {
    let most = 0;
    for (let i = at; i < at + size; i++) most = Math.max(most, Math.abs(x[i]!));
    const step = Math.fround(most / 127);
    const stored = scale(step);
    for (let i = at; i < at + size; i++) x[i] = step === 0 ? 0 : Math.round(Math.fround(x[i]! / step)) * stored;
  }
}

/** The activations as they enter a product with a weight of this format. */
function rounded(x: Float32Array, format: string): Float32Array {
  const result = x.slice();
  if (/_K$|^IQ4_XS$/.test(format)) roundBlocks(result, 256, (step) => step);
  else if (/^(Q[458]_[01]|IQ4_NL)$/.test(format)) roundBlocks(result, 32, half);
  else if (format === "F16") for (let i = 0; i < x.length; i++) result[i] = half(x[i]!);
  else if (format !== "F32") throw new Error(`${format}: how activations are rounded is not known`);
  return result;
}

/** x [tokens, width] · weightᵀ [out, width]. */
function product(x: Float32Array, weight: Float32Array, width: number): Float32Array {
  const [tokens, out] = [x.length / width, weight.length / width];
  const y = new Float32Array(tokens * out);
  for (let o = 0; o < out; o++)
    for (let t = 0; t < tokens; t++) {
      const [a, b] = [t * width, o * width];
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let i = 0; i < width; i += 4) {
        s0 += x[a + i]! * weight[b + i]!;
        s1 += x[a + i + 1]! * weight[b + i + 1]!;
        s2 += x[a + i + 2]! * weight[b + i + 2]!;
        s3 += x[a + i + 3]! * weight[b + i + 3]!;
      }
      y[t * out + o] = s0 + s1 + s2 + s3;
    }
  return y;
}

const gelu = (x: number): number => {
  if (x <= -10) return 0;
  if (x >= 10) return x;
  const v = half(x);
  return half(0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * v * (1 + 0.044715 * v * v))));
};
const silu = (x: number): number => x / (1 + Math.exp(-x));

export class RoundedModel {
  private readonly config: DecoderConfig;

  constructor(private readonly checkpoint: Checkpoint) {
    this.config = decoderConfig(checkpoint.config, checkpoint.source);
  }

  private times(x: Float32Array, name: string): Float32Array {
    const { format, shape } = this.checkpoint.info(name);
    return product(rounded(x, format), this.checkpoint.read(name), shape[1]!);
  }

  private norm(x: Float32Array, spec: NormSpec | undefined, prefix = ""): Float32Array {
    if (!spec) return x;
    const weight = this.checkpoint.read(`${prefix}${spec.weight}`);
    const { size } = spec;
    const y = new Float32Array(x.length);
    for (let at = 0; at < x.length; at += size) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += x[at + i]! ** 2;
      const scale = 1 / Math.sqrt(sum / size + spec.epsilon);
      for (let i = 0; i < size; i++) y[at + i] = x[at + i]! * scale * (weight[i]! + spec.offset);
    }
    return y;
  }

  /** Hidden states before the head, [tokens, hidden], of texts one after another. */
  hidden(texts: readonly (readonly number[])[]): Float32Array {
    const { config, checkpoint } = this;
    let x = checkpoint.readRows(config.names.embedding, texts.flat()).map((v) => v * config.embeddingScale);
    const add = (more: Float32Array): void => {
      x = x.map((v, i) => v + more[i]!);
    };
    for (let layer = 0; layer < config.layers; layer++) {
      const prefix = `${config.names.blocks}.${layer}.`;
      const { norms, attention, mlp } = config.block;
      const weight = (name: string): string => `${prefix}${name}.weight`;
      const input = this.norm(x, norms.beforeAttention, prefix);
      const [q, k, v] = attention.qkv.map((name) => this.times(input, weight(name)));
      const queries = this.rotated(this.norm(q!, attention.queryNorm, prefix), texts, layer, config.heads);
      const keys = this.rotated(this.norm(k!, attention.keyNorm, prefix), texts, layer, config.kvHeads);
      const mixed = this.attend(queries, keys, v!, texts);
      add(this.norm(this.times(mixed, weight(attention.output)), norms.afterAttention, prefix));
      const between = this.norm(x, norms.beforeMlp, prefix);
      const [gate, up] = mlp.input.map((name) => this.times(between, weight(name)));
      const activation = mlp.activation === "silu" ? silu : gelu;
      add(
        this.norm(
          this.times(
            up!.map((u, i) => u * activation(gate![i]!)),
            weight(mlp.down),
          ),
          norms.afterMlp,
          prefix,
        ),
      );
    }
    return this.norm(x, config.finalNorm);
  }

  private rotated(x: Float32Array, texts: readonly (readonly number[])[], layer: number, heads: number): Float32Array {
    const rope = this.config.rope[layer]!;
    const { headDim } = this.config;
    const pairs = rope.dims / 2;
    const { cos, sin } = ropeTables(ropeFrequencies(rope.dims, rope.theta, rope.scaling), 1024, rope.magnitude);
    const y = x.slice();
    let token = 0;
    for (const text of texts)
      for (let position = 0; position < text.length; position++, token++)
        for (let head = 0; head < heads; head++)
          for (let i = 0; i < pairs; i++) {
            const at = (token * heads + head) * headDim + i;
            const [a, b, c, s] = [x[at]!, x[at + pairs]!, cos[position * pairs + i]!, sin[position * pairs + i]!];
            y[at] = a * c - b * s;
            y[at + pairs] = b * c + a * s;
          }
    return y;
  }

  private attend(
    q: Float32Array,
    k: Float32Array,
    v: Float32Array,
    texts: readonly (readonly number[])[],
  ): Float32Array {
    const { heads, kvHeads, headDim, attentionScale } = this.config;
    const y = new Float32Array(q.length);
    let first = 0;
    for (const text of texts) {
      for (let own = 0; own < text.length; own++)
        for (let head = 0; head < heads; head++) {
          const at = ((first + own) * heads + head) * headDim;
          const place = (other: number): number =>
            ((first + other) * kvHeads + Math.floor((head * kvHeads) / heads)) * headDim;
          const scores = Array.from({ length: own + 1 }, (_, other) => {
            let sum = 0;
            for (let i = 0; i < headDim; i++) sum += q[at + i]! * k[place(other) + i]!;
            return sum * attentionScale;
          });
          const most = Math.max(...scores);
          const shares = scores.map((score) => Math.exp(score - most));
          const all = shares.reduce((a, b) => a + b, 0);
          for (let other = 0; other <= own; other++)
            for (let i = 0; i < headDim; i++) y[at + i]! += (shares[other]! / all) * v[place(other) + i]!;
        }
      first += text.length;
    }
    return y;
  }

  /** Logits [rows, vocabulary] of final hidden states. */
  logits(hidden: Float32Array): Float32Array {
    const { names } = this.config;
    return this.times(hidden, this.checkpoint.has(names.head) ? names.head : names.embedding);
  }
}
