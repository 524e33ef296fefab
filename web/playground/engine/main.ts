/** The worker that the engine runs in: takes one request after another. */
import { EvokeError } from "../../../src/errors.js";
import { Device } from "../../../src/runtime/device.js";
import type { NamedBytes, Reply, Request, Who } from "../messages.js";
import { startRuntime } from "../platform/onnxruntime.js";
import { openModel, type TabModel } from "./model.js";
import { rank } from "./rank.js";
import { train } from "./train.js";

/** The bundled model's name and files, beside the page. */
const BUNDLED = "bundled:mini";
const FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
const ANSWER_TOKENS = 64;
const MOST_THREADS = 8;

const here = new URL(".", self.location.href).href;
const post = (reply: Reply): void => self.postMessage(reply);

let device: Device;
let model: TabModel;
let running = new AbortController();
let last: Promise<void> = Promise.resolve();

async function start(wanted: "wasm" | "webgpu" | "auto"): Promise<void> {
  const notes: string[] = [];
  const isolated = self.crossOriginIsolated;
  const threads = isolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  if (!isolated) notes.push("The page came without the headers that threads need, so one thread does the work.");
  const gpu = wanted !== "wasm" && (await realAdapter(wanted === "webgpu", notes));
  await startRuntime(new URL("ort/", here).href, { gpu, threads });
  device = await Device.open({ device: gpu ? "webgpu" : "cpu", threads });
  const files: NamedBytes[] = [];
  for (const name of FILES) {
    const response = await fetch(new URL(`model/${name}`, here));
    if (!response.ok) throw new Error(`model/${name}: ${response.status}`);
    files.push({ name, bytes: new Uint8Array(await response.arrayBuffer()) });
  }
  model = await openModel(files, BUNDLED, device);
  // What the runtime still has to fetch (its threads' script) is fetched now, so that the tab may go offline.
  await model.generator.generate({ prompt: "a", maxTokens: 1, temperature: 0 });
  const { name, parameters } = model;
  post({ kind: "ready", backend: gpu ? "webgpu" : "wasm", threads, notes, model: name, parameters });
}

/** A GPU that is not software; any adapter where one is asked for by name. */
async function realAdapter(any: boolean, notes: string[]): Promise<boolean> {
  interface Gpu {
    requestAdapter(): Promise<{
      info?: { vendor?: string; architecture?: string; isFallbackAdapter?: boolean };
    } | null>;
  }
  const gpu = (navigator as unknown as { gpu?: Gpu }).gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
  if (!adapter) notes.push("No WebGPU here: the processor does the work, in WebAssembly.");
  const software = /swiftshader|llvmpipe/i.test(`${adapter?.info?.architecture} ${adapter?.info?.vendor}`);
  if (adapter && (software || adapter.info?.isFallbackAdapter) && !any) {
    notes.push("WebGPU here is software, slower than WebAssembly, so that is used.");
    return false;
  }
  return adapter !== null && adapter !== undefined;
}

const everyone = (): Who[] => ["base", ...(model.generator.adapters as Who[])];
const adapterOf = (who: Who): string | null => (who === "base" ? null : who);

async function handle(request: Request): Promise<void> {
  switch (request.kind) {
    case "start":
      return start(request.backend);
    case "open": {
      const next = await openModel(request.files, request.name, device);
      await model.generator.dispose();
      model = next;
      const { name, parameters } = model;
      const { threads } = device;
      return post({
        kind: "ready",
        backend: device.name === "cpu" ? "wasm" : "webgpu",
        threads,
        notes: [],
        model: name,
        parameters,
      });
    }
    case "train": {
      const { mode, steps } = request;
      const began = performance.now();
      const told = (step: number, loss: number): void =>
        post({ kind: "step", mode, step, steps, loss, seconds: (performance.now() - began) / 1000 });
      const files = await train(model, device, request, told, running.signal);
      return post({ kind: "trained", mode, files });
    }
    case "ask":
      for (const who of everyone()) {
        const messages = [{ role: "user" as const, content: request.text }];
        let text = "";
        const onText = (part: string): void => post({ kind: "answer", who, text: (text += part), done: false });
        const wanted = { messages, maxTokens: ANSWER_TOKENS, temperature: 0, adapter: adapterOf(who) };
        const answer = await model.generator.generate(wanted, { onText, signal: running.signal });
        post({ kind: "answer", who, text: answer.text, done: true });
      }
      return;
    case "rank":
      for (const who of everyone()) post({ kind: "rank", who, ...(await rank(model, adapterOf(who), request.rows)) });
      return;
    case "stop":
      return;
  }
}

self.onmessage = ({ data }: MessageEvent<Request>) => {
  if (data.kind === "stop") {
    running.abort(new EvokeError("stopped", 1));
    running = new AbortController();
    return;
  }
  last = last.then(async () => {
    try {
      await handle(data);
    } catch (error) {
      post({ kind: "failed", message: (error as Error).message });
    }
    post({ kind: "idle" });
  });
};
