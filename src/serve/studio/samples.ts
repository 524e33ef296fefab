/** Pages through a JSONL file with search and filters. */
import { readJsonl } from "../../files/jsonl.js";
import { HttpError } from "../http-error.js";
import type { Facet, SamplePage } from "./wire.js";

export interface SampleQuery {
  /** Words that must all be in the row, in any case. */
  search: string;
  /** Fields that must have these values, as shown in the facets. */
  filters: Record<string, string>;
  offset: number;
  limit: number;
}

/** A field with more values than this is no filter. */
const MOST_VALUES = 12;
const LONGEST_VALUE = 60;
const MOST_FIELDS = 64;

/** Reads the file once, row by row: memory does not grow with it. @throws HttpError 400 when it cannot be read. */
export async function readSamples(path: string, query: SampleQuery, signal?: AbortSignal): Promise<SamplePage> {
  const words = query.search.toLowerCase().split(/\s+/).filter(Boolean);
  const filters = Object.entries(query.filters);
  const counts = new Map<string, Map<string, number> | null>();
  const page: SamplePage = { total: 0, matching: 0, offset: query.offset, rows: [], facets: [], invalid: 0 };
  try {
    for await (const { line, row } of readJsonl(path, () => page.invalid++)) {
      signal?.throwIfAborted();
      page.total++;
      count(counts, row);
      if (!filters.every(([field, value]) => facetValue(row[field]) === value)) continue;
      if (words.length > 0) {
        const text = searchable(row);
        if (!words.every((word) => text.includes(word))) continue;
      }
      if (page.matching >= query.offset && page.rows.length < query.limit) page.rows.push({ line, row });
      page.matching++;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new HttpError(400, "the file cannot be read as JSON Lines");
  }
  page.facets = facets(counts, page.total);
  return page;
}

function count(counts: Map<string, Map<string, number> | null>, row: Record<string, unknown>): void {
  for (const [field, value] of Object.entries(row)) {
    let values = counts.get(field);
    if (values === undefined) {
      if (counts.size >= MOST_FIELDS) continue;
      values = new Map();
      counts.set(field, values);
    }
    if (values === null) continue;
    const shown = facetValue(value);
    if (shown === undefined) {
      counts.set(field, null);
      continue;
    }
    values.set(shown, (values.get(shown) ?? 0) + 1);
    if (values.size > MOST_VALUES) counts.set(field, null);
  }
}

function facets(counts: ReadonlyMap<string, ReadonlyMap<string, number> | null>, total: number): Facet[] {
  return [...counts].flatMap(([field, values]) => {
    if (values === null) return [];
    const list = [...values].map(([value, n]) => ({ value, count: n }));
    // One value on every row tells nothing apart.
    if (list.length === 1 && list[0]!.count === total) return [];
    return [{ field, values: list.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)) }];
  });
}

function facetValue(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  return typeof value === "string" && value.length <= LONGEST_VALUE && !value.includes("\n") ? value : undefined;
}

/** All texts and figures of a row, without the punctuation of JSON. */
function searchable(value: unknown): string {
  if (typeof value === "string") return value.toLowerCase();
  if (Array.isArray(value)) return value.map(searchable).join("\n");
  if (typeof value === "object" && value !== null) return Object.values(value).map(searchable).join("\n");
  return String(value);
}
