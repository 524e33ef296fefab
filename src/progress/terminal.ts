/**
 * What reaches a terminal. Text of models, servers, files and templates may hold control sequences that move the cursor,
 * colour, retitle the window, fill the clipboard or type answers into the shell (ECMA-48; xterm's control sequences).
 * A guarded stream shows them; only `writeControl`, for sequences of our own, has them obeyed.
 */

/** All C0 but tab and newline, DEL, C1, and the marks that turn the direction of text after them. */
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** The text with its control characters written out, `\x1b` for ESC; tab, newline and a newline's carriage return stay. */
export function visible(text: string): string {
  return text.replace(CONTROL, (character, at: number) => {
    if (character === "\n" || character === "\t") return character;
    if (character === "\r" && text[at + 1] === "\n") return character;
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
  });
}

type Write = NodeJS.WriteStream["write"];

const unguarded = new WeakMap<object, Write>();

/**
 * From now on everything written to the stream is made visible, if it is a terminal; files and pipes get every byte as it
 * is. Called once, when the program starts.
 */
export function guardTerminal(stream: NodeJS.WriteStream): void {
  if (!stream.isTTY || unguarded.has(stream)) return;
  const write = stream.write.bind(stream) as (...given: unknown[]) => boolean;
  unguarded.set(stream, write as Write);
  stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) =>
    write(visible(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString()), ...rest)) as Write;
}

/** Writes control sequences of our own. Text that came from elsewhere is not for here, unless it is `visible`. */
export function writeControl(stream: { write(text: string): unknown }, text: string): void {
  const write = unguarded.get(stream);
  if (write) write(text);
  else stream.write(text);
}

/** The same stream for a library that draws on the terminal itself, such as readline: its sequences are obeyed. */
export function controlStream(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = unguarded.get(stream);
  if (!write) return stream;
  return new Proxy(stream, {
    get(target, name) {
      if (name === "write") return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
