import { UsageError } from "../errors.js";
import { Random } from "../random/counter.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { type Conversation, loadConversations } from "./conversation.js";

/** The rows a recipe asks for. */
export interface TrainingData {
  train: Conversation[];
  /** Empty when the recipe has no `data.validation`. */
  validation: Conversation[];
  /** Rows left out by `data.skip_invalid`, as `file:line: reason`. */
  skipped: string[];
  /** The same of a validation file. */
  validationSkipped: string[];
}

/**
 * Reads the files of a recipe's `data` block and splits off validation rows. With a fraction, the rows held out
 * depend on the seed alone; both parts keep the order of the files, and each has at least one row.
 * @throws UsageError as `loadConversations`, and when there are too few rows to split.
 */
export async function loadTrainingData(data: TrainingRecipe["data"], seed: number): Promise<TrainingData> {
  const skipped: string[] = [];
  const validationSkipped: string[] = [];
  const read = (path: string, maxExamples?: number, left = skipped): Promise<Conversation[]> =>
    loadConversations(path, {
      format: data.format,
      columns: data.columns,
      skipInvalid: data.skip_invalid,
      onSkip: (message) => left.push(message),
      ...(maxExamples === undefined ? {} : { maxExamples }),
    });
  const all: Conversation[] = [];
  for (const path of data.path) {
    const left = data.max_examples === undefined ? undefined : data.max_examples - all.length;
    if (left === 0) break;
    all.push(...(await read(path, left)));
  }
  if (data.validation === undefined) return { train: all, validation: [], skipped, validationSkipped };
  if (typeof data.validation === "string") {
    const validation = await read(data.validation, undefined, validationSkipped);
    return { train: all, validation, skipped, validationSkipped };
  }
  if (all.length < 2)
    throw new UsageError(`data.validation: ${all.length} row cannot be split into training and validation`);
  const count = Math.min(all.length - 1, Math.max(1, Math.round(all.length * data.validation)));
  const held = new Set(new Random("validation", seed).sample(Array.from(all.keys()), count));
  return {
    train: all.filter((_, i) => !held.has(i)),
    validation: all.filter((_, i) => held.has(i)),
    skipped,
    validationSkipped,
  };
}
