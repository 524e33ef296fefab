import { beforeEach, describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import type { Message } from "../tokenizer/chat-template.js";
import { chatCommand } from "./chat.js";
import { type ChatModel, ChatSession } from "./chat-session.js";

let asked: Message[][];
let written: string;
let disposed: string[];

/** Repeats the last message in capitals, one word at a time. */
function echo(name: string): ChatModel {
  return {
    name,
    render: (messages) => messages.map(({ role, content }) => `[${role}] ${content}`).join("\n"),
    count: (messages) => messages.length * 10,
    dispose: async () => void disposed.push(name),
    async reply(messages, onText, signal) {
      asked.push(messages.map((message) => ({ ...message })));
      const { content } = messages.at(-1)!;
      if (content === "too long") throw new UsageError("the prompt has too many tokens");
      for (const word of content.toUpperCase().split(/(?<= )/)) {
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        onText(word);
      }
    },
  };
}

function session(system?: string, debug?: boolean): ChatSession {
  return new ChatSession({
    model: echo("first"),
    open: async (reference) => {
      if (reference === "none") throw new UsageError("none: no such model");
      return echo(reference);
    },
    write: (text) => (written += text),
    system,
    debug,
  });
}

beforeEach(() => {
  asked = [];
  written = "";
  disposed = [];
});

describe("a chat", () => {
  it("streams answers and remembers the conversation", async () => {
    const chat = session("be loud");
    expect(await chat.line("good day")).toBe(true);
    expect(written).toBe("GOOD DAY\n");
    await chat.line("and night");
    expect(asked[1]).toEqual([
      { role: "system", content: "be loud" },
      { role: "user", content: "good day" },
      { role: "assistant", content: "GOOD DAY" },
      { role: "user", content: "and night" },
    ]);
  });

  it("joins lines that end with a backslash, and takes no notice of empty ones", async () => {
    const chat = session();
    await chat.line("one\\");
    expect(chat.continued).toBe(true);
    await chat.line("two");
    await chat.line("  ");
    expect(asked).toEqual([[{ role: "user", content: "one\ntwo" }]]);
  });

  it("forgets on /clear and on /system", async () => {
    const chat = session();
    await chat.line("a");
    await chat.line("/clear");
    await chat.line("b");
    await chat.line("/system be brief");
    await chat.line("c");
    await chat.line("/system");
    await chat.line("d");
    expect(asked.slice(1)).toEqual([
      [{ role: "user", content: "b" }],
      [
        { role: "system", content: "be brief" },
        { role: "user", content: "c" },
      ],
      [{ role: "user", content: "d" }],
    ]);
  });

  it("shows the exact prompt", async () => {
    const chat = session();
    await chat.line("/debug");
    expect(written).toBe("(nothing said yet)\n");
    await chat.line("hi");
    written = "";
    await chat.line("/debug");
    expect(written).toBe(
      '[user] hi⏎\n(10 tokens)\n{"role":"user","content":"hi"}\n{"role":"assistant","content":"HI"}\n',
    );
  });

  it("shows the prompt of each answer when asked to from the start", async () => {
    const chat = session("be loud", true);
    await chat.line("/debug");
    expect(written).toBe("(nothing said yet)\n");
    written = "";
    await chat.line("a");
    await chat.line("b");
    expect(written).toMatch(/^A\n\[system\] be loud\n\[user\] a⏎\n\(20 tokens\)\n/);
    expect(written).toContain("B\n[system] be loud\n[user] a\n[assistant] A\n[user] b⏎\n(40 tokens)\n");
  });

  it("says of a server's model that it renders the prompt itself, and shows the dialogue", async () => {
    const { count: _, ...hidden } = { ...echo("server"), render: () => undefined };
    const chat = new ChatSession({ model: hidden, open: async () => hidden, write: (text) => (written += text) });
    await chat.line("a");
    written = "";
    await chat.line("/debug");
    expect(written).toMatch(/^\(a server's model: it renders the prompt itself\)\n\{"role":"user","content":"a"\}\n/);
  });

  it("takes exit and clear as commands only where they are all of a message", async () => {
    const chat = session();
    for (const text of ["exit the shop", "Clear", "how do I exit", "quit"]) expect(await chat.line(text)).toBe(true);
    expect(asked).toHaveLength(4);
    await chat.line(" clear ");
    await chat.line("again");
    expect(asked[4]).toEqual([{ role: "user", content: "again" }]);
    expect(await chat.line("  exit")).toBe(false);
  });

  it("answers in at most 2,048 tokens unless told otherwise", () => {
    const option = chatCommand().options.find(({ long }) => long === "--max-tokens");
    expect(option?.defaultValue).toBe(2048);
  });

  it("changes the model in mid-conversation, and keeps the old one when the new one cannot be had", async () => {
    const chat = session();
    await chat.line("a");
    await chat.line("/model none");
    await chat.line("/model");
    expect(written).toBe("A\nnone: no such model\nfirst\n");
    await chat.line("/model second");
    expect(disposed).toEqual(["first"]);
    await chat.line("b");
    expect(asked[1]).toHaveLength(3);
  });

  it("keeps what was written when an answer is stopped", async () => {
    const chat = session();
    const answering = chat.line("one two three four five");
    while (!written.includes("TWO")) await new Promise((resolve) => setImmediate(resolve));
    expect(chat.busy).toBe(true);
    chat.stop();
    await answering;
    expect(chat.busy).toBe(false);
    await chat.line("go on");
    expect(asked[1]![1]!.content).toMatch(/^ONE TWO .*…$/);
    expect(asked[1]![1]!.content).not.toContain("FIVE");
  });

  it("drops a message that the model refuses", async () => {
    const chat = session();
    await chat.line("too long");
    await chat.line("x");
    expect(written).toBe("the prompt has too many tokens\nX\n");
    expect(asked[1]).toEqual([{ role: "user", content: "x" }]);
  });

  it("knows its commands, and leaves on /quit", async () => {
    const chat = session();
    await chat.line("/help");
    for (const name of ["/clear", "/system", "/model", "/debug", "/quit"]) expect(written).toContain(name);
    await chat.line("/nonsense");
    expect(written).toMatch(/\/nonsense is not known/);
    expect(await chat.line("/quit")).toBe(false);
    expect(await chat.line("exit")).toBe(false);
    written = "";
    expect(await chat.line("clear")).toBe(true);
    expect(written).toBe("(conversation forgotten)\n");
    expect(asked).toEqual([]);
  });
});
