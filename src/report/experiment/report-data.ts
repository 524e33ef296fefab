/** Name of the fact that is a command to type. */
export const COMMAND_FACT = "run again";

/** All that an experiment's report shows; `report.json` is this. Nothing in it depends on when or how often it ran. */
export interface ExperimentReport {
  name: string;
  title: string;
  description?: string;
  /** What a reader must know first, such as a model that stands in for one of another kind. */
  notes: string[];
  /** Whether the small variant was run: its figures show that the experiment works, not what the models can do. */
  smoke: boolean;
  /** What was run and how to run it again, in order. */
  facts: [string, string][];
  /** Steps without a result: the report lacks what they would have given. */
  absent: { id: string; status: string; error?: string }[];
  arms: ReportArm[];
  /** In the order of the experiment's evaluations. */
  evaluations: ReportEvaluation[];
  scores: Score[];
  losses: LossCurve[];
  lengths: AnswerLengths[];
  /** The 252 user tasks by application: ours and the published models'. */
  applications: ApplicationScore[];
  /** The same tasks as a whole: our arms beside the published models. */
  taskModels: TaskModel[];
  data: DataFigures[];
  questions: Question[];
  published: { source: string; url?: string; note?: string; tables: PublishedTable[] }[];
}

export interface ReportEvaluation {
  name: string;
  title: string;
  judge?: string;
  limit?: number;
  /** The arm whose answers others are compared with. */
  reference?: string;
  /** Suites, or parts of them, whose rows the experiment's author gave. */
  ownRows: string[];
  /** Suites of which not all rows were there or asked, each in a line. */
  extents: string[];
}

export interface ReportArm {
  name: string;
  title: string;
  kind: "untuned" | "in-context" | "it" | "rt" | "text";
  model: string;
  data?: string;
  /** Changes of the recipe, as `lora.r=16`. */
  changes: string[];
  seeds: number[];
  /** The sweep's values that made the arm. */
  swept?: Record<string, unknown>;
}

/** A published table that nothing here corresponds to, as it was printed. */
export interface PublishedTable {
  title: string;
  note?: string;
  columns: string[];
  rows: Record<string, (string | number)[]>;
}

/** A figure of an arm: the mean over its seeds. */
export interface Score {
  arm: string;
  evaluation: string;
  suite: string;
  metric: string;
  value: number | null;
  /** Standard error from the rows that were asked, and from the seeds that were trained; null with a single run. */
  sampling: number | null;
  runToRun: number | null;
  /** Both together, by the formula of src/metrics/error-bars.ts. */
  stderr: number | null;
  /** 95 % confidence interval from both. */
  low: number | null;
  high: number | null;
  /** What a reader must know of how it was worked out: what a mean is of, how lengths were controlled. */
  how?: string;
  /** The prompts it depends on, and where they are from: "judge: evoke's own, SHA-256 …". */
  prompts?: string;
  /** Rows that count, and rows without a result, over all seeds. */
  n: number;
  missing: number;
  seeds: number;
  /** The published figure: a number, null when there is one that is not at hand; absent when there is none. */
  published?: { value: number | null; source: number };
}

export interface LossCurve {
  arm: string;
  seed?: number;
  points: { step: number; loss: number }[];
  validation: { step: number; loss: number }[];
}

/** Characters of answers: five quantiles. */
export interface AnswerLengths {
  arm: string;
  evaluation: string;
  suite: string;
  n: number;
  mean: number;
  /** 5, 25, 50, 75 and 95 %. */
  quantiles: [number, number, number, number, number];
}

export interface ApplicationScore {
  evaluation: string;
  model: string;
  isPublished: boolean;
  application: string;
  n: number;
  bleu: number;
  rougeL: number;
}

export interface TaskModel {
  evaluation: string;
  model: string;
  isPublished: boolean;
  /** n, bleu, rougeL and whatever else the suite measures. */
  figures: Record<string, number>;
}

export interface DataFigures {
  name: string;
  kind: string;
  rows: number;
  /** Where rows are fewer than the set whose name they have, or another set's. */
  notes: string[];
  /** Counts of the step that made it, such as extraction rate or refusals. */
  counts: Record<string, number>;
  /** The prompts by which a model made it, and where they are from. */
  prompts?: string;
  /** Words of prompts and responses: rows by bin; the last bin is open. */
  promptWords: Histogram;
  responseWords: Histogram;
}

export interface Histogram {
  mean: number;
  /** Lower edges of the bins. */
  edges: number[];
  counts: number[];
}

export interface Question {
  evaluation: string;
  suite: string;
  instruction: string;
  /** The right answer, where there is one. */
  expected?: string;
  answers: Answer[];
}

export interface Answer {
  arm: string;
  text: string;
  /** A few words on it: how it ended, its label, scores or preference. */
  notes: string[];
}
