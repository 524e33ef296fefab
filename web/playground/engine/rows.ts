/** Pasted rows as conversations: one JSON object a line, in any of evoke's row formats. */
import type { Conversation } from "../../../src/data/conversation.js";
import { detectFormat, type Field, rowFormats } from "../../../src/data/formats.js";
import { UsageError } from "../../../src/errors.js";

/** @throws UsageError naming the line that is no usable row. */
export function readRows(text: string): Conversation[] {
  const conversations: Conversation[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const source = { source: "rows", line: i + 1, index: conversations.length };
    const row = parsed(line, i + 1);
    const field: Field = (name) => row[name] ?? undefined;
    const format = detectFormat(field);
    if (!format) throw new UsageError(`line ${i + 1}: give each row an instruction and an output, or messages`);
    const content = rowFormats[format].read(field);
    if ("problem" in content) throw new UsageError(`line ${i + 1}: ${content.problem}`);
    conversations.push({ ...("text" in content ? { messages: [], text: content.text } : content), ...source });
  }
  if (conversations.length === 0) throw new UsageError("no rows: paste some, one JSON object a line");
  return conversations;
}

function parsed(line: string, number: number): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as Record<string, unknown>;
  } catch {
    // told below
  }
  throw new UsageError(`line ${number}: is not a JSON object`);
}
