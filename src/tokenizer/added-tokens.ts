import { FailureError } from "../errors.js";

/** A token that is found in a text as a whole, as tokenizer.json lists them. */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
}

type Json = Record<string, unknown>;

/** Special tokens that a configuration names, in the order in which transformers adds them. */
export const NAMED_TOKENS = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((name) => `${name}_token`);

/** A special token is written as its text or as an object with its text. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

/**
 * All added tokens of a tokenizer: those of tokenizer.json, then those that only tokenizer_config.json (`added_tokens_decoder`, named
 * tokens, further special ones) or added_tokens.json knows, numbered as transformers numbers them.
 *
 * @param vocabulary ids of the model's own tokens.
 * @throws FailureError for a token whose id the files contradict, and for an end-of-sequence token that no file gives an id.
 */
export function addedTokens(
  source: string,
  listed: readonly unknown[],
  config: Json,
  legacy: Json,
  vocabulary: ReadonlyMap<string, number>,
): AddedToken[] {
  const tokens = new Map<string, AddedToken>();
  for (const entry of listed) {
    const token = readToken(entry, (entry as Json).id);
    if (!token) throw new FailureError(`${source}: an entry of added_tokens has no content or no id`);
    tokens.set(token.content, token);
  }
  const nextId = (): number => {
    const highest = Math.max(-1, ...[...tokens.values()].map(({ id }) => id));
    return highest >= vocabulary.size ? highest + 1 : vocabulary.size;
  };
  const add = (entry: unknown, wanted: unknown, special?: true): void => {
    const content = tokenText(entry);
    if (content === undefined || content === "") return;
    const known = tokens.get(content)?.id ?? vocabulary.get(content);
    const id = known ?? nextId();
    if (wanted !== undefined && Number(wanted) !== id)
      throw new FailureError(
        `${source}: its files give the token ${JSON.stringify(content).slice(0, 80)} the id ${(typeof wanted === "string" ? wanted : JSON.stringify(wanted)).slice(0, 40)}, by its vocabulary it has ${id}; save the tokenizer anew (transformers: save_pretrained)`,
      );
    const token = readToken(typeof entry === "string" ? { content } : entry, id)!;
    const earlier = tokens.get(content);
    if (special) token.special = true;
    if (typeof entry === "string") Object.assign(token, earlier ?? { normalized: !token.special });
    if (special) token.special = true;
    tokens.set(content, token);
  };
  const decoder = Object.entries((config.added_tokens_decoder ?? {}) as Json);
  for (const [id, entry] of decoder.sort(([a], [b]) => Number(a) - Number(b))) add(entry, id);
  for (const [content, id] of Object.entries(legacy).sort(([, a], [, b]) => Number(a) - Number(b)))
    if (!tokens.has(content)) add(content, id);
  const eos = tokenText(config.eos_token);
  if (eos !== undefined && eos !== "" && !tokens.has(eos) && !vocabulary.has(eos))
    throw new FailureError(
      `${source}: the end-of-sequence token ${JSON.stringify(eos)} (eos_token) has no id in the tokenizer's files, so a model could never stop; name one that exists or save the tokenizer with it`,
    );
  for (const name of NAMED_TOKENS) add(config[name], undefined, true);
  for (const entry of furtherTokens(config)) add(entry, undefined, true);
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

/** `extra_special_tokens` (a list, or an object of names) and, as it was called before, `additional_special_tokens`. */
export function furtherTokens(config: Json): unknown[] {
  return [config.extra_special_tokens, config.additional_special_tokens].flatMap((list) =>
    Array.isArray(list) ? list : list && typeof list === "object" ? Object.values(list) : [],
  );
}

function readToken(entry: unknown, id: unknown): AddedToken | undefined {
  const { content, special = false, single_word = false, lstrip = false, rstrip = false, normalized } = entry as Json;
  if (typeof content !== "string" || !Number.isInteger(id)) return undefined;
  return {
    id: id as number,
    content,
    special: special === true,
    single_word: single_word === true,
    lstrip: lstrip === true,
    rstrip: rstrip === true,
    normalized: typeof normalized === "boolean" ? normalized : special !== true,
  };
}
