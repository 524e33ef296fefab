import { UsageError } from "../errors.js";

const DEFAULT_URL = "https://api.openai.com/v1";

export interface OpenAiReference {
  /** The model's name at the server. */
  name: string;
  /** Base URLs up to and including "/v1", without a trailing slash; more than one are balanced. */
  baseUrls: string[];
}

export function isOpenAiReference(reference: string): boolean {
  return reference.startsWith("openai:");
}

/** @throws UsageError for a server's reference that cannot be used, such as one with a key in its URL. */
export function checkReference(reference: string, env: NodeJS.ProcessEnv = process.env): void {
  if (isOpenAiReference(reference)) parseOpenAiReference(reference, env);
}

/**
 * Reads `openai:NAME@BASE_URL[,BASE_URL…]`. Without a URL, OPENAI_BASE_URL or OpenAI itself is meant. A name may
 * contain "@"; the URL part begins at "@http".
 *
 * @throws UsageError on a missing name or a broken URL.
 */
export function parseOpenAiReference(reference: string, env: NodeJS.ProcessEnv = process.env): OpenAiReference {
  const rest = reference.slice("openai:".length);
  const at = rest.search(/@https?:\/\//);
  const name = at >= 0 ? rest.slice(0, at) : rest;
  const urls = at >= 0 ? rest.slice(at + 1) : env.OPENAI_BASE_URL || DEFAULT_URL;
  if (name.includes("://"))
    throw new UsageError(`${hideCredentials(reference)}: only http and https URLs are understood`);
  if (!name)
    throw new UsageError(`${hideCredentials(reference)}: a model name is missing; expected openai:NAME@BASE_URL`);
  const baseUrls = urls.split(",").map((url) => normalise(url.trim(), reference));
  return { name, baseUrls: [...new Set(baseUrls)] };
}

function normalise(url: string, reference: string): string {
  // Before anything else looks at it: a broken URL with a key in it is not to be shown, either.
  if (SECRET_PART.test(url))
    throw new UsageError(
      `${hideCredentials(reference)}: put the key into OPENAI_API_KEY (or --api-key-env NAME), not into the URL, which may hold no "@", "?" or "#"`,
    );
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new UsageError(`${hideCredentials(reference)}: "${hideCredentials(url)}" is not a URL`);
  }
  if (!/^https?:$/.test(parsed.protocol))
    throw new UsageError(`${hideCredentials(reference)}: only http and https URLs are understood`);
  return url.replace(/\/+$/, "");
}

/** Where a URL can carry a key: user information, query, fragment. */
const SECRET_PART = /[@?#]/;

/** A URL or reference as it may be shown: what stands in such places is replaced. */
function hideCredentials(text: string): string {
  return text.replace(/\/\/[^\s]*@/g, "//…@").replace(/([?#])[^,\s]*/g, "$1…");
}
