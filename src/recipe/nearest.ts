/** Number of single-character insertions, deletions, replacements and swaps of neighbours between two words. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforePrevious[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length]!;
}

/**
 * The entry of `choices` (wanted word → what to suggest) nearest to a mistyped word, ignoring case, `-` and `_`.
 * Undefined when none is near: more than 2 edits and more than two fifths of the longer word.
 */
export function nearest(word: string, choices: Iterable<readonly [string, string]>): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_]/g, "").slice(0, 64);
  let best: string | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  for (const [name, suggestion] of choices) {
    const length = Math.max(plain(word).length, plain(name).length);
    const distance = editDistance(plain(word), plain(name));
    if (distance > Math.max(Math.min(2, length - 1), 0.4 * length)) continue;
    // Relative to length: one edit in a long word is nearer than one in a short word.
    const score = distance / Math.max(1, length);
    if (score < bestScore) [best, bestScore] = [suggestion, score];
  }
  return best;
}
