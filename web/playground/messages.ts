/** What the page and the engine's worker tell each other. */
export type Mode = "rt" | "it";
export type Who = "base" | Mode;

export interface NamedBytes {
  name: string;
  bytes: Uint8Array;
}

export interface TrainRequest {
  mode: Mode;
  /** Rows, one JSON object a line. */
  rows: string;
  steps: number;
  lr: number;
}

export type Request =
  | { kind: "start"; backend: "wasm" | "webgpu" | "auto" }
  | { kind: "open"; files: NamedBytes[]; name: string }
  | ({ kind: "train" } & TrainRequest)
  | { kind: "stop" }
  | { kind: "ask"; text: string }
  | { kind: "rank"; rows: string };

export interface Ready {
  backend: "wasm" | "webgpu";
  threads: number;
  /** Why fewer threads or no GPU. */
  notes: string[];
  model: string;
  parameters: number;
}

export type Reply =
  | ({ kind: "ready" } & Ready)
  | { kind: "say"; text: string }
  | { kind: "step"; mode: Mode; step: number; steps: number; loss: number; seconds: number }
  | { kind: "trained"; mode: Mode; files: NamedBytes[] }
  | { kind: "answer"; who: Who; text: string; done: boolean }
  | { kind: "rank"; who: Who; rate: number; rows: number }
  | { kind: "idle" }
  | { kind: "failed"; message: string };
