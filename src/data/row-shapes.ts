import type { JsonRow } from "../files/jsonl.js";
import { contentText } from "./turns.js";

/** A prompt and the response to it. */
export interface Pair {
  prompt: string;
  completion: string;
}

/** Names of the columns to read where the usual ones do not apply. */
export interface Columns {
  /** Column of instructions. */
  prompt: string;
  /** Column of responses. */
  completion: string;
  /** Joined to the prompt after a blank line when not empty. */
  input?: string;
}

/** What a row became: pairs, a reason why it is malformed, or "multi-turn" for talks that do not fit one pair. */
export type Shaped = Pair[] | { problem: string } | "multi-turn";

/**
 * Instruction, then a blank line and the input when there is one (not trimmed: whitespace alone counts as input).
 * The rule of Response Tuning's `alpaca_processor`.
 */
export function joinInput(instruction: string, input: string | null | undefined): string {
  return input ? `${instruction}\n\n${input}` : instruction;
}

/** Fields that say something which a pair of texts has no place for. */
const NO_PLACE = ["tools", "functions", "documents", "chat_template_kwargs"];

/** Turns a row of a known shape into prompt/completion pairs; the shape is told by the fields. A system prompt is joined in. */
export function shapeRow(row: JsonRow, columns?: Columns): Shaped {
  const says = (name: string): boolean => row[name] !== undefined && row[name] !== null && row[name] !== "";
  const lost = NO_PLACE.find((name) => says(name) && !(Array.isArray(row[name]) && row[name].length === 0));
  if (lost) return { problem: `the field "${lost}" has no place in a prompt and its completion` };
  if (Array.isArray(row.history) && row.history.length > 0) return "multi-turn";
  const shaped = shapeFields(row, columns);
  if (!says("system") || !Array.isArray(shaped)) return shaped;
  const { system } = row;
  if (typeof system !== "string") return { problem: 'the field "system" is not a text' };
  return shaped.map((pair) => ({ ...pair, prompt: `${system}\n\n${pair.prompt}` }));
}

function shapeFields(row: JsonRow, columns?: Columns): Shaped {
  if (columns) return fromColumns(row, columns);
  if ("prompt" in row && "completion" in row) return fromColumns(row, { prompt: "prompt", completion: "completion" });
  if ("instances" in row) return fromSeedTask(row);
  if ("instruction" in row) {
    if ("output" in row) return fromColumns(row, { prompt: "instruction", completion: "output", input: "input" });
    if ("response" in row) return fromColumns(row, { prompt: "instruction", completion: "response", input: "context" });
  }
  if (Array.isArray(row.conversations)) return fromTurns(row.conversations);
  if (Array.isArray(row.messages)) return fromTurns(row.messages);
  if ("question" in row && "answer" in row) return fromColumns(row, { prompt: "question", completion: "answer" });
  if ("prompt" in row || "completion" in row) return fromColumns(row, { prompt: "prompt", completion: "completion" });
  if ("instruction" in row) return { problem: 'the field "output" (or "response") is missing' };
  const names = Object.keys(row).slice(0, 8).join(", ");
  return { problem: `no known fields (${names || "none"}); name them with --prompt-column and --completion-column` };
}

function fromColumns(row: JsonRow, { prompt, completion, input }: Columns): Shaped {
  const parts = { prompt: row[prompt], completion: row[completion] };
  for (const [role, value] of Object.entries(parts)) {
    const name = role === "prompt" ? prompt : completion;
    if (value === undefined) return { problem: `the field "${name}" is missing` };
    if (typeof value !== "string") return { problem: `the field "${name}" is not a text` };
  }
  const extra = input === undefined ? undefined : row[input];
  if (extra !== undefined && extra !== null && typeof extra !== "string")
    return { problem: `the field "${input}" is not a text` };
  if ((parts.prompt as string) === "" && !extra) return { problem: `the field "${prompt}" is empty` };
  return [{ prompt: joinInput(parts.prompt as string, extra), completion: parts.completion as string }];
}

/** A Self-Instruct task: one pair for each instance. */
function fromSeedTask(row: JsonRow): Shaped {
  if (!Array.isArray(row.instances)) return { problem: 'the field "instances" is not a list' };
  const pairs: Pair[] = [];
  for (const instance of row.instances as unknown[]) {
    if (typeof instance !== "object" || instance === null) return { problem: 'an item of "instances" is no object' };
    const shaped = fromColumns(
      { ...(instance as JsonRow), instruction: row.instruction },
      { prompt: "instruction", completion: "output", input: "input" },
    );
    if (!Array.isArray(shaped)) return shaped;
    pairs.push(...shaped);
  }
  return pairs;
}

/** LIMA's list of texts, ShareGPT's `{from, value}` and OpenAI's `{role, content}`. A leading system message is joined in. */
function fromTurns(turns: unknown[]): Shaped {
  const texts: string[] = [];
  let system: string | undefined;
  for (const turn of turns) {
    const { role, text, learnt } = readTurn(turn);
    if (learnt === false) return { problem: "a turn of the conversation is not to be learnt (weight, train or loss)" };
    if (text === undefined) return { problem: "a turn of the conversation has no text" };
    if (role === "system" && texts.length === 0) system = text;
    else texts.push(text);
  }
  if (texts.length < 2) return { problem: "the conversation has no response" };
  if (texts.length > 2) return "multi-turn";
  return [{ prompt: system ? `${system}\n\n${texts[0]}` : texts[0]!, completion: texts[1]! }];
}

function readTurn(turn: unknown): { role?: unknown; text?: string; learnt?: boolean } {
  if (typeof turn === "string") return { text: turn };
  if (typeof turn !== "object" || turn === null) return {};
  const { from, value, role = from, content = value, ...more } = turn as JsonRow;
  const answers = role !== "user" && role !== "human" && role !== "system";
  const silent = [more.weight, more.train, more.loss].some((flag) => flag === 0 || flag === false);
  return { role, text: contentText(content), learnt: !(answers && silent) };
}
