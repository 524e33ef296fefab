/** How much of a public set is there, and what stands in for it: said wherever its rows are used. */
import type { LocatedData } from "./source-files.js";

/** How much of a known set was there. */
export interface DataExtent {
  /** Name of the set that was asked for. */
  set: string;
  /** Rows there, before any are drawn or left out. */
  rows: number;
  /** Rows of the whole set. */
  whole: number;
  /** What the rows are of, where they are another set's. */
  standIn?: string;
}

/** The extent of a set that the catalogue knows; undefined for files and other sets, whose whole nobody knows. */
export function extentOf({ source, holds }: LocatedData, rows: number): DataExtent | undefined {
  if (!source) return undefined;
  return {
    set: source.name,
    rows,
    whole: source.rows,
    ...(holds ? { standIn: `${holds.title}, ${count(holds.rows)} rows` } : {}),
  };
}

/** `dolly: 3,306 of 15,011 rows`; undefined where the whole set itself is there. */
export function extentText({ set, rows, whole, standIn }: DataExtent): string | undefined {
  if (standIn !== undefined)
    return `${set}: ${count(rows)} rows of another set (${standIn}) stand in for its ${count(whole)}`;
  return rows === whole ? undefined : `${set}: ${count(rows)} of ${count(whole)} rows`;
}

const count = (value: number): string => value.toLocaleString("en-US");
