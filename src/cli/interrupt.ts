/** Signals of the terminal and of other programs, for the commands: the library below knows only `AbortSignal`. */
import { setMaxListeners } from "node:events";
import { InterruptedError } from "../errors.js";

/**
 * Does work that SIGINT or SIGTERM abort, with an InterruptedError as the reason. A second signal ends the process at once.
 *
 * @param onFirst told the first signal's name before the abort.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  onFirst?: (name: string) => void,
): Promise<T> {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // every request under way listens; that is no leak
  const handler = (name: "SIGINT" | "SIGTERM"): void => {
    const reason = new InterruptedError(name);
    if (controller.signal.aborted) process.exit(reason.exitCode);
    onFirst?.(name);
    controller.abort(reason);
  };
  process.on("SIGINT", handler).on("SIGTERM", handler);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", handler).off("SIGTERM", handler);
  }
}

/** Settles when the signal is aborted: for commands that go on until then. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
