/** Prompts of the benchmarks with a known answer, as lm-evaluation-harness puts them together (api/task.py). */
import { UsageError } from "../errors.js";
import { MersenneTwister } from "../random/mersenne.js";
import type { Message } from "../tokenizer/chat-template.js";
import type { Row } from "./row.js";
import type { AnswerDoc, ChoiceDoc, ChoiceTask, Shot, Task } from "./task.js";

/** Turns a conversation into text that ends where the assistant's answer begins, and says what may stand before it. */
export type ChatRenderer = (messages: Message[]) => Pick<Request, "context" | "bos">;

/** A pair to be scored. */
export interface Request {
  context: string;
  continuation: string;
  /** As in `ScorePair`. */
  boundary?: "exact";
  /** As in `ScorePair`. */
  maxTokens?: number;
  /** As in `ScorePair`. */
  bos?: "none";
}

const SHOT_END = "\n\n";
const FEW_SHOT_SEED = 1234;

/** Draws the shots before each document; documents must be asked for in order. */
export class ShotSampler {
  private readonly random = new MersenneTwister(FEW_SHOT_SEED);
  private shots: { shot: Shot; key: string }[] | undefined;

  /** @param pool rows of the few-shot split. @param count shots before each document, ≥ 0. */
  constructor(
    private readonly task: Task,
    private readonly pool: readonly Row[],
    private readonly count: number,
  ) {
    const there = task.fewShot.fixed?.length ?? pool.length;
    const needed = task.fewShot.leavesOutDocument && count > 0 ? count + 1 : count;
    if (needed > there) throw new UsageError(`${task.name}: --shots ${count}: only ${there} worked examples are there`);
  }

  /** The shots that stand before a row. */
  next(row: Row): Shot[] {
    if (this.count === 0) return [];
    const { fixed, sampler, leavesOutDocument } = this.task.fewShot;
    if (fixed) return fixed.slice(0, this.count);
    const shots = (this.shots ??= this.pool.map((each) => ({ shot: shotOf(this.task, each), key: keyOf(each) })));
    if (sampler === "first") return shots.slice(0, this.count).map(({ shot }) => shot);
    if (!leavesOutDocument) return this.random.sample(shots, this.count).map(({ shot }) => shot);
    const drawn = this.random.sample(shots, this.count + 1);
    const self = keyOf(row);
    const others = drawn.filter(({ key }) => key !== self);
    return others.slice(0, this.count).map(({ shot }) => shot);
  }
}

const keyOf = (row: Row): string => JSON.stringify(row.fields);

function shotOf(task: Task, row: Row): Shot {
  if (task.kind === "answer") {
    const doc = task.read(row);
    return { question: doc.context, answer: task.shown?.(row) ?? doc.target };
  }
  const { context, choices, gold } = task.read(row);
  return { question: context, answer: choices[gold]! };
}

/** What stands before the answer as plain text: everything joined. */
export function contextOf(task: Task, doc: ChoiceDoc | AnswerDoc, shots: readonly Shot[], description = ""): string {
  const examples = shots.map(({ question, answer }) => question + task.delimiter + answer + SHOT_END);
  return description + examples.join("") + doc.context;
}

/** The conversation form: the description as system turn, each shot as two turns. */
export function messagesOf(doc: ChoiceDoc | AnswerDoc, shots: readonly Shot[], description?: string): Message[] {
  return [
    ...(description ? [{ role: "system" as const, content: description }] : []),
    ...shots.flatMap(({ question, answer }): Message[] => [
      { role: "user", content: question },
      { role: "assistant", content: answer },
    ]),
    { role: "user", content: doc.context },
  ];
}

/** A document with one request per choice; with a chat template nothing stands between context and choice. */
export interface ChoiceRequests {
  doc: ChoiceDoc;
  requests: Request[];
}

export function choiceRequests(
  task: ChoiceTask,
  doc: ChoiceDoc,
  shots: readonly Shot[],
  options: { description?: string; chat?: ChatRenderer } = {},
): ChoiceRequests {
  const { description, chat } = options;
  const before = chat
    ? chat(messagesOf(doc, shots, description))
    : { context: contextOf(task, doc, shots, description) };
  const delimiter = chat ? "" : task.delimiter;
  return { doc, requests: doc.choices.map((choice) => ({ ...before, continuation: delimiter + choice })) };
}
