/**
 * Writes the micro-tasks: `npm run mini:instructions -- [--out DIR]` makes `mini-train.jsonl` and `mini-heldout.jsonl`
 * with rows {instruction, output}. No fact of a held-out row is asked for in a training row.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeJsonl } from "../../src/files/jsonl.js";
import { Random } from "../../src/random/counter.js";
import { families } from "./families/index.js";
import { type Fact, type Family, fill, pick } from "./family.js";

const TRAIN_ROWS = 400;
const HELD_OUT_ROWS = 100;
const FRESH_FACTS = 40;

interface Row {
  instruction: string;
  output: string;
}

/** Rows of one family, split by fact, in random order. */
function splitFamily(family: Family, seed: string): { train: Row[]; heldOut: Row[] } {
  const random = new Random("mini", "tasks", seed, family.name);
  const makeFresh = family.fresh;
  const facts: Fact[] = makeFresh
    ? Array.from({ length: FRESH_FACTS }, () => makeFresh(random))
    : random.shuffled(family.facts);
  const ask = (fact: Fact): Row => ({
    instruction: fill(pick(random, family.questions.slice(0, family.tasks)), fact),
    output: fact.answer,
  });
  const cut = Math.max(3, Math.round(facts.length * 0.2));
  return { heldOut: facts.slice(0, cut).map(ask), train: facts.slice(cut).map(ask) };
}

/** Takes rows from every family in turn, so that large families do not crowd out small ones. */
function inTurn(rows: Row[][], count: number): Row[] {
  const taken: Row[] = [];
  for (let i = 0; taken.length < count; i++) {
    const before = taken.length;
    for (const list of rows) if (list[i] !== undefined && taken.length < count) taken.push(list[i] as Row);
    if (taken.length === before) throw new Error(`only ${taken.length} rows of ${count}`);
  }
  return taken;
}

const { values } = parseArgs({
  options: { out: { type: "string", default: "examples/data" }, seed: { type: "string", default: "0" } },
});
const split = families.map((family) => splitFamily(family, values.seed));
const order = new Random("mini", "task order", values.seed);
writeJsonl(
  join(values.out, "mini-train.jsonl"),
  order.shuffled(
    inTurn(
      split.map(({ train }) => train),
      TRAIN_ROWS,
    ),
  ),
);
writeJsonl(
  join(values.out, "mini-heldout.jsonl"),
  order.shuffled(
    inTurn(
      split.map(({ heldOut }) => heldOut),
      HELD_OUT_ROWS,
    ),
  ),
);
