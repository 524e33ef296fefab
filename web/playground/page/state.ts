/** What the page knows, and its talk with the engine's worker. */
import { computed, signal } from "@preact/signals";
import type { Mode, NamedBytes, Ready, Reply, Request, Who } from "../messages.js";

export interface Point {
  step: number;
  loss: number;
}

export const ready = signal<Ready | undefined>(undefined);
export const failure = signal("");
/** Requests that are not answered yet. */
export const pending = signal(1);
export const busy = computed(() => pending.value > 0);
export const rows = signal("");
export const steps = signal(30);
export const lr = signal(0.002);
export const curves = signal<Record<Mode, Point[]>>({ rt: [], it: [] });
export const training = signal<{ mode: Mode; step: number; steps: number; seconds: number } | undefined>(undefined);
export const adapters = signal<Partial<Record<Mode, NamedBytes[]>>>({});
export const question = signal("What is a young goose called?");
export const asked = signal("");
export const answers = signal<Partial<Record<Who, { text: string; done: boolean }>>>({});
export const ranks = signal<Partial<Record<Who, { rate: number; rows: number }>>>({});

const engine = new Worker("engine.js", { type: "module" });
engine.onmessage = ({ data }: MessageEvent<Reply>) => take(data);
engine.onerror = (event) => {
  failure.value = `the engine does not run here: ${event.message || "its worker did not start"}`;
};

function take(reply: Reply): void {
  if (reply.kind === "ready") {
    ready.value = reply;
    adapters.value = {};
    answers.value = {};
    ranks.value = {};
    curves.value = { rt: [], it: [] };
  } else if (reply.kind === "step") {
    const { mode, step, steps: all, loss, seconds } = reply;
    curves.value = { ...curves.value, [mode]: [...curves.value[mode], { step, loss }] };
    training.value = { mode, step, steps: all, seconds };
  } else if (reply.kind === "trained") adapters.value = { ...adapters.value, [reply.mode]: reply.files };
  else if (reply.kind === "answer") answers.value = { ...answers.value, [reply.who]: reply };
  else if (reply.kind === "rank") ranks.value = { ...ranks.value, [reply.who]: reply };
  else if (reply.kind === "failed") failure.value = reply.message;
  else if (reply.kind === "idle") {
    pending.value--;
    training.value = undefined;
  }
}

export function send(request: Request): void {
  if (request.kind !== "stop" && request.kind !== "start") pending.value++;
  if (request.kind !== "stop") failure.value = "";
  engine.postMessage(request);
}

export function train(mode: Mode): void {
  curves.value = { ...curves.value, [mode]: [] };
  ranks.value = {};
  send({ kind: "train", mode, rows: rows.value, steps: steps.value, lr: lr.value });
}

export function ask(): void {
  asked.value = question.value;
  answers.value = {};
  send({ kind: "ask", text: question.value });
}

/** Begins: example rows, and the engine with the backend that the address asks for (`?backend=wasm`). */
export async function begin(): Promise<void> {
  const wanted = new URLSearchParams(location.search).get("backend");
  send({ kind: "start", backend: wanted === "wasm" || wanted === "webgpu" ? wanted : "auto" });
  rows.value = await (await fetch("rows.jsonl")).text();
}

export async function openFiles(list: FileList): Promise<void> {
  const files = await Promise.all(
    [...list].map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })),
  );
  const text = files.find(({ name }) => /\.(jsonl|ndjson)$/.test(name));
  if (text) rows.value = new TextDecoder().decode(text.bytes);
  const model = files.filter((file) => file !== text);
  const main = model.find(({ name }) => /\.(gguf|safetensors)$/.test(name));
  if (main) send({ kind: "open", files: model, name: main.name });
  else if (model.length)
    failure.value = "drop rows (.jsonl), or a model: one .gguf, or the files of a Hugging Face folder";
}

/** Hands a file to the browser's downloads. */
export function download({ name, bytes }: NamedBytes): void {
  const url = URL.createObjectURL(new Blob([bytes as BlobPart]));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
