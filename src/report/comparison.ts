/** Several models asked the same questions: what the quickstart and the experiments hand to the report writers. */
export interface Comparison {
  title: string;
  /** What was run and how to run it again, in order: `["command", "evoke quickstart --model …"]`. */
  facts: readonly (readonly [string, string])[];
  models: readonly ComparedModel[];
  questions: readonly ComparedQuestion[];
}

export interface ComparedModel {
  /** Unique; answers refer to it. */
  name: string;
  /** Training loss in nats per token by optimiser step, ascending. */
  lossCurve?: readonly { step: number; loss: number }[];
  /** Further figures by name. Numbers are shown with at most four significant digits. */
  figures: Readonly<Record<string, number | string>>;
}

export interface ComparedQuestion {
  instruction: string;
  /** The right answer, where there is one. */
  expected?: string;
  answers: readonly ComparedAnswer[];
}

export interface ComparedAnswer {
  model: string;
  text: string;
  /** `stop`: the model ended by itself; `length`: it was cut off at the limit. */
  finishReason: "stop" | "length";
  /** Generated tokens, the end token included. */
  tokens: number;
}

/** A table with one row for each model; every cell is ready to show. */
export interface FigureTable {
  columns: string[];
  rows: { name: string; cells: string[] }[];
}

/** Figures of all models: those that follow from the answers, then the ones given. */
export function figureTable(comparison: Comparison): FigureTable {
  const rows = comparison.models.map((model) => ({
    name: model.name,
    figures: figuresOf(model, comparison.questions),
  }));
  const columns = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  return {
    columns,
    rows: rows.map(({ name, figures }) => ({ name, cells: columns.map((column) => formatFigure(figures[column])) })),
  };
}

/** The answer of a model to a question, if it gave one. */
export function answerOf(question: ComparedQuestion, model: string): ComparedAnswer | undefined {
  return question.answers.find((answer) => answer.model === model);
}

/** Whether an answer is the expected one, white space at its ends aside, and was ended by the model. */
export function isExact(question: ComparedQuestion, answer: ComparedAnswer): boolean {
  return answer.finishReason === "stop" && answer.text.trim() === question.expected?.trim();
}

function figuresOf(model: ComparedModel, questions: readonly ComparedQuestion[]): Record<string, number | string> {
  const pairs = questions.flatMap((question) => {
    const answer = answerOf(question, model.name);
    return answer ? [{ question, answer }] : [];
  });
  const figures: Record<string, number | string> = {};
  if (pairs.length > 0) {
    figures.answers = pairs.length;
    figures["ended by itself"] = share(pairs, ({ answer }) => answer.finishReason === "stop");
    figures["mean tokens"] = pairs.reduce((sum, { answer }) => sum + answer.tokens, 0) / pairs.length;
    const checked = pairs.filter(({ question }) => question.expected !== undefined);
    if (checked.length > 0) figures.exact = share(checked, ({ question, answer }) => isExact(question, answer));
  }
  const last = model.lossCurve?.at(-1);
  if (last) figures["last loss"] = last.loss;
  return { ...figures, ...model.figures };
}

function share<T>(items: readonly T[], test: (item: T) => boolean): string {
  return `${((100 * items.filter(test).length) / items.length).toFixed(0)} %`;
}

function formatFigure(value: number | string | undefined): string {
  if (value === undefined) return "–";
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return String(value);
  return Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(4)));
}
