/** Guesses how a text goes on. A step checks guesses, so a wrong one costs time and changes nothing. */
export interface TokenPredictor {
  /** Tokens of the text so far. */
  readonly length: number;
  /** The text goes on. */
  add(token: number): void;
  /** The tokens that probably come next: as many, up to `most`, as are worth checking. */
  guess(most: number): number[];
}
