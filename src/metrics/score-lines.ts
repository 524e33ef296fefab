/** A name at the beginning of a line, behind a list's, heading's, quote's or table's marks, and what stands behind it. */
const NAMED = /^[\s>*_#|•\d.)-]*([A-Za-z][A-Za-z_ ]{0,39}?)["'*_]*\s*(?:[:=|]|\s[-–—]\s)\s*(.*)$/;
/** Ends what is a score in such a line: reasons, another cell, a remark. */
const SCORE_END = /\s[-–—]\s|[|;(]|[.,:]\s/;

/**
 * Scores that judges write in lines: `Depth: 4/5 – two of three parts`, `| Depth | 4 | … |`, or YAML, where the score stands in a line
 * `score:` below the name. Returns each name with what is said of it, in order.
 */
export function scoreLines(text: string): [name: string, score: string][] {
  const found: [string, string][] = [];
  let name: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, key, rest] = NAMED.exec(line) ?? [];
    if (key === undefined) continue;
    const said = scoreIn(rest!);
    const isScore = /^(?:score|rating)$/i.test(key.trim());
    if (isScore && name !== undefined && said !== "") {
      found.push([name, said]);
      name = undefined;
    } else if (!isScore && said === "") name = key;
    else if (!isScore && /\d|\b(?:one|two|three|four|five|n\/a)\b/i.test(said)) found.push([key, said]);
  }
  return found;
}

function scoreIn(rest: string): string {
  const bare = rest.replace(/^["'*_`\s]+|["'*_`\s]+$/g, "");
  return bare.split(SCORE_END)[0]!.replace(/["'*_`\s]+$/g, "");
}
