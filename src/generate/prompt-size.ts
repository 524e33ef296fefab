/** Refuses prompts that no model could read before they are tokenised, which takes long and holds up everything else. */
import { ContextLengthError } from "../errors.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { LocalGenerateRequest } from "./request.js";

/** Characters tokenised in one turn of the event loop. */
const SLICE = 4_096;
/** Tokens that a cut may add, with a wide margin: the pieces beside it would have been joined. */
const CUT_TOKENS = 16;

/**
 * Counts the tokens of a long text piece by piece, letting others go on in between, until it is certainly too long. Passes
 * whatever may fit; the exact number is left to the generator.
 * @throws ContextLengthError for more tokens than `maxPositions`; the signal's reason.
 */
export async function checkPromptSize(
  { prompt, messages, tokens }: Pick<LocalGenerateRequest, "prompt" | "messages" | "tokens">,
  tokenizer: Pick<Tokenizer, "encode">,
  maxPositions: number,
  signal?: AbortSignal,
): Promise<void> {
  const tooLong = (): ContextLengthError =>
    new ContextLengthError(
      `the prompt has more than ${maxPositions} tokens, the model reads ${maxPositions} with its answer`,
    );
  if (tokens && tokens.length > maxPositions) throw tooLong();
  const texts = messages ? messages.map(({ content }) => content) : [prompt ?? ""];
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length <= maxPositions) return;
  let count = 0;
  for (const text of texts)
    for (let start = 0, end = 0; start < text.length; start = end) {
      end = cutAt(text, start);
      count += tokenizer.encode(text.slice(start, end), { addSpecialTokens: false }).length - CUT_TOKENS;
      if (count > maxPositions) throw tooLong();
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
}

/** Before a space where there is one, and never inside a surrogate pair. */
function cutAt(text: string, start: number): number {
  const end = start + SLICE;
  if (end >= text.length) return text.length;
  const space = text.lastIndexOf(" ", end);
  if (space > start + SLICE / 2) return space;
  const code = text.charCodeAt(end);
  return code >= 0xdc00 && code <= 0xdfff ? end - 1 : end;
}
