/** What turns a piece of text into ids. */
export interface Model {
  /** Token → id. */
  readonly vocabulary: Map<string, number>;
  tokenize(word: string): number[];
}
