import { withoutThoughts } from "../metrics/judge-reply.js";

/** The words that a transcript is read by. */
const LABEL = "(?:Example\\s?\\d*|Input\\s?\\d*|Output\\s?\\d*|Class label)";
const FENCE = /^\s*(?:```|~~~)\w*\s*$/;
const RULE = /^\s*(?:[-*_=]\s*){3,}$/;
/** A label with the marks that chat models put around it: heading, bullet, bold. */
const DECORATED = new RegExp(
  `^\\s*(?:#{1,6}\\s+|[-*•]\\s+)?[*_]{0,3}(${LABEL})[*_]{0,3}\\s*([.:]?)[*_]{0,3}[^\\S\\n]*`,
  "i",
);

/**
 * A chat model's reply in the form that the prompt's examples have: without thoughts, preamble, fences and rules, with plain labels
 * ("Input:", "Output:", "Class label:", "Example 1").
 */
export function plainTranscript(reply: string): string {
  const lines = withoutThoughts(reply)
    .split(/\r?\n/)
    .filter((line) => !FENCE.test(line) && !RULE.test(line))
    .map(plainLine);
  const first = lines.findIndex((line) => new RegExp(`^${LABEL}\\s*[.:]?`).test(line));
  return lines.slice(Math.max(first, 0)).join("\n").trim();
}

function plainLine(line: string): string {
  const found = DECORATED.exec(line);
  if (!found) return line;
  const [whole, label, mark] = found as unknown as [string, string, string];
  const isExample = /^example/i.test(label);
  const rest = line.slice(whole.length);
  // "Input" or "Output" without a colon begins a sentence; "Example" must be a line of its own or have its mark.
  if (mark === "" && (!isExample || rest.trim() !== "")) return line;
  const name = label[0]!.toUpperCase() + label.slice(1).toLowerCase();
  if (isExample) return rest === "" ? name : `${name}\n${rest}`;
  return rest === "" ? `${name}:` : `${name}: ${rest}`;
}
