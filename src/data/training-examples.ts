/** A recipe's rows as every trainer takes them, ours or another. */
import { UsageError } from "../errors.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { turnEnds } from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Conversation } from "./conversation.js";
import { type EncodedSet, type EncodeOptions, encodeConversations, type TrainingExample } from "./encode.js";
import { loadTrainingData } from "./training-data.js";

export interface TrainingExamples {
  train: TrainingExample[];
  /** At most `validation.max_examples`; empty when the recipe holds no rows out. */
  validation: TrainingExample[];
  /** How many of `train` were cut at `max_length`. */
  truncated: number;
  /** Rows left out: unusable ones (`data.skip_invalid`), and those to train on without a token to learn. */
  dropped: number;
  /** The same two counts of the rows held out. */
  validationTruncated: number;
  validationDropped: number;
  /** Every row left out, as `file:line: reason`. */
  skipped: string[];
}

/**
 * Reads a recipe's rows and turns them into tokens and loss masks. A run here, a job on a cluster and a recipe for
 * another trainer all start from these examples in this order, so that their results can be compared.
 * @param say told how many rows were cut and left out, if any, and what a template leaves out of them.
 * @param vocabSize rows of the model's embedding, when known.
 * @throws UsageError as `loadTrainingData` and `encodeConversations`.
 */
export async function loadTrainingExamples(
  recipe: TrainingRecipe,
  tokenizer: Tokenizer,
  say: (line: string) => void,
  vocabSize?: number,
): Promise<TrainingExamples> {
  const rows = await loadTrainingData(recipe.data, recipe.seed);
  const encoding = { ...rowEncoding(recipe), vocabSize };
  const train = encodeConversations(rows.train, tokenizer, encoding);
  const heldOut = rows.validation.slice(0, recipe.validation.max_examples);
  const validation = heldOut.length ? encodeHeldOut(heldOut, tokenizer, encoding) : NOTHING;
  const { truncated, examples } = train;
  if (truncated) say(`${truncated} of ${examples.length} rows were cut at max_length ${recipe.max_length}`);
  if (validation.truncated)
    say(
      `${validation.truncated} of ${validation.examples.length} validation rows were cut at max_length ${recipe.max_length}`,
    );
  const dropped = [...rows.skipped, ...train.dropped];
  const validationDropped = [...rows.validationSkipped, ...validation.dropped];
  if (dropped.length) say(`${dropped.length} rows were left out; the first: ${dropped[0]}`);
  if (validationDropped.length)
    say(`${validationDropped.length} validation rows were left out; the first: ${validationDropped[0]}`);
  if (recipe.template === "tulu") sayUnwritten(rows.train, say);
  else if (recipe.mode !== "text" && turnEnds(tokenizer, "model").length === 0)
    say(
      "the model's chat template ends an answer with no token that its tokenizer has as a whole: the tuned model will not stop by itself; use template tulu, or a template that writes one, such as eos_token",
    );
  return {
    train: examples,
    validation: validation.examples,
    truncated,
    dropped: dropped.length,
    validationTruncated: validation.truncated,
    validationDropped: validationDropped.length,
    skipped: [...dropped, ...validationDropped],
  };
}

const NOTHING: EncodedSet = { examples: [], truncated: 0, dropped: [] };

function encodeHeldOut(rows: Conversation[], tokenizer: Tokenizer, encoding: EncodeOptions): EncodedSet {
  try {
    return encodeConversations(rows, tokenizer, encoding);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`data.validation: ${error.message}`, { cause: error });
  }
}

/** The paper's tags have no system turn: rows that have one are learnt without it. */
function sayUnwritten(rows: readonly Conversation[], say: (line: string) => void): void {
  const having = rows.filter(({ messages }) => messages.some(({ role }) => role === "system"));
  const [first] = having;
  if (first)
    say(
      `${having.length} rows have a system turn, which template tulu does not write; the first: ${first.source}:${first.line}`,
    );
}

/** How a recipe wants its rows encoded. */
export function rowEncoding(recipe: TrainingRecipe): EncodeOptions {
  return {
    template: recipe.template,
    mode: recipe.mode,
    maxLength: recipe.max_length,
    countNewlineAfterEos: recipe.count_newline_after_eos,
    skipInvalid: recipe.data.skip_invalid,
  };
}
