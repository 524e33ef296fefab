/** Instruction–response pairs of any data set, for suites that score responses. */
import { basename } from "node:path";
import { type Conversation, loadConversations } from "../data/conversation.js";
import { type DataExtent, extentOf } from "../data/extent.js";
import { readRows } from "../data/read-rows.js";
import { locateData } from "../data/source-files.js";
import { UsageError } from "../errors.js";
import { sha256OfFile } from "../files/sha256.js";
import type { Message } from "../tokenizer/chat-template.js";
import type { RowFile } from "./load-rows.js";
import type { SuiteContext } from "./suite.js";

/** A row's first exchange: the turns up to the first response, which is the last of them. */
export interface Exchange {
  turns: Message[];
  /** All of the row's responses, the exchange's own first. */
  responses: string[];
  /** File and line. */
  where: string;
}

export interface LoadedExchanges {
  exchanges: Exchange[];
  /** Rows left out because they cannot be used. */
  invalid: number;
  files: RowFile[];
  /** How much of a known set is there. */
  extent?: DataExtent;
}

/**
 * The first rows of a file, of a set that `evoke data list` names, or of `hf:ORG/NAME`, in any row shape that training takes.
 *
 * @throws UsageError for a row without instruction and response, unless the run leaves such rows out.
 */
export async function loadExchanges(
  context: Pick<SuiteContext, "source" | "skipInvalid" | "say">,
  reference: string,
  limit: number,
): Promise<LoadedExchanges> {
  const located = await locateData(reference, context.source);
  const exchanges: Exchange[] = [];
  const problems: string[] = [];
  for (const file of located.files) {
    if (exchanges.length >= limit) break;
    const rows = await loadConversations(file, {
      maxExamples: limit - exchanges.length,
      skipInvalid: context.skipInvalid,
      onSkip: (message) => void problems.push(message),
    });
    for (const row of rows) {
      const exchange = exchangeOf(row);
      if (typeof exchange !== "string") exchanges.push(exchange);
      else if (context.skipInvalid) problems.push(exchange);
      else throw new UsageError(`${exchange}; correct the row or leave it out with --skip-invalid`);
    }
  }
  if (problems.length > 0) context.say(`${reference}: ${problems.length} rows left out; the first: ${problems[0]}`);
  if (exchanges.length < 2)
    throw new UsageError(`${reference}: ${exchanges.length} usable rows; at least 2 are needed`);
  const files = await Promise.all(
    located.files.map(async (file) => ({
      name: basename(file),
      sha256: sha256OfFile(file),
      rows: await countRows(file),
    })),
  );
  const extent = extentOf(
    located,
    files.reduce((sum, { rows }) => sum + rows, 0),
  );
  return { exchanges, invalid: problems.length, files, ...(extent ? { extent } : {}) };
}

/** Rows that can be read as such, whatever their shape. */
async function countRows(file: string): Promise<number> {
  let count = 0;
  for await (const _ of readRows(file, () => {})) count++;
  return count;
}

function exchangeOf({ messages, source, line }: Conversation): Exchange | string {
  const where = `${source}:${line}`;
  const first = messages.findIndex(({ role }) => role === "assistant");
  if (first < 0 || !messages.slice(0, first).some(({ role }) => role === "user"))
    return `${where}: no instruction before the response`;
  const responses = messages.slice(first).filter(({ role }) => role === "assistant");
  return { turns: messages.slice(0, first + 1), responses: responses.map(({ content }) => content), where };
}

/** The exchange with another response. */
export const withResponse = (turns: readonly Message[], content: string): Message[] => [
  ...turns.slice(0, -1),
  { ...turns.at(-1)!, content },
];
