/** An engine whose answers are known: it says back the last text it was given, word by word. */
import { ContextLengthError, UsageError } from "../../src/errors.js";
import type { Answer, GenerationOptions, GenerationResult, LocalGenerateRequest } from "../../src/generate/request.js";
import type { PromptInput, ReadPrompt, ServeBackend, ServedModel } from "../../src/serve/backend.js";

const WORD = /\s*\S+/g;
/** Prompts with this text are refused as too long. */
export const TOO_LONG = "too long";
/** Prompts with this text break the engine, with a message that must not reach a client. */
export const BREAKS = "break in two";
export const SECRET_PATH = "/home/someone/model.bin";

export class ScriptedBackend implements ServeBackend {
  readonly models: ServedModel[] = [
    { id: "base", adapter: null },
    { id: "tuned", adapter: "runs/tuned" },
  ];
  readonly maxPositions = 1000;
  readonly maxBatch = 4;
  /** Every request that arrived. */
  readonly requests: LocalGenerateRequest[] = [];
  running = 0;
  aborted = 0;
  private held = false;
  private release: () => void = () => {};
  private gate: Promise<void> = Promise.resolve();

  /** Stops all answers before their next word, until `go`. */
  hold(): void {
    this.held = true;
    this.gate = new Promise((resolve) => (this.release = resolve));
  }

  go(): void {
    this.held = false;
    this.release();
  }

  async generate(request: LocalGenerateRequest, options: GenerationOptions = {}): Promise<GenerationResult> {
    this.requests.push(request);
    const said = request.messages?.at(-1)?.content ?? request.prompt ?? (request.tokens ?? []).join(" ");
    if (said.includes(TOO_LONG))
      throw new ContextLengthError("the prompt has 9 tokens, the model reads 8 with its answer");
    this.running++;
    try {
      const answers: Answer[] = [];
      const { firstAnswer = 0, n = 1 } = request;
      for (let i = firstAnswer; i < firstAnswer + n; i++) answers.push(await this.answer(request, said, i, options));
      const [first, ...alternatives] = answers;
      return {
        ...first!,
        promptTokens: words(said).length,
        outputTokens: answers.reduce((sum, answer) => sum + answer.tokens.length, 0),
        ...(alternatives.length ? { alternatives } : {}),
      };
    } finally {
      this.running--;
    }
  }

  private async answer(
    { adapter, maxTokens, logprobs }: LocalGenerateRequest,
    said: string,
    index: number,
    { signal, onText, onToken }: GenerationOptions,
  ): Promise<Answer> {
    const all = words(`${adapter ?? "bare"}/${index}: ${said}`);
    const written = all.slice(0, maxTokens);
    for (const [i, word] of written.entries()) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.held) await Promise.race([this.gate, aborting(signal)]);
      if (signal?.aborted) {
        this.aborted++;
        throw signal.reason;
      }
      const logprob = logprobs === undefined ? undefined : scored(written[i]!, logprobs);
      onToken?.({ id: i, piece: word, ...(logprob ? { logprob } : {}) }, index);
      onText?.(word, index);
      if (i === 1 && said.includes(BREAKS)) throw new Error(`cannot read ${SECRET_PATH}`);
    }
    return {
      text: written.join(""),
      finishReason: written.length < all.length ? "length" : "stop",
      tokens: written.map((_, i) => i),
      ...(logprobs === undefined ? {} : { logprobs: written.map((token) => scored(token, logprobs)) }),
    };
  }

  async readPrompt({ prompt, tokens }: { prompt?: string; tokens?: readonly number[] }): Promise<ReadPrompt> {
    const ids = tokens ? [...tokens] : words(prompt ?? "").map((_, i) => i);
    return { tokens: ids, logprobs: ids.slice(1).map((id) => scored(`w${id}`, 1)) };
  }

  async embed({ prompt, tokens }: PromptInput): Promise<{ vector: Float32Array; tokens: number }> {
    const count = tokens?.length ?? words(prompt ?? "").length;
    return { vector: Float32Array.of(0.6, count), tokens: count };
  }

  async tokenize({ prompt, messages }: PromptInput, special = true): Promise<number[]> {
    const text = prompt ?? messages?.map(({ content }) => content).join(" ") ?? "";
    return [...(special ? [0] : []), ...words(text).map((_, i) => i + 1)];
  }

  detokenize(tokens: readonly number[]): string {
    return tokens.map((token) => `w${token}`).join(" ");
  }

  async loadAdapter(id: string, path: string): Promise<void> {
    if (path.endsWith("broken")) throw new UsageError(`${path}: no adapter`);
    this.models.push({ id, adapter: path });
  }

  unloadAdapter(id: string): boolean {
    const at = this.models.findIndex((model) => model.id === id && model.adapter?.startsWith("/"));
    if (at >= 0) this.models.splice(at, 1);
    return at >= 0;
  }

  /** Each token is two characters and three UTF-16 units. */
  pieces(tokens: readonly number[]): string[] {
    return tokens.map(() => "😀.");
  }
}

function words(text: string): string[] {
  return text.match(WORD) ?? [];
}

function scored(
  token: string,
  top: number,
): { token: string; logprob: number; top: { token: string; logprob: number }[] } {
  const others = [
    { token, logprob: -0.5 },
    { token: "other", logprob: -1.5 },
  ];
  return { token, logprob: -0.5, top: others.slice(0, top) };
}

function aborting(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
}
