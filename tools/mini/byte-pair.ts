/** A learnt merge of two neighbouring symbols. */
export type Merge = readonly [string, string];

interface Word {
  symbols: string[];
  count: number;
}

/**
 * Learns byte-pair merges (Sennrich et al. 2016): again and again the most frequent pair of neighbours becomes one
 * symbol. Ties go to the pair that sorts first, so the result depends on the counts alone.
 *
 * @param counts how often each word occurs; words are strings of single-character symbols.
 * @param merges how many merges to learn; fewer are returned when no pair occurs twice.
 */
export function learnMerges(counts: ReadonlyMap<string, number>, merges: number): Merge[] {
  const words: Word[] = [...counts].map(([word, count]) => ({ symbols: [...word], count }));
  const pairCounts = new Map<string, number>();
  const wordsOfPair = new Map<string, Set<Word>>();
  const tally = (word: Word, sign: 1 | -1): void => {
    for (let i = 0; i + 1 < word.symbols.length; i++) {
      const key = `${word.symbols[i]} ${word.symbols[i + 1]}`;
      pairCounts.set(key, (pairCounts.get(key) ?? 0) + sign * word.count);
      if (sign > 0) (wordsOfPair.get(key) ?? wordsOfPair.set(key, new Set()).get(key))?.add(word);
    }
  };
  for (const word of words) tally(word, 1);

  const learnt: Merge[] = [];
  while (learnt.length < merges) {
    let best = "";
    let most = 1;
    for (const [key, count] of pairCounts)
      if (count > most || (count === most && most > 1 && key < best)) [best, most] = [key, count];
    if (best === "") break;
    const [left, right] = best.split(" ") as [string, string];
    learnt.push([left, right]);
    for (const word of wordsOfPair.get(best) ?? []) {
      tally(word, -1);
      word.symbols = merged(word.symbols, left, right);
      tally(word, 1);
    }
    pairCounts.delete(best);
    wordsOfPair.delete(best);
  }
  return learnt;
}

function merged(symbols: string[], left: string, right: string): string[] {
  const result: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      result.push(left + right);
      i++;
    } else result.push(symbols[i] as string);
  }
  return result;
}
