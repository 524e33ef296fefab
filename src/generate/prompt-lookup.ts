/**
 * Guesses how a text goes on by finding where its last tokens stood before: prompt lookup decoding (Saxena 2023,
 * github.com/apoorvumang/prompt-lookup-decoding), a draft for speculative decoding (arXiv 2211.17192) that needs no
 * second model. One step checks a guess; what was guessed wrongly is thrown away, so a guess changes only the speed.
 */
import type { TokenPredictor } from "./token-predictor.js";

/** Tokens of an earlier place that are compared, at most. */
const LONGEST = 8;
/** Earlier places that are compared, at most; the latest come first. */
const PLACES = 16;
/** Time of checking one more token, and of checking any at all, as shares of a step's (SmolLM2-135M in 8 bits). */
const COST = { each: 0.19, some: 0.11 };
/** Weight of the latest guess in how often those after as long a match were right. */
const LEARNING = 0.15;
/** The same before the first guess. */
const FIRST_BELIEF = 0.5;

/** Two token ids as one number. */
const pair = (a: number, b: number): number => a * 2 ** 26 + b;

export class PromptLookup implements TokenPredictor {
  private readonly text: number[] = [];
  /** For a pair of tokens, the number of tokens up to its latest end. */
  private readonly latest = new Map<number, number>();
  /** For a number of tokens, that of the place before where the same pair ended; 0: none. */
  private readonly before: number[] = [];
  /** By the length of a match, how often the token after it was the same, too. */
  private readonly belief: number[] = Array.from({ length: LONGEST + 1 }, () => FIRST_BELIEF);
  private expected?: { token: number; match: number };

  /** Tokens of the text so far. */
  get length(): number {
    return this.text.length;
  }

  /** The text goes on. */
  add(token: number): void {
    const { text, expected } = this;
    if (expected) {
      const right = token === expected.token ? 1 : 0;
      this.belief[expected.match]! += LEARNING * (right - this.belief[expected.match]!);
      this.expected = undefined;
    }
    text.push(token);
    if (text.length < 2) return;
    const key = pair(text.at(-2)!, token);
    this.before[text.length] = this.latest.get(key) ?? 0;
    this.latest.set(key, text.length);
  }

  /** The tokens that probably come next: as many, up to `most`, as are worth checking. */
  guess(most: number): number[] {
    const { text } = this;
    const { place, match } = this.longestMatch();
    if (match === 0) return [];
    const tokens: number[] = [];
    // Where the earlier place reaches the end of the text, the guess itself goes on: a repetition without end.
    for (let at = place; tokens.length < most; at++) tokens.push(text[at] ?? tokens[at - text.length]!);
    if (tokens.length > 0) this.expected = { token: tokens[0]!, match };
    tokens.length = worthChecking(this.belief[match]!, tokens.length);
    return tokens;
  }

  /** The earlier place whose last tokens agree with the text's for longest, and for how many. */
  private longestMatch(): { place: number; match: number } {
    const { text, before } = this;
    const end = text.length;
    let best = { place: 0, match: 0 };
    for (let place = before[end] ?? 0, i = 0; place > 0 && i < PLACES; place = before[place] ?? 0, i++) {
      let match = 2;
      while (match < LONGEST && match < place && text[place - 1 - match] === text[end - 1 - match]) match++;
      if (match > best.match) best = { place, match };
    }
    return best;
  }
}

/** How many tokens, each right with chance `p` if those before it are, give most tokens for a step's time. */
function worthChecking(p: number, most: number): number {
  let best = { count: 0, rate: 1 };
  let chance = 1;
  let expected = 1;
  for (let count = 1; count <= most; count++) {
    chance *= p;
    expected += chance;
    const rate = expected / (1 + COST.some + COST.each * count);
    if (rate > best.rate) best = { count, rate };
  }
  return best.count;
}
