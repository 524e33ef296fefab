/** What a checkpoint calls the weights that a family names, and whether they are there. */
import type { Checkpoint } from "../checkpoint/open.js";
import { FailureError, UsageError } from "../errors.js";
import type { DecoderConfig } from "./decoder-config.js";

/** A weight's name in a checkpoint: those of a model without its head lack the first part (GPT-2's `wte.weight`). */
export function storedName(checkpoint: Checkpoint, name: string): string {
  if (checkpoint.has(name)) return name;
  const short = name.slice(name.indexOf(".") + 1);
  return checkpoint.has(short) ? short : name;
}

/** transformers 5 writes every family's head under this name. */
const ANY_HEAD = "lm_head.weight";

/**
 * Name of the head's weight; undefined where the embedding serves as it. A head in the file counts more than what
 * config.json says of sharing.
 * @throws UsageError for a model that shares nothing and has no head.
 */
export function headOf(checkpoint: Checkpoint, config: DecoderConfig, embedding: string): string | undefined {
  const head = [config.names.head, ANY_HEAD].find((name) => checkpoint.has(name));
  if (head === undefined) {
    if (config.tiedEmbeddings) return undefined;
    throw new UsageError(
      `${checkpoint.source}: weight "${config.names.head}" is missing, and tie_word_embeddings is not true: the model has no head`,
    );
  }
  return config.tiedEmbeddings && sameTable(checkpoint, head, embedding) ? undefined : head;
}

const ROWS = 1024;

function sameTable(checkpoint: Checkpoint, one: string, other: string): boolean {
  const [rows = 0, width = 0] = checkpoint.info(one).shape;
  if (checkpoint.info(other).shape.join() !== checkpoint.info(one).shape.join()) return false;
  for (let from = 0; from < rows; from += ROWS) {
    const some = Array.from({ length: Math.min(ROWS, rows - from) }, (_, i) => from + i);
    const [a, b] = [checkpoint.readRows(one, some), checkpoint.readRows(other, some)];
    for (let i = 0; i < some.length * width; i++) if (a[i] !== b[i]) return false;
  }
  return true;
}

export function requireShape(checkpoint: Checkpoint, name: string, shape: readonly number[]): void {
  if (!checkpoint.has(name))
    throw new FailureError(`${checkpoint.source}: weight "${name}" is missing; the checkpoint is not complete`);
  const found = checkpoint.info(name).shape;
  if (found.length === shape.length && found.every((dim, i) => dim === shape[i])) return;
  throw new UsageError(
    `${checkpoint.source}: weight "${name}" has shape [${found.join(", ")}], config.json asks for [${shape.join(", ")}]`,
  );
}
