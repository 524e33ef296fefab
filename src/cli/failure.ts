import { CommanderError } from "commander";
import { EvokeError, InterruptedError } from "../errors.js";

/** What the command line does with something thrown: at most one line on stderr, and an exit code. */
export interface Failure {
  exitCode: number;
  /** Absent where commander has already written its own line (usage errors, help). */
  line?: string;
}

/** System errors whose cause lies with the machine or the path given, in words. */
const SYSTEM_ERRORS: Record<string, string> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EISDIR: "is a folder, a file was expected",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "exists already",
  ENOSPC: "no space left on the disk; free some and run again",
  EDQUOT: "disk quota exceeded",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files (raise `ulimit -n`)",
  ENOMEM: "out of memory",
};

/** Turns anything thrown by a command into an exit code and one line. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : 2 };
  if (error instanceof InterruptedError) return { exitCode: error.exitCode, line: oneLine(error.message) };
  if (error instanceof EvokeError) return { exitCode: error.exitCode, line: oneLine(error.message) };
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : SYSTEM_ERRORS[code];
  if (words !== undefined) return { exitCode: 1, line: path ? `${path}: ${words}` : words };
  if (
    error instanceof RangeError &&
    /array buffer allocation failed|invalid (typed )?array length/i.test(error.message)
  )
    return { exitCode: 1, line: "out of memory; use a smaller model, batch or max length" };
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode: 1, line: `internal error: ${oneLine(message)} (set EVOKE_DEBUG=1 for details)` };
}

/** Longest line; what damaged files hold may be longer. */
const MAX_LINE = 2000;

function oneLine(text: string): string {
  const line = text.trim().replace(/\s*[\r\n]+\s*/g, " ");
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line;
}
