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
 * Runs vLLM in the foreground until it ends or a signal stops it.
 * @throws FailureError when it is not installed or ends by itself, InterruptedError after a signal.
 */
export async function runVllm({ args, env }: VllmCommand, program = "vllm"): Promise<never> {
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...env } });
  let signal: "SIGINT" | "SIGTERM" | undefined;
  const pass = (name: "SIGINT" | "SIGTERM"): void => {
    signal ??= name;
    child.kill(name);
  };
  process.on("SIGINT", pass).on("SIGTERM", pass);
  try {
    const code = await new Promise<number | null>((done, fail) => {
      child.once("error", fail);
      child.once("close", done);
    });
    if (signal) throw new InterruptedError(signal);
    throw new FailureError(`vllm ended with code ${code}; its own lines above say why`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new FailureError(
        "vllm is not installed here: pip install vllm on a Linux machine with a GPU, or see the command with --print and run it there",
      );
    throw error;
  } finally {
    process.off("SIGINT", pass).off("SIGTERM", pass);
  }
}
