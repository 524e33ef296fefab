import { readFileSync, statSync } from "node:fs";
import { FailureError, UsageError } from "../errors.js";
import { parseJsonRow } from "../files/json-row.js";
import type { OnInvalidRow, SourceRow } from "./source-row.js";

const MAX_BYTES = 0x1fff_ffff; // V8's longest string

/**
 * Rows of a JSON file that holds one array of objects, or an object with one such array ("data", "rows", …).
 * An item that is damaged or no object goes to `onInvalid` or throws a UsageError with file and line.
 */
export function* readJsonArray(path: string, onInvalid?: OnInvalidRow): Generator<SourceRow> {
  const { size } = statSync(path);
  if (size > MAX_BYTES) throw new FailureError(`${path}: ${size} bytes are too many for one JSON array; use JSONL`);
  const text = readFileSync(path, "utf8").replace(/^\ufeff/, "");
  const start = findArray(text, path);
  for (const { from, to, line } of splitArray(text, start)) {
    const row = parseJsonRow(text.slice(from, to));
    if (typeof row !== "string") yield { row, line };
    else if (onInvalid) onInvalid(`${path}:${line}: ${row}`, line);
    else throw new UsageError(`${path}:${line}: ${row}`);
  }
}

/** Whether a .json file holds JSON Lines instead of one document: its first line is a whole object and another follows. */
export function looksLikeJsonLines(text: string): boolean {
  const [first, second] = text.replace(/^\ufeff/, "").split("\n", 2);
  if (!first?.trim().startsWith("{") || !second?.trim().startsWith("{")) return false;
  return typeof parseJsonRow(first) !== "string";
}

/** Index of the "[" that opens the rows. */
function findArray(text: string, path: string): number {
  const start = text.search(/\S/);
  if (start >= 0 && text[start] === "[") return start;
  const member = /^\s*\{\s*"(?:data|rows|train|examples|instances)"\s*:\s*\[/.exec(text);
  if (member) return member[0].length - 1;
  throw new UsageError(`${path}:1: expected a JSON array of objects, or JSON Lines`);
}

/** Places of the items between commas, without looking inside them more than strings and brackets need. */
function* splitArray(text: string, start: number): Generator<{ from: number; to: number; line: number }> {
  let line = 1 + countLines(text, 0, start);
  let depth = 0;
  let from = start + 1;
  let at = from;
  let fromLine = line;
  let counted = start;
  const item = (to: number): { from: number; to: number; line: number } | undefined => {
    const lead = /\S/.exec(text.slice(from, Math.min(to, from + 10_000)));
    const first = lead ? from + lead.index : to;
    line += countLines(text, counted, first);
    counted = first;
    fromLine = line;
    return first < to ? { from: first, to, line: fromLine } : undefined;
  };
  for (; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 34) at = endOfString(text, at);
    else if (c === 91 || c === 123) depth++;
    else if (c === 44 && depth === 0) {
      const found = item(at);
      if (found) yield found;
      from = at + 1;
    } else if ((c === 93 || c === 125) && depth-- === 0) break;
  }
  const last = item(Math.min(at, text.length));
  if (last) yield last;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 92) at++;
    else if (c === 34) return at;
  }
  return text.length;
}

function countLines(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf("\n", from); at >= 0 && at < to; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
