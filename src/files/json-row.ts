/** A row of data as JSON. */
export type JsonRow = Record<string, unknown>;

/** Levels of lists and objects in a row. What walks through a row calls itself for each, so there must be an end. */
const MOST_LEVELS = 100;

/** The row that a text holds, or what is wrong with it. */
export function parseJsonRow(text: string): JsonRow | string {
  if (isTooDeep(text)) return `nested more than ${MOST_LEVELS} levels deep`;
  try {
    const row: unknown = JSON.parse(text);
    if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as JsonRow;
    return "expected a JSON object";
  } catch (error) {
    return `not valid JSON (${(error as Error).message.split("\n")[0]!.slice(0, 120)})`;
  }
}

/** Counts brackets outside of strings, without building anything. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 34) {
      for (at++; at < text.length && text.charCodeAt(at) !== 34; at++) if (text.charCodeAt(at) === 92) at++;
    } else if (c === 91 || c === 123) {
      if (++depth > MOST_LEVELS) return true;
    } else if (c === 93 || c === 125) depth--;
  }
  return false;
}
