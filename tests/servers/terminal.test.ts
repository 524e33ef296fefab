/** Control sequences of models, servers and files, on a terminal: shown, never obeyed. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programPath } from "../program.js";

/** Retitles the window, fills the clipboard, clears the screen, and asks the terminal to type: as CSI, OSC and C1. */
const ATTACK = "\x1b]0;owned\x07\x1b]52;c;cm0=\x1b\\\x1b[2J\u009b6nX\u202e\ry";
const SHOWN = "\\x1b]0;owned\\x07\\x1b]52;c;cm0=\\x1b\\\\x1b[2J\\x9b6nX\\u202e";

let folder: string;
let server: Server;
let url: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evoke-terminal-"));
  server = createServer((request, response) => {
    const failing = request.url!.startsWith("/bad");
    response.writeHead(failing ? 400 : 200, { "Content-Type": "application/json" });
    const choices = [{ index: 0, message: { role: "assistant", content: ATTACK }, finish_reason: "stop" }];
    response.end(JSON.stringify(failing ? { error: { message: ATTACK } } : { choices, usage: {} }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Runs the program with streams that it takes for a terminal's; gives all that it wrote to them. */
function onTerminal(args: string[], input: string): Promise<string> {
  const pretend = "for (const s of [process.stdout, process.stderr]) s.isTTY = true";
  const child = spawn(process.execPath, ["--import", `data:text/javascript,${pretend}`, programPath, ...args], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  child.stdin.end(input);
  return new Promise((resolve) => child.once("close", () => resolve(text)));
}

function expectShown(text: string): void {
  expect(text).toContain(SHOWN);
  expect(text).not.toContain("\x1b");
  expect(text).not.toContain("\u009b");
  expect(text).not.toContain("\u202e");
}

describe("a terminal shows the control sequences of", () => {
  it("a server's answer in chat", async () => {
    expectShown(await onTerminal(["chat", `openai:x@${url}/v1`], "hello\n/quit\n"));
  });

  it("a server's error message", async () => {
    expectShown(await onTerminal(["chat", `openai:x@${url}/bad`], "hello\n/quit\n"));
  });

  it("a name in a file, in an error line", async () => {
    const path = join(folder, "recipe.yaml");
    writeFileSync(path, JSON.stringify({ model: "m", data: "d", [ATTACK]: 1 }));
    const text = await onTerminal(["train", path], "");
    expect(text).not.toContain("\x1b");
    expect(text).toContain("]0;owned");
    expect(text).not.toContain("\u009b");
  });

  it("an argument that commander repeats", async () => {
    expectShown(await onTerminal(["train", `--${ATTACK}`], ""));
  });

  it("rows that are printed", async () => {
    const path = join(folder, "rows.jsonl");
    writeFileSync(path, `${JSON.stringify({ prompt: "a", completion: "b", "\u009b31m": "\u202e" })}\n`);
    const text = await onTerminal(["data", "head", path], "");
    expect(text).toContain("\\x9b31m");
    expect(text).not.toMatch(/[\u009b\u202e]/);
  });
});
