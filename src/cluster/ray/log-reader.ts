/** Reads a job's growing output, each line once, over links that are slow or break. */
import type { RayClient } from "./client.js";
import { lineNumber } from "./job-events.js";

/** Lines asked for beyond those known, to begin with. */
const FIRST_MORE = 64;
/** More lines than any output has. */
const ALL_LINES = 1_000_000_000;

/**
 * Ray gives the last N lines of an output, from a point of its file to the end. The job numbers its messages to evoke, so a
 * reader that knows the last one (the anchor) and how many lines it has read after that asks for a few more lines than those
 * and passes over what it knows. Lines are handed on while they arrive: after a break, reading goes on behind them. A head without
 * that interface, and output without such messages, are read whole each time.
 */
export class LogReader {
  /** Lines handed on, since the first. */
  private count = 0;
  private anchor?: { line: string; number: number };
  /** Lines handed on after the anchor. */
  private after = 0;
  private messages = 0;
  private more = FIRST_MORE;
  /** Characters of the last answer; readers of whole outputs ask less often by it. */
  lastSize = 0;

  constructor(
    private readonly client: RayClient,
    private readonly id: string,
    private readonly onLine: (line: string) => void,
  ) {}

  /** Lines handed on so far: whether something came before a break. */
  get lines(): number {
    return this.count;
  }

  /**
   * Hands on what is new.
   * @param isOver the job has ended: a last line needs no line break.
   * @throws Unreachable when the connection breaks; what came before has been handed on.
   */
  async read(isOver: boolean): Promise<void> {
    while (this.anchor) {
      const outcome = await this.readBehind(this.anchor, isOver);
      if (outcome === "read") return;
      if (outcome === "other") break; // all of the output is without the anchor: it is another's
      if (outcome === "not offered") return this.readWhole(isOver);
    }
    return this.readFromStart(isOver);
  }

  /** Asks for the lines behind the anchor. `missed`: too few lines were asked for. */
  private async readBehind(
    anchor: { line: string; number: number },
    isOver: boolean,
  ): Promise<"read" | "missed" | "other" | "not offered"> {
    const asked = Math.min(ALL_LINES, this.after + this.more);
    let skip = -1; // lines to pass over once the anchor has come
    let seen = 0;
    const take = (line: string): void => {
      seen++;
      if (skip === 0) this.hand(line);
      else if (skip > 0) skip--;
      else if (line === anchor.line) skip = this.after;
      else if ((lineNumber(line) ?? 0) > anchor.number) throw new Missed(lineNumber(line)!);
    };
    try {
      if (!(await this.stream(asked, take, isOver))) return "not offered";
    } catch (error) {
      if (error instanceof Missed) {
        if (asked >= ALL_LINES) return "other";
        this.askMore(error.number - anchor.number);
        return "missed";
      }
      this.more = asked - seen + FIRST_MORE; // so many had not come when it broke
      throw error;
    }
    if (skip >= 0) {
      this.more = FIRST_MORE;
      return "read";
    }
    if (seen < asked) return "other";
    this.askMore(seen);
    return "missed";
  }

  /** Messages are numbered one by one: how many are missing says how many lines are, as lines went up to now. */
  private askMore(messages: number): void {
    const perMessage = this.count / Math.max(1, this.messages);
    this.more = Math.min(ALL_LINES, Math.ceil(Math.max(4 * this.more, this.more + 1.1 * messages * perMessage)));
  }

  /** Before the first anchor: everything, whatever was handed on already is passed over. */
  private async readFromStart(isOver: boolean): Promise<void> {
    let known = this.anchor ? 0 : this.count;
    if (this.anchor) this.forget();
    const take = (line: string): void => {
      if (known > 0) known--;
      else this.hand(line);
    };
    if (!(await this.stream(ALL_LINES, take, isOver))) await this.readWhole(isOver);
  }

  private async stream(lines: number, take: (line: string) => void, isOver: boolean): Promise<boolean> {
    const cutter = new LineCutter(take);
    this.lastSize = 0;
    const isOffered = await this.client.lastLines(this.id, lines, (text) => {
      this.lastSize += text.length;
      cutter.add(text);
    });
    if (isOffered && isOver) cutter.end();
    return isOffered;
  }

  private async readWhole(isOver: boolean): Promise<void> {
    const text = (await this.client.logs(this.id)) ?? "";
    this.lastSize = text.length;
    const lines: string[] = [];
    const cutter = new LineCutter((line) => lines.push(line));
    cutter.add(text);
    if (isOver) cutter.end();
    if (lines.length < this.count) this.forget(); // a shorter output is a new one
    for (const line of lines.slice(this.count)) this.hand(line);
  }

  private forget(): void {
    this.count = this.after = this.messages = 0;
    this.anchor = undefined;
    this.more = FIRST_MORE;
  }

  private hand(line: string): void {
    this.count++;
    this.after++;
    const number = lineNumber(line);
    if (number !== undefined) {
      this.anchor = { line, number };
      this.after = 0;
      this.messages++;
    }
    this.onLine(line);
  }
}

/** The answer begins behind the anchor, with this message among its first lines. */
class Missed extends Error {
  constructor(readonly number: number) {
    super();
  }
}

/** Cuts a text that comes in parts into lines; what is behind the last line break waits. */
export class LineCutter {
  private rest = "";

  constructor(private readonly onLine: (line: string) => void) {}

  add(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    for (const line of lines) this.onLine(line.replace(/\r$/, ""));
  }

  /** Nothing more comes: the rest is a line. */
  end(): void {
    if (this.rest !== "") this.onLine(this.rest);
    this.rest = "";
  }
}
