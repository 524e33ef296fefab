/** A recipe's rows as every trainer takes them, ours or another. */

import type { TrainingRecipe } from "../recipe/schema.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type EncodeOptions, encodeConversations, type TrainingExample } from "./encode.js";
import { loadTrainingData } from "./training-data.js";

export interface TrainingExamples {
  train: TrainingExample[];
  /** At most `validation.max_examples`; empty when the recipe holds no rows out. */
  validation: TrainingExample[];
  /** How many of `train` were cut at `max_length`. */
  truncated: number;
  /** Rows left out: unreadable ones (`data.skip_invalid`), and those to train on without a token to learn. */
  dropped: number;
}

/**
 * Reads a recipe's rows and turns them into tokens and loss masks. A run here, a job on a cluster and a recipe for
 * another trainer all start from these examples in this order, so that their results can be compared.
 * @param say told how many rows were cut and left out, if any.
 * @throws UsageError as `loadTrainingData` and `encodeConversations`.
 */
export async function loadTrainingExamples(
  recipe: TrainingRecipe,
  tokenizer: Tokenizer,
  say: (line: string) => void,
): Promise<TrainingExamples> {
  const rows = await loadTrainingData(recipe.data, recipe.seed);
  const encoding = rowEncoding(recipe);
  const train = encodeConversations(rows.train, tokenizer, encoding);
  const heldOut = rows.validation.slice(0, recipe.validation.max_examples);
  const validation = heldOut.length ? encodeConversations(heldOut, tokenizer, encoding).examples : [];
  if (train.truncated)
    say(`${train.truncated} of ${train.examples.length} rows were cut at max_length ${recipe.max_length}`);
  const left = [...rows.skipped, ...train.dropped];
  if (left.length) say(`${left.length} rows were left out; the first: ${left[0]}`);
  return { train: train.examples, validation, truncated: train.truncated, dropped: left.length };
}

/** How a recipe wants its rows encoded. */
export function rowEncoding(recipe: TrainingRecipe): EncodeOptions {
  return {
    template: recipe.template,
    mode: recipe.mode,
    maxLength: recipe.max_length,
    countNewlineAfterEos: recipe.count_newline_after_eos,
  };
}
