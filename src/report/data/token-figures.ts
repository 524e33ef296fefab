import { type EncodeOptions, encodeConversation } from "../../data/encode.js";
import { joinInput } from "../../data/row-shapes.js";
import { type Spread, spread } from "../../data/stats.js";
import { Random } from "../../random/counter.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { countHistogram, type Histogram } from "./histogram.js";
import type { ReportedInstance } from "./read-tasks.js";

export interface TokenFigures {
  tokenizer: string;
  template: "tulu" | "model";
  maxLength: number;
  /** Rows tokenised: all, or a sample drawn by the seed of a large set. */
  rows: number;
  of: number;
  /** Tokens of the whole rendered row, and of those that a training learns from. */
  row: Spread;
  targets: Spread;
  histogram: Histogram;
  /** Rows longer than `maxLength`, whose ends are cut off. */
  truncated: number;
  /** Rows of which no token of the response is left then: a training leaves them out. */
  lost: number;
  /** Share of all tokens that is cut off, 0–1. */
  cutShare: number;
}

const MOST_ROWS = 10_000;

/** Lengths in tokens of rows rendered for instruction tuning, and what a length limit does to them. */
export function tokenFigures(
  instances: readonly ReportedInstance[],
  tokenizer: Tokenizer,
  options: { name: string; template: EncodeOptions["template"]; maxLength: number; seed: number },
): TokenFigures {
  const { name, template, maxLength, seed } = options;
  const answered = instances.filter(({ output }) => output !== "");
  const rows = new Random("token sample", seed).sample(answered, MOST_ROWS);
  const lengths: number[] = [];
  const targets: number[] = [];
  let lost = 0;
  let cut = 0;
  for (const [index, { instruction, input, output, source }] of rows.entries()) {
    const messages = [
      { role: "user" as const, content: joinInput(instruction, input) },
      { role: "assistant" as const, content: output },
    ];
    const { example } = encodeConversation({ messages, source, line: index + 1, index }, tokenizer, {
      template,
      mode: "it",
      maxLength: Number.POSITIVE_INFINITY,
    });
    if (!example) continue;
    lengths.push(example.tokens.length);
    targets.push(example.mask.reduce((sum, bit) => sum + bit, 0));
    cut += Math.max(0, example.tokens.length - maxLength);
    if (example.mask.indexOf(1) >= maxLength) lost++;
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  return {
    tokenizer: name,
    template,
    maxLength,
    rows: lengths.length,
    of: answered.length,
    row: spread(lengths),
    targets: spread(targets),
    histogram: countHistogram(lengths),
    truncated: lengths.filter((length) => length > maxLength).length,
    lost,
    cutShare: total === 0 ? 0 : cut / total,
  };
}
