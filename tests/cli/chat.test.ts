/** An interrupt while an answer is being written: once stops the answer; at the prompt, two end the program. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { programPath } from "../program.js";

let child: ChildProcessWithoutNullStreams | undefined;
afterEach(() => void child?.kill("SIGKILL"));

/** A conversation with bundled:mini, whose answers go on until they are stopped. */
function chat(...flags: string[]) {
  const args = ["chat", "bundled:mini", "--quiet", "--max-tokens", "100000", "--presence-penalty", "-2", ...flags];
  const started = spawn(process.execPath, [programPath, ...args]);
  child = started;
  let text = "";
  started.stdout.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  started.stderr.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  return {
    say: (line: string) => void started.stdin.write(`${line}\n`),
    interrupt: () => void started.kill("SIGINT"),
    /** Waits for more text that matches, and forgets it. */
    async shows(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) await once(started.stdout, "data");
      const [found] = pattern.exec(text)!;
      text = "";
      return found;
    },
    ended: once(started, "exit") as Promise<[code: number | null]>,
  };
}

it.each([
  ["--batch", "1"],
  ["--batch", "2"],
])("chat %s %s: an interrupt returns to the prompt, and two there end the program", async (...flags) => {
  const { say, interrupt, shows, ended } = chat(...flags);
  // An answer may be over before the signal arrives; then the next one is tried.
  for (let shown = ""; !shown.startsWith("…"); ) {
    say("Tell me about a river.");
    await shows(/\w+ \w+/);
    interrupt();
    shown = await shows(/…\n|Ctrl-C again leaves/);
  }
  say("/help");
  await shows(/\/quit/);
  interrupt();
  await shows(/Ctrl-C again leaves/);
  interrupt();
  const [code] = await ended;
  expect(code).toBe(130);
});
