import type { DataFigures, LengthFigures } from "./figures.js";
import type { SimilarityFigures } from "./similarity-figures.js";
import { shownPairs } from "./sunburst.js";

/** A table of the report, the same in HTML and Markdown; the first column names the row. */
export interface ReportTable {
  about: TableSubject;
  title: string;
  columns: string[];
  rows: string[][];
}

export type TableSubject =
  | "counts"
  | "lengths"
  | "similarity"
  | "closest"
  | "verbs"
  | "duplicates"
  | "languages"
  | "tokens"
  | "sources";

/** The report's tables in order, without those that have no row. */
export function reportTables(figures: DataFigures): ReportTable[] {
  const tables = [
    countsTable(figures),
    lengthsTable(figures),
    similarityTable(figures),
    closestTable(figures),
    verbsTable(figures),
    duplicatesTable(figures),
    languagesTable(figures),
    tokensTable(figures),
    sourcesTable(figures),
  ];
  return tables.filter((table): table is ReportTable => table !== undefined && table.rows.length > 0);
}

const UNKNOWN = "not told";
export const number = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
const maybe = (value: number | null): string => (value === null ? UNKNOWN : number(value));
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const ratio = (part: number, whole: number): string => (whole === 0 ? "–" : percent(part / whole));

/** The counts of Self-Instruct's table 1 and what else is counted. */
function countsTable({ counts, lengths, multiTurn, invalid }: DataFigures): ReportTable {
  const rows = [
    ["instructions (distinct)", number(counts.instructions)],
    ["– classification", maybe(counts.classification)],
    ["– not classification", maybe(counts.nonClassification)],
    ["instances", number(counts.instances)],
    ["– with empty input", maybe(counts.emptyInputs)],
    ["instructions without an instance", number(counts.withoutInstances)],
    ["mean instruction length (words)", number(lengths.instructions.mean)],
    ["mean non-empty input length (words)", lengths.inputs ? number(lengths.inputs.mean) : UNKNOWN],
    ["mean output length (words)", number(lengths.outputs.mean)],
    ["empty outputs", number(counts.emptyOutputs)],
  ];
  if (multiTurn > 0) rows.push(["talks of several turns, left out", number(multiTurn)]);
  if (invalid > 0) rows.push(["malformed rows, left out", number(invalid)]);
  return { about: "counts", title: "Counts", columns: ["", "count"], rows };
}

function lengthsTable({ lengths }: DataFigures): ReportTable {
  const row = (name: string, { min, mean, median, p90, max }: LengthFigures): string[] => [
    name,
    ...[mean, median, p90, min, max].map(number),
  ];
  return {
    about: "lengths",
    title: "Lengths in words",
    columns: ["", "mean", "median", "90 % are at most", "shortest", "longest"],
    rows: [
      row("instructions", lengths.instructions),
      ...(lengths.inputs ? [row("inputs, where there is one", lengths.inputs)] : []),
      row("outputs", lengths.outputs),
    ],
  };
}

function similarityTable({ similarity }: DataFigures): ReportTable {
  const row = (name: string, { compared, of, unread, mean, above }: SimilarityFigures): string[] => [
    name,
    similarityRows(compared, of, unread),
    mean.toFixed(3),
    ...above.map(({ share }) => percent(share)),
  ];
  return {
    about: "similarity",
    title: "Largest ROUGE-L similarity",
    columns: ["", "compared", "mean", "above 0.7", "above 0.9"],
    rows: [
      row("to any other instruction", similarity.within),
      ...(similarity.toSeeds ? [row("to any seed task", similarity.toSeeds)] : []),
    ],
  };
}

function similarityRows(compared: number, of: number, unread: number): string {
  const rows = compared === of ? number(of) : `${number(compared)} of ${number(of)}`;
  const why = [
    ...(unread > 0 ? [`${number(unread)} without a–z or digits`] : []),
    ...(compared + unread < of ? ["drawn"] : []),
  ];
  return [rows, ...why].join(", ");
}

function closestTable({ similarity }: DataFigures): ReportTable {
  const short = (text: string): string => (text.length > 160 ? `${text.slice(0, 159)}…` : text);
  return {
    about: "closest",
    title: "Most similar instructions",
    columns: ["instruction", "its neighbour", "ROUGE-L"],
    rows: similarity.within.closest.map(({ text, other, score }) => [short(text), short(other), score.toFixed(3)]),
  };
}

function verbsTable({ verbs }: DataFigures): ReportTable {
  return {
    about: "verbs",
    title: "Verbs and their objects",
    columns: ["verb", "instructions", "most frequent objects"],
    rows: shownPairs(verbs.verbs).map(({ verb, nouns }, i) => [
      verb,
      number(verbs.verbs[i]!.count),
      nouns.map(({ noun, count }) => `${noun} ${number(count)}`).join(", "),
    ]),
  };
}

function duplicatesTable({ duplicates }: DataFigures): ReportTable {
  const { rows, exact, folded, conflicting } = duplicates;
  return {
    about: "duplicates",
    title: "Duplicates",
    columns: ["", "rows", "share"],
    rows: [
      ["repeat an earlier row exactly", number(exact), ratio(exact, rows)],
      ["repeat it but for case, width, punctuation and spaces", number(folded), ratio(folded, rows)],
      ["same instruction and input, another output", number(conflicting), ratio(conflicting, rows)],
    ],
  };
}

function languagesTable({ languages }: DataFigures): ReportTable {
  const rows = languages.languages.slice(0, 12).map(({ name, count }) => [name, count]);
  const others = languages.languages.slice(12).reduce((sum, { count }) => sum + count, 0);
  if (others > 0) rows.push(["other languages", others]);
  if (languages.unknown > 0) rows.push(["cannot be told", languages.unknown]);
  return {
    about: "languages",
    title: "Languages",
    columns: ["", "rows", "share"],
    rows: (rows as [string, number][]).map(([name, count]) => [name, number(count), ratio(count, languages.texts)]),
  };
}

function tokensTable({ tokens }: DataFigures): ReportTable | undefined {
  if (!tokens) return undefined;
  const { row, targets, rows, maxLength } = tokens;
  return {
    about: "tokens",
    title: `Tokens (${tokens.tokenizer}, ${tokens.template} template)`,
    columns: ["", "figure"],
    rows: [
      ["rows tokenised", rows === tokens.of ? number(rows) : `${number(rows)} of ${number(tokens.of)}, drawn`],
      [
        "tokens of a row",
        `mean ${number(row.mean)}, median ${number(row.median)}, 90 % ≤ ${number(row.p90)}, longest ${number(row.max)}`,
      ],
      [
        "tokens to learn of a row",
        `mean ${number(targets.mean)}, median ${number(targets.median)}, 90 % ≤ ${number(targets.p90)}, longest ${number(targets.max)}`,
      ],
      [
        `rows longer than ${number(maxLength)} tokens, cut`,
        `${number(tokens.truncated)} (${ratio(tokens.truncated, rows)})`,
      ],
      ["of them rows without a token of the response left", number(tokens.lost)],
      ["share of all tokens that is cut off", percent(tokens.cutShare)],
    ],
  };
}

function sourcesTable({ sources }: DataFigures): ReportTable {
  return {
    about: "sources",
    title: "Sources",
    columns: ["", "distinct instructions", "instances"],
    rows: sources.map(({ name, instructions, instances }) => [name, number(instructions), number(instances)]),
  };
}

/** How the figures are to be read, in sentences. */
export function notes(figures: DataFigures): string[] {
  const { similarity, verbs, tokens, extents } = figures;
  const drawn = [
    similarity.within.compared + similarity.within.unread < similarity.within.of && "similarities",
    verbs.instructions < verbs.of && "verbs",
    tokens && tokens.rows < tokens.of && "tokens",
  ].filter((part) => typeof part === "string");
  return [
    ...(extents.length > 0 ? [`Not the whole set: ${extents.join("; ")}.`] : []),
    "Words are runs of characters between white space; in scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) they are those of Unicode's dictionaries (ICU). An instruction is counted once, however many instances it has; a source is credited with the instructions that it brings first.",
    "Similarity is the ROUGE-L F-measure without stemming, as Self-Instruct's filter takes it: common words in common order. It sees letters a–z and digits only, so texts without any are not compared.",
    "Verbs and objects are read from word classes by a rule-based English tagger (compromise), without a parse: the first sentence's main verb and the head of the noun phrase behind it. Made for imperatives; questions with “is” and “are” count as without a verb, and about one instruction in ten is read wrongly. Other languages are not read.",
    "Languages are told by script and letter statistics (eld) of the first thousand characters of a row; short rows, names and formulas are told wrongly at times.",
    ...(drawn.length > 0
      ? [
          `For a set of this size ${new Intl.ListFormat("en").format(drawn)} are figures of a random sample (drawn by the seed).`,
        ]
      : []),
  ];
}
