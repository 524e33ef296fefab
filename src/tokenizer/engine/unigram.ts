import { FailureError } from "../../errors.js";
import { byteToken, type Component, utf8 } from "./component.js";
import type { Model } from "./model.js";

/** How much worse an unknown character is than the worst piece. */
const PENALTY = 10;

interface Node {
  children: Map<string, Node>;
  id?: number;
}

/** The most probable sequence of pieces (SentencePiece's unigram model). */
export class Unigram implements Model {
  readonly vocabulary = new Map<string, number>();
  readonly #scores: number[] = [];
  readonly #root: Node = { children: new Map() };
  readonly #unknown?: number;
  readonly #unknownScore: number;
  readonly #fallback: boolean;

  constructor(part: Component) {
    let lowest = Number.POSITIVE_INFINITY;
    for (const [id, entry] of ((part.vocab ?? []) as unknown[]).entries()) {
      const [piece, score] = entry as [unknown, unknown];
      if (typeof piece !== "string" || typeof score !== "number")
        throw new FailureError("an entry of its Unigram vocabulary is not a piece with its score");
      this.vocabulary.set(piece, id);
      this.#scores.push(score);
      lowest = Math.min(lowest, score);
      let node = this.#root;
      for (const char of piece) {
        let child = node.children.get(char);
        if (!child) node.children.set(char, (child = { children: new Map() }));
        node = child;
      }
      node.id = id;
    }
    if (part.unk_id !== null && part.unk_id !== undefined) this.#unknown = part.unk_id as number;
    if (this.#unknown !== undefined && this.#unknown >= this.#scores.length)
      throw new FailureError("its unk_id is not in the vocabulary");
    this.#unknownScore = lowest - PENALTY;
    this.#fallback = part.byte_fallback === true;
  }

  tokenize(word: string): number[] {
    const ids: number[] = [];
    for (const piece of this.#pieces(Array.from(word))) {
      const id = this.vocabulary.get(piece);
      if (id !== undefined) {
        ids.push(id);
        continue;
      }
      const bytes = this.#fallback ? Array.from(utf8(piece), (byte) => this.vocabulary.get(byteToken(byte))) : [];
      if (bytes.length && bytes.every((byte) => byte !== undefined)) ids.push(...(bytes as number[]));
      else ids.push(this.#unknownId());
    }
    return ids;
  }

  #unknownId(): number {
    if (this.#unknown === undefined)
      throw new FailureError("the tokenizer cannot write this text: it has no token for what is unknown (unk_id)");
    return this.#unknown;
  }

  /** The best way through the text; neighbouring unknown characters are one piece. */
  #pieces(chars: string[]): string[] {
    const count = chars.length;
    const scores = new Float64Array(count + 1);
    const starts = new Int32Array(count + 1).fill(-1);
    const ids = new Int32Array(count + 1).fill(-1);
    const offer = (start: number, end: number, id: number, score: number): void => {
      const total = score + scores[start]!;
      if (starts[end] !== -1 && !(total > scores[end]!)) return;
      scores[end] = total;
      starts[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < count; start++) {
      let single = false;
      let node: Node | undefined = this.#root;
      for (let end = start; end < count && (node = node.children.get(chars[end]!)); end++) {
        if (node.id === undefined) continue;
        offer(start, end + 1, node.id, this.#scores[node.id]!);
        if (end === start) single = true;
      }
      if (!single) offer(start, start + 1, this.#unknownId(), this.#unknownScore);
    }
    const pieces: string[] = [];
    let unknown = "";
    for (let end = count; end > 0; end = starts[end]!) {
      const piece = chars.slice(starts[end], end).join("");
      if (this.#unknown !== undefined && ids[end] === this.#unknown) {
        unknown = piece + unknown;
        continue;
      }
      if (unknown) pieces.push(unknown);
      unknown = "";
      pieces.push(piece);
    }
    if (unknown) pieces.push(unknown);
    return pieces.reverse();
  }
}
