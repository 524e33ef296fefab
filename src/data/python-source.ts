/** Texts in Python sources, read out without running them. */
import { FailureError } from "../errors.js";

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", "\n": "", "'": "'", '"': '"', "\\": "\\" };

const unescaped = (text: string): string =>
  text.replace(/\\([\s\S])/g, (whole, sign: string) => ESCAPES[sign] ?? whole);

/**
 * The string that a name is first given, in triple or plain quotes.
 *
 * @param path what to call the source in messages.
 * @throws FailureError when there is none.
 */
export function pythonString(source: string, name: string, path: string): string {
  const pattern = new RegExp(
    `(?<![\\w.])${name}\\s*=\\s*(?:"""((?:[^\\\\]|\\\\[^])*?)"""|'''((?:[^\\\\]|\\\\[^])*?)'''|"((?:[^"\\\\\\n]|\\\\.)*)"|'((?:[^'\\\\\\n]|\\\\.)*)')`,
  );
  const text = pattern
    .exec(source)
    ?.slice(1)
    .find((part) => part !== undefined);
  if (text === undefined) throw new FailureError(`${path}: gives ${name} no text`);
  return unescaped(text);
}
