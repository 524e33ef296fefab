/** What the studio's server and its pages tell each other. Types alone: the pages are compiled without Node. */

/**
 * State of a training as it is shown: what `run.json` says, and besides `starting` (its process has begun, the run
 * folder is not there yet), `stopping` (asked to stop) and `lost` (it says running, but no process holds it).
 */
export type TrainingState = "starting" | "running" | "stopping" | "done" | "interrupted" | "failed" | "lost";

export interface RunSummary {
  /** Path below the runs folder, with `/`. */
  id: string;
  state: TrainingState;
  model: string;
  method: string;
  mode: string;
  step: number;
  steps: number;
  loss?: number;
  validationLoss?: number;
  /** ISO times. */
  started?: string;
  finished?: string;
  /** Why it failed or stopped. */
  message?: string;
  /** Started by this studio and running: it can be cancelled here. */
  cancellable: boolean;
  /** Has an adapter or tuned weights to talk to. */
  usable: boolean;
}

export interface RunDetail extends RunSummary {
  recipe: string;
  facts: [name: string, value: string][];
  /** Last lines of its log. */
  log: string[];
}

/** A point of the curves; a long run's points are means over several steps. */
export interface MetricPoint {
  step: number;
  epoch: number;
  loss: number;
  lr: number;
  grad_norm: number;
  tokens: number;
  tokens_per_s: number;
  validation_loss?: number;
}

export type StepStatus = "pending" | "running" | "done" | "failed" | "blocked";

export interface ExperimentStep {
  id: string;
  kind: string;
  title: string;
  needs: string[];
  status: StepStatus;
  seconds?: number;
  error?: string;
  /** The page that shows the step's folder. */
  link?: { page: "run" | "evaluation"; id: string };
}

export interface ExperimentSummary {
  id: string;
  name: string;
  done: number;
  failed: number;
  running: number;
  total: number;
  report: boolean;
}

export interface ExperimentDetail extends ExperimentSummary {
  steps: ExperimentStep[];
}

export interface Figure {
  value: number | null;
  stderr: number | null;
}

export interface EvaluationSummary {
  id: string;
  /** Suites with their figures. */
  suites: { name: string; n: number; missing: number; metrics: Record<string, Figure> }[];
  /** Model as the results name it. */
  model?: string;
}

/** A JSONL file that the sample browser can open. */
export interface SampleFile {
  id: string;
  bytes: number;
}

export interface ReportFile {
  id: string;
}

/** Everything found in the runs folder. */
export interface Catalogue {
  runs: RunSummary[];
  experiments: ExperimentSummary[];
  evaluations: EvaluationSummary[];
  samples: SampleFile[];
  reports: ReportFile[];
}

export interface Choice {
  id: string;
  label: string;
}

/** What a new training can be made of. */
export interface TrainingChoices {
  recipes: Choice[];
  data: Choice[];
  models: Choice[];
}

/** Settings that may be changed from the page; each becomes one `--set`. */
export interface TrainingSettings {
  mode?: "it" | "rt";
  method?: "qlora" | "lora" | "full";
  epochs?: number;
  max_steps?: number;
  "optimizer.lr"?: number;
  "lora.r"?: number;
  "batch.micro"?: number;
  "batch.accumulation"?: number;
  max_length?: number;
  seed?: number;
}

export type TrainingRequest = { name: string; settings: TrainingSettings } & (
  | { recipe: string }
  | { model: string; data: string }
);

/** Events of the stream `/api/events`. */
export type StudioEvent =
  | { type: "catalogue"; catalogue: Catalogue }
  /** All points of a run so far; replaces what was known of it. */
  | { type: "metrics"; run: string; points: MetricPoint[] }
  /** Points that follow. */
  | { type: "more"; run: string; points: MetricPoint[] };

export interface Facet {
  field: string;
  values: { value: string; count: number }[];
}

export interface SamplePage {
  total: number;
  matching: number;
  offset: number;
  /** Rows with the number of their line. */
  rows: { line: number; row: Record<string, unknown> }[];
  /** Fields with few distinct values, counted over all rows. */
  facets: Facet[];
  /** Lines that are not JSON objects. */
  invalid: number;
}

export type ChatTemplate = "auto" | "tulu" | "model" | "none";

export interface ChatModelChoice extends Choice {
  kind: "base" | "run";
}

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatRequest {
  columns: { model: string; template: ChatTemplate; messages: ChatMessage[] }[];
  maxTokens: number;
  temperature: number;
  topP: number;
  seed?: number;
}

export interface TokenChance {
  token: string;
  /** Natural logarithm of the model's own probability. */
  logprob: number;
}

/** Events of a chat's stream, each of one column. */
export type ChatEvent = { column: number } & (
  | { type: "loading" }
  | { type: "prompt"; text: string; tokens: number; template: Exclude<ChatTemplate, "auto"> }
  | { type: "token"; piece: string; id: number; logprob: number; top: TokenChance[] }
  | { type: "end"; text: string; finishReason: "stop" | "length"; outputTokens: number; seconds: number }
  | { type: "error"; message: string }
);

export interface SessionInfo {
  version: string;
  /** Name of the runs folder, without the path to it. */
  folder: string;
  /** Where recipes and data are looked for, as named in their ids. */
  places: string[];
}
