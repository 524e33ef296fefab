import { UsageError } from "../errors.js";
import { MersenneTwister } from "../random/mersenne.js";
import { type DataExtent, extentOf } from "./extent.js";
import { strip } from "./python-text.js";
import { readRows } from "./read-rows.js";
import { type Columns, type Pair, shapeRow } from "./row-shapes.js";
import type { LocatedData } from "./source-files.js";
import type { OnInvalidRow } from "./source-row.js";

/** A row in training form, with where it came from. */
export interface PreparedRow {
  /** The instruction, with its input. */
  prompt: string;
  /** The response. */
  completion: string;
  /** Short name of the set or file. */
  source: string;
  /** 0-based place of the row in its source. */
  index: number;
}

export interface PrepareOptions {
  /** Keep at most this many, drawn by `seed`; their order stays that of the source. */
  maxExamples?: number;
  /** Leave out this many rows of the draw before the first that is kept: the same seed then gives disjoint sets. */
  skip?: number;
  /** Keep only rows whose prompt and completion have at most this many characters (UTF-16) together. */
  maxCharacters?: number;
  seed?: number;
  columns?: Columns;
  onInvalid?: OnInvalidRow;
  signal?: AbortSignal;
}

export interface Prepared {
  rows: PreparedRow[];
  /** Rows read, malformed ones included. */
  read: number;
  /** Talks of more than one turn, which do not fit a prompt/completion pair. */
  multiTurn: number;
  /** How much of a known set was there. */
  extent?: DataExtent;
}

/**
 * Brings a data set's rows into training form.
 *
 * @throws UsageError with file and line on a malformed row, unless `onInvalid` takes it.
 */
export async function prepareRows(data: LocatedData, options: PrepareOptions = {}): Promise<Prepared> {
  const limit = data.source?.firstSingleTurn ?? Number.POSITIVE_INFINITY;
  const rows: PreparedRow[] = [];
  const { onInvalid } = options;
  let read = 0;
  let multiTurn = 0;
  const leaveOut: OnInvalidRow = (message, line) => {
    read++;
    onInvalid?.(message, line);
  };
  for (const file of data.files) {
    for await (const { row, line } of readRows(file, onInvalid && leaveOut)) {
      if (read % 1024 === 0) options.signal?.throwIfAborted();
      const index = read++;
      const shaped = shapeRow(row, options.columns);
      if (shaped === "multi-turn") multiTurn++;
      else if (rows.length >= limit) continue;
      else if (Array.isArray(shaped))
        for (const pair of shaped) rows.push({ ...unmarked(pair, data.source?.endMarker), source: data.name, index });
      else {
        const message = `${file}:${line}: ${shaped.problem}`;
        if (!onInvalid) throw new UsageError(message);
        onInvalid(message, line);
      }
    }
  }
  if (rows.length === 0) throw new UsageError(`${data.files.join(", ")}: no usable rows`);
  const { maxCharacters = Number.POSITIVE_INFINITY, maxExamples, seed, skip } = options;
  const short = rows.filter(({ prompt, completion }) => prompt.length + completion.length <= maxCharacters);
  const kept = sampleInOrder(short, maxExamples, seed, skip);
  if (kept.length === 0)
    throw new UsageError(
      `${data.files.join(", ")}: no row is left; ${short.length} are short enough, ${skip ?? 0} skipped`,
    );
  const extent = extentOf(data, read);
  return { rows: kept, read, multiTurn, ...(extent ? { extent } : {}) };
}

/** Training ends a response with the model's own token; one in words would be learnt as text. */
function unmarked({ prompt, completion }: Pair, marker: string | undefined): Pair {
  if (marker === undefined) return { prompt, completion };
  const text = strip(completion);
  return { prompt: strip(prompt), completion: strip(text.endsWith(marker) ? text.slice(0, -marker.length) : text) };
}

/**
 * At most `count` items, in their order. Which ones: the first `count` places of Python's `random.Random(seed)` shuffle,
 * so that the default seed 0 takes the very rows that Response Tuning's `random_sampler` takes, and a larger count
 * includes a smaller one's. With `skip` the places after the first `skip` are taken.
 */
export function sampleInOrder<T>(items: readonly T[], count = items.length, seed = 0, skip = 0): T[] {
  if (skip === 0 && count >= items.length) return [...items];
  const places = new MersenneTwister(seed).shuffle(items.map((_, place) => place));
  return places
    .slice(skip, skip + count)
    .sort((a, b) => a - b)
    .map((place) => items[place]!);
}
