import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** Which token of a text a character belongs to. */
export class TokenIndex {
  /** @param ids tokens of the whole text, without any added to it. */
  constructor(
    private readonly text: string,
    private readonly ids: readonly number[],
    private readonly tokenizer: Tokenizer,
  ) {}

  /**
   * Number of leading tokens that lie before character `at`; a token that straddles it is not counted.
   *
   * A first guess is as many as the text before `at` has in common with the whole when tokenised alone. It may have been cut
   * otherwise there, so tokens are added as long as what they say, decoded, is the text and does not pass `at`.
   */
  at(at: number): number {
    if (at === this.text.length) return this.ids.length;
    if (at === 0) return 0;
    const before = this.tokenizer.encode(this.text.slice(0, at), { addSpecialTokens: false });
    let n = 0;
    while (n < before.length && n < this.ids.length && before[n] === this.ids[n]) n++;
    if (n === before.length) return n;
    while (n < this.ids.length) {
      const said = this.tokenizer.decode(this.ids.slice(0, n + 1));
      if (said.length > at || !this.text.startsWith(said)) break;
      n++;
    }
    return n;
  }

  /**
   * Number of leading tokens that lie before the end of a part, `first` of them before the part. Where the part ends with a
   * token that ends a turn, such tokens are counted off, which saves tokenising the text again.
   */
  endOf([start, end]: [start: number, end: number], first: number, stops: readonly number[]): number {
    const part = this.text.slice(start, end);
    for (const id of stops) {
      const stop = this.tokenizer.idToToken(id);
      if (!stop || !part.endsWith(stop)) continue;
      let at = first - 1;
      for (let left = part.split(stop).length - 1; left > 0 && at < this.ids.length; left--) {
        do at++;
        while (at < this.ids.length && this.ids[at] !== id);
      }
      if (at < this.ids.length) return at + 1;
    }
    const n = this.at(end);
    // A token that straddles the end is the part's last.
    return end < this.text.length && this.tokenizer.decode(this.ids.slice(0, n)).length < end ? n + 1 : n;
  }
}
