/** Runs a command that serves (`serve`, `studio`) as a user does. */
import { type ChildProcess, spawn } from "node:child_process";
import { programPath } from "../program.js";

export interface ServerProgram {
  child: ChildProcess;
  url: string;
  /** All it has written to stderr. */
  said(): string;
  code: Promise<number | null>;
}

/** Starts the command on a free port and waits for its address; an end before that is an error with what it said. */
export async function startServerProgram(args: string[], env: NodeJS.ProcessEnv = {}): Promise<ServerProgram> {
  const child = spawn(process.execPath, [programPath, ...args, "--port", "0", "--json"], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (stdout.endsWith("}\n")) resolve();
    });
    void code.then(() => reject(new Error(stderr)));
  });
  return { child, url: (JSON.parse(stdout) as { url: string }).url, said: () => stderr, code };
}
