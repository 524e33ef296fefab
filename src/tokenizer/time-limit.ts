import { createContext, Script } from "node:vm";
import { FailureError, InterruptedError } from "../errors.js";

/** Seconds that a text may take, besides one for each `CHARACTERS` of it. `EVOKE_TEXT_SECONDS` sets another number. */
const SECONDS = 10;
const CHARACTERS = 10_000;

const script = new Script("run()");
const context = createContext({ run: () => {} });
let running = false;

/**
 * Runs work that a model's files govern (a chat template, the patterns of a tokenizer) and that they could make endless. It
 * is stopped when its time is up, also inside one regular expression, and by Ctrl-C.
 *
 * @param what said when it is stopped: "the chat template", …
 * @param characters length of the text; long ones may take longer.
 * @throws FailureError when the time is up, InterruptedError on Ctrl-C; whatever `work` throws.
 */
export function withinTime<T>(what: string, characters: number, work: () => T): T {
  // The outermost call bounds what it calls.
  if (running) return work();
  const seconds = Number(process.env.EVOKE_TEXT_SECONDS || SECONDS) + characters / CHARACTERS;
  let result: { value: T } | undefined;
  context.run = () => {
    result = { value: work() };
  };
  running = true;
  try {
    script.runInContext(context, { timeout: Math.ceil(seconds * 1000), breakOnSigint: true });
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT")
      throw new FailureError(
        `${what} did not come to an end within ${Math.round(seconds)} seconds on a text of ${characters} characters`,
      );
    if (code !== "ERR_SCRIPT_EXECUTION_INTERRUPTED") throw error;
    // The signal was taken from whoever listens for it; they hear of it now.
    process.kill(process.pid, "SIGINT");
    throw new InterruptedError("SIGINT");
  } finally {
    running = false;
    context.run = () => {};
  }
  return result!.value;
}
