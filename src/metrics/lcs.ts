/** Bits of a state word in use: sums of two such words and a carry stay below 2³¹, so all arithmetic is on small integers. */
export const LCS_WORD_BITS = 30;
const FULL = 2 ** LCS_WORD_BITS - 1;

/** Number of set bits of a 32-bit word. */
export function countBits(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * Length of the longest common subsequence of two sequences of token ids, in O(|b| · ⌈|a| / 30⌉): the bit-parallel
 * recurrence V ← (V + (V ∧ M)) ∨ (V ∧ ¬M) of Hyyrö, "Bit-parallel LCS-length computation revisited" (2004), where M
 * marks the places of the present token in `a` and every zero bit of V counts one.
 */
export function lcsLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const words = Math.ceil(a.length / LCS_WORD_BITS);
  const places = new Map<number, Int32Array>();
  for (let i = 0; i < a.length; i++) {
    let masks = places.get(a[i]!);
    if (!masks) places.set(a[i]!, (masks = new Int32Array(words)));
    masks[Math.floor(i / LCS_WORD_BITS)]! |= 1 << (i % LCS_WORD_BITS);
  }
  const state = new Int32Array(words).fill(FULL);
  for (let j = 0; j < b.length; j++) {
    const masks = places.get(b[j]!);
    if (!masks) continue;
    let carry = 0;
    for (let w = 0; w < words; w++) {
      const v = state[w]!;
      const sum = v + (v & masks[w]!) + carry;
      carry = sum >>> LCS_WORD_BITS;
      state[w] = (sum & FULL) | (v & ~masks[w]!);
    }
  }
  let length = words * LCS_WORD_BITS;
  for (let w = 0; w < words; w++) length -= countBits(state[w]!);
  return length;
}

/**
 * The positions in `reference` of one longest common subsequence with `candidate`, ascending. Where several exist, the
 * walk back through the table prefers to leave the reference's token out, as the reference ROUGE scorer does.
 */
export function lcsPositions(reference: ArrayLike<number>, candidate: ArrayLike<number>): number[] {
  const width = candidate.length + 1;
  const table = new Uint32Array((reference.length + 1) * width);
  for (let i = 1; i <= reference.length; i++) {
    for (let j = 1; j < width; j++) {
      const at = i * width + j;
      table[at] =
        reference[i - 1] === candidate[j - 1]
          ? table[at - width - 1]! + 1
          : Math.max(table[at - width]!, table[at - 1]!);
    }
  }
  const positions: number[] = [];
  let i = reference.length;
  let j = candidate.length;
  while (i > 0 && j > 0) {
    const at = i * width + j;
    if (reference[i - 1] === candidate[j - 1]) {
      positions.push(--i);
      j--;
    } else if (table[at - 1]! > table[at - width]!) j--;
    else i--;
  }
  return positions.reverse();
}
