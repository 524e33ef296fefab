import { EvokeError } from "../errors.js";
import type { Message } from "../tokenizer/chat-template.js";

/** What a conversation needs of a model. */
export interface ChatModel {
  /** Name to show. */
  readonly name: string;
  /** Writes the next turn; text that came before an abort counts as the answer. */
  reply(messages: Message[], onText: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** The exact text that the model reads for a conversation; undefined where a server hides it. */
  render(messages: Message[]): string | undefined;
  /** Tokens that the model reads for a conversation; undefined where a server hides it. */
  count?(messages: Message[]): number | Promise<number>;
  dispose(): Promise<void>;
}

export interface ChatOptions {
  model: ChatModel;
  open(reference: string): Promise<ChatModel>;
  write(text: string): void;
  system?: string;
  /** Show after every answer what `/debug` shows. */
  debug?: boolean;
}

const HELP = `Type a message and press Enter. A line that ends with \\ goes on in the next one.
  /clear           forget the conversation (or: clear)
  /system [TEXT]   set the system message (no text: remove it) and forget the conversation
  /model [MODEL]   show the model, or go on with another one
  /debug           show the exact text that the model read last, its number of tokens, and the dialogue
  /help            this list
  /quit            leave (or: exit)
Ctrl-C stops an answer; pressed twice, it leaves.
`;

/** A conversation at a terminal, one line at a time, without the terminal. */
export class ChatSession {
  private messages: Message[] = [];
  private system?: string;
  private model: ChatModel;
  private pending = "";
  private current?: AbortController;

  constructor(private readonly options: ChatOptions) {
    this.model = options.model;
    this.system = options.system;
  }

  /** Whether an answer is being written. */
  get busy(): boolean {
    return this.current !== undefined;
  }

  /** Whether the next line goes on with the last one. */
  get continued(): boolean {
    return this.pending !== "";
  }

  /** Stops the answer under way; what was written of it stays in the conversation. */
  stop(): void {
    this.current?.abort();
  }

  /** Takes one line; false when the user leaves. */
  async line(text: string): Promise<boolean> {
    if (text.endsWith("\\")) {
      this.pending += `${text.slice(0, -1)}\n`;
      return true;
    }
    const whole = this.pending + text;
    this.pending = "";
    if (whole.trim() === "") return true;
    const bare = whole.trim();
    if (bare === "exit" || bare === "clear") return this.command(`/${bare}`, "");
    if (!whole.startsWith("/")) {
      await this.answer(whole);
      return true;
    }
    const [command, ...words] = whole.trim().split(/\s+/);
    return this.command(command!, words.join(" "));
  }

  private async command(name: string, rest: string): Promise<boolean> {
    const { write } = this.options;
    switch (name) {
      case "/quit":
      case "/exit":
        return false;
      case "/help":
        write(HELP);
        return true;
      case "/clear":
        this.messages = [];
        write("(conversation forgotten)\n");
        return true;
      case "/system":
        this.system = rest === "" ? undefined : rest;
        this.messages = [];
        write(rest === "" ? "(no system message)\n" : "(system message set)\n");
        return true;
      case "/model":
        await this.change(rest);
        return true;
      case "/debug":
        write(await this.debugText());
        return true;
      default:
        write(`${name} is not known; /help lists what is\n`);
        return true;
    }
  }

  private async change(reference: string): Promise<void> {
    const { open, write } = this.options;
    if (reference === "") {
      write(`${this.model.name}\n`);
      return;
    }
    try {
      const next = await open(reference);
      await this.model.dispose();
      this.model = next;
      write(`(now ${next.name}; the conversation goes on)\n`);
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      write(`${error.message}\n`);
    }
  }

  private conversation(): Message[] {
    const system: Message[] = this.system === undefined ? [] : [{ role: "system", content: this.system }];
    return [...system, ...this.messages];
  }

  private async debugText(): Promise<string> {
    const messages = this.conversation();
    if (this.messages.length === 0) return "(nothing said yet)\n";
    // An answer is no part of the prompt that it was written to.
    const prompt = messages.slice(0, messages.findLastIndex(({ role }) => role === "user") + 1);
    const text = this.model.render(prompt);
    const dialogue = messages.map(({ role, content }) => `${JSON.stringify({ role, content })}\n`).join("");
    if (text === undefined) return `(a server's model: it renders the prompt itself)\n${dialogue}`;
    const tokens = await this.model.count?.(prompt);
    return `${text}⏎\n${tokens === undefined ? "" : `(${tokens} tokens)\n`}${dialogue}`;
  }

  private async answer(content: string): Promise<void> {
    const { write } = this.options;
    this.messages.push({ role: "user", content });
    const controller = new AbortController();
    this.current = controller;
    let text = "";
    try {
      await this.model.reply(
        this.conversation(),
        (piece) => {
          text += piece;
          write(piece);
        },
        controller.signal,
      );
    } catch (error) {
      if (!controller.signal.aborted) {
        this.messages.pop();
        if (!(error instanceof EvokeError)) throw error;
        write(`${error.message}\n`);
        return;
      }
      text += " …";
      write(" …");
    } finally {
      this.current = undefined;
    }
    this.messages.push({ role: "assistant", content: text });
    write("\n");
    if (this.options.debug) write(await this.debugText());
  }
}
