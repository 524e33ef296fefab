/** Inside a character class: the white space of Python's `str.strip` and `\s`. JavaScript's misses some and adds U+FEFF. */
export const PY_SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const SPACE = new RegExp(`[${PY_SPACE}]`);

/** `text.strip(characters)`, or its `left` or `right` half; white space where no characters are named. */
export function pythonStrip(text: string, characters: string | undefined, left: boolean, right: boolean): string {
  const points = Array.from(text);
  const strips = (point: string): boolean =>
    characters === undefined ? SPACE.test(point) : Array.from(characters).includes(point);
  let [start, end] = [0, points.length];
  while (right && end > start && strips(points[end - 1]!)) end--;
  while (left && start < end && strips(points[start]!)) start++;
  return points.slice(start, end).join("");
}
