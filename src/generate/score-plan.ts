/** Lays sequences that share their beginnings out in packed rows, so that what they share is computed once. */
import { type PackedRow, packRow } from "../model/packed-row.js";

/** A sequence in a row: index of each of its tokens. */
export interface PlacedSequence {
  /** Number of the sequence, as given. */
  index: number;
  /** Row index of its token `i`. */
  at(i: number): number;
}

export interface PlannedRow {
  row: PackedRow;
  sequences: PlacedSequence[];
}

const ROW_TOKENS = 2048;

/** Sequences with one trunk: the tokens they all begin with. */
interface Group {
  trunk: number;
  members: number[];
}

export interface PlanOptions {
  /** Tokens of a row that holds more than one group, or a group with more than one branch; default 2048. */
  rowTokens?: number;
  /** The length to which a row of so many tokens is padded. */
  length?: (tokens: number) => number;
}

/** @param sequences token ids, none empty. Equal ones are computed once. */
export function planRows(sequences: readonly (readonly number[])[], options: PlanOptions = {}): PlannedRow[] {
  const order = sequences.map((_, i) => i).sort((a, b) => compare(sequences[a]!, sequences[b]!));
  const groups = groupByTrunk(sequences, order);
  const rows: PlannedRow[] = [];
  let builder = new RowBuilder(sequences, options);
  for (const { trunk, members } of groups) {
    let at = 0;
    while (at < members.length) {
      const taken = builder.add(trunk, members, at);
      at += taken;
      if (at === members.length) continue;
      rows.push(builder.finish());
      builder = new RowBuilder(sequences, options);
    }
  }
  if (!builder.empty) rows.push(builder.finish());
  return rows;
}

/** Joins neighbours in the sorted order as long as sharing saves tokens. */
function groupByTrunk(sequences: readonly (readonly number[])[], order: readonly number[]): Group[] {
  const groups: Group[] = [];
  order.forEach((index, i) => {
    const sequence = sequences[index]!;
    const group = groups[groups.length - 1];
    if (group) {
      const shared = Math.min(group.trunk, commonLength(sequences[order[i - 1]!]!, sequence));
      // The members take back what the trunk loses; the newcomer saves what it shares.
      const extra = (group.members.length - 1) * (group.trunk - shared);
      if (shared > extra) {
        group.trunk = shared;
        group.members.push(index);
        return;
      }
    }
    groups.push({ trunk: sequence.length, members: [index] });
  });
  return groups;
}

class RowBuilder {
  private readonly tokens: number[] = [];
  private readonly positions: number[] = [];
  private readonly documents: number[] = [];
  private readonly branches: number[] = [];
  private readonly sequences: PlacedSequence[] = [];
  private document = 0;

  constructor(
    private readonly source: readonly (readonly number[])[],
    private readonly options: PlanOptions,
  ) {}

  private get limit(): number {
    return this.options.rowTokens ?? ROW_TOKENS;
  }

  get empty(): boolean {
    return this.sequences.length === 0;
  }

  /** Adds members from `from` on while there is room, at least one to an empty row; returns how many. */
  add(trunk: number, members: readonly number[], from: number): number {
    const source = (i: number): readonly number[] => this.source[members[i]!]!;
    const needed = source(from).length;
    if (!this.empty && this.tokens.length + needed > this.limit) return 0;
    const trunkStart = this.tokens.length;
    this.append(source(from), 0, trunk, 0);
    let branch = 0;
    let branchStart = 0;
    let at = from;
    for (; at < members.length; at++) {
      const sequence = source(at);
      const same = at > from && compare(source(at - 1), sequence) === 0;
      if (!same) {
        if (at > from && this.tokens.length + sequence.length - trunk > this.limit) break;
        branchStart = this.tokens.length;
        this.append(sequence, trunk, sequence.length, ++branch);
      }
      const start = branchStart;
      this.sequences.push({ index: members[at]!, at: (i) => (i < trunk ? trunkStart + i : start + i - trunk) });
    }
    this.document++;
    return at - from;
  }

  private append(sequence: readonly number[], from: number, to: number, branch: number): void {
    for (let i = from; i < to; i++) {
      this.tokens.push(sequence[i]!);
      this.positions.push(i);
      this.documents.push(this.document);
      this.branches.push(branch);
    }
  }

  finish(): PlannedRow {
    const row = packRow([this.tokens], this.options.length?.(this.tokens.length));
    row.positions.set(this.positions);
    row.documents.set(this.documents);
    // Padding: documents of one token each behind the last real one.
    for (let i = this.tokens.length, document = this.document; i < row.tokens.length; i++)
      row.documents[i] = document++;
    if (this.branches.some((branch) => branch > 0)) {
      row.branches = new Int32Array(row.tokens.length);
      row.branches.set(this.branches);
    }
    return { row, sequences: this.sequences };
  }
}

/** How many tokens two sequences begin with alike. */
export function commonLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let i = 0;
  while (i < most && a[i] === b[i]) i++;
  return i;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const i = commonLength(a, b);
  return i === a.length || i === b.length ? a.length - b.length : a[i]! - b[i]!;
}
