/** Starts vLLM, or shows how it would be started. */
import { spawn } from "node:child_process";
import { FailureError, InterruptedError } from "../../errors.js";
import type { VllmCommand } from "./command.js";

/** The command as a line for a POSIX shell; a key stands there by the name of evoke's variable. */
export function shellLine({ args, env }: VllmCommand): string {
  const prefix = env.VLLM_API_KEY === undefined ? "" : 'VLLM_API_KEY="$EVOKE_TOKEN" ';
  return `${prefix}vllm ${args.map(quote).join(" ")}`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Runs vLLM in the foreground until it ends; aborting `signal` sends it the signal that is the reason, or SIGTERM.
 * @throws FailureError when it is not installed or ends by itself, the reason of the abort after one.
 */
export async function runVllm({ args, env }: VllmCommand, signal: AbortSignal, program = "vllm"): Promise<never> {
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...env } });
  const stop = (): void =>
    void child.kill(signal.reason instanceof InterruptedError ? signal.reason.signal : "SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  try {
    const code = await new Promise<number | null>((done, fail) => {
      child.once("error", fail);
      child.once("close", done);
    });
    signal.throwIfAborted();
    throw new FailureError(`vllm ended with code ${code}; its own lines above say why`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new FailureError(
        "vllm is not installed here: pip install vllm on a Linux machine with a GPU, or see the command with --print and run it there",
      );
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
