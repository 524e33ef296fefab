import { visible, writeControl } from "./terminal.js";

/** What long work tells about itself; made by `createProgress`, or by a test. */
export interface Progress {
  /** @param done units finished so far, of the `total` given at creation. @param note short text such as "loss 1.93". */
  update(done: number, note?: string): void;
  /** Removes the line on a terminal, or writes a last one elsewhere. */
  finish(): void;
}

export interface ProgressOptions {
  label: string;
  /** Units of work in all; without it no percentage and no time left is shown. */
  total?: number;
  /** Name of a unit for the rate, such as "tokens" or "rows". */
  unit?: string;
  /** Units done before this process started (a resumed run): they do not count in the rate. */
  startAt?: number;
  quiet?: boolean;
  /** Default stderr: stdout is kept for results. */
  stream?: ProgressStream;
  /** Milliseconds; replaceable in tests. */
  now?: () => number;
}

/** The part of a terminal stream that is used. */
export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

const FIRST_LINE_AFTER_MS = 2000;
const TERMINAL_EVERY_MS = 100;
const PLAIN_EVERY_MS = 5000;
/** Goes to the start of the line and empties it. */
export const CLEAR_LINE = "\r\x1b[2K";

/** A single line that updates itself on a terminal, a line every five seconds elsewhere; silent for short work. */
export function createProgress(options: ProgressOptions): Progress {
  if (options.quiet) return { update: () => {}, finish: () => {} };
  const { label, total, unit = "", startAt = 0, now = Date.now } = options;
  const stream: ProgressStream = options.stream ?? process.stderr;
  const terminal = stream.isTTY === true;
  const started = now();
  let last = Number.NEGATIVE_INFINITY;
  let shown = false;
  let done = startAt;
  let note = "";

  const line = (): string => {
    const seconds = (now() - started) / 1000;
    const rate = seconds > 0 ? (done - startAt) / seconds : 0;
    const parts = [total === undefined ? `${label} ${done}` : `${label} ${done}/${total} ${percent(done, total)}`];
    if (rate > 0) parts.push(`${formatRate(rate)}${unit ? ` ${unit}` : ""}/s`);
    if (total !== undefined && rate > 0 && done < total) parts.push(`${formatSeconds((total - done) / rate)} left`);
    if (note) parts.push(note);
    return oneLine(parts.join(" · "));
  };
  return {
    update(doneNow, noteNow) {
      done = doneNow;
      if (noteNow !== undefined) note = noteNow;
      const time = now();
      if (time - started < FIRST_LINE_AFTER_MS || time - last < (terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) return;
      last = time;
      shown = true;
      if (terminal) writeControl(stream, `${CLEAR_LINE}${cut(line(), (stream.columns ?? 80) - 1)}`);
      else stream.write(`${line()}\n`);
    },
    finish() {
      if (!shown) return;
      shown = false;
      if (terminal) writeControl(stream, CLEAR_LINE);
      else stream.write(`${line()} · took ${formatSeconds((now() - started) / 1000)}\n`);
    },
  };
}

/** Seconds as "42 s", "3 min 05 s" or "2 h 07 min". */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function percent(done: number, total: number): string {
  return total > 0 ? `(${Math.floor((100 * done) / total)} %)` : "";
}

function formatRate(rate: number): string {
  return rate >= 100 ? String(Math.round(rate)) : rate.toPrecision(2);
}

/** Also a newline or tab would break the one line. */
function oneLine(text: string): string {
  return visible(text).replace(
    /[\n\t\r]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
