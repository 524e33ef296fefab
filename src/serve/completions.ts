/** Answers /v1/chat/completions and /v1/completions. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { GenerationResult, TokenLogprob } from "../generate/request.js";
import type { Admission } from "./admission.js";
import type { ServeBackend, ServedModel } from "./backend.js";
import { EventStream } from "./event-stream.js";
import { HttpError } from "./http-error.js";
import type { ServerMetrics } from "./metrics.js";
import type { Prompt, WireRequest } from "./wire-request.js";
import { characters, type Dialect, type Usage, type WireChoice, type WireLogprobs } from "./wire-response.js";

export interface CompletionContext {
  backend: ServeBackend;
  admission: Admission;
  metrics: ServerMetrics;
}

/** A prompt and all answers to it. */
interface PromptOutcome {
  choices: WireChoice[];
  promptTokens: number;
  outputTokens: number;
}

/** Finds the model that a request names. @throws HttpError 404. */
export function findModel(backend: ServeBackend, id: string | undefined): ServedModel {
  const found = id === undefined ? backend.models[0] : backend.models.find((model) => model.id === id);
  if (found) return found;
  const known = backend.models.map((model) => model.id).join(", ");
  throw new HttpError(404, `there is no model ${JSON.stringify(id)}; this server has ${known}`, {
    param: "model",
    code: "model_not_found",
  });
}

/** Ends when the answer is sent or the client has gone, in which case the work is stopped. */
export async function complete(
  { backend, admission, metrics }: CompletionContext,
  wanted: WireRequest,
  dialectFor: (model: string) => Dialect,
  { response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const model = findModel(backend, wanted.model);
  const dialect = dialectFor(model.id);
  const leave = admission.enter(wanted.prompts.length * wanted.options.n);
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new Error("the client has gone"));
  response.once("close", onClose);
  if (response.destroyed) onClose();
  const start = performance.now();
  let heard = false;
  const onFirstText = (): void => {
    if (!heard) metrics.firstText.observe((performance.now() - start) / 1000);
    heard = true;
  };
  const stream = wanted.stream ? new StreamedAnswer(new EventStream(response), dialect) : undefined;
  const listener: Listener = {
    text(index, text) {
      onFirstText();
      stream?.text(index, text);
    },
    ...(stream ? { token: (...given) => stream.token(...given) } : {}),
  };
  try {
    const work = wanted.prompts.map((prompt, i) =>
      answerPrompt(backend, wanted, model, { prompt, number: i }, gone.signal, listener),
    );
    // One failure ends the request: the other prompts stop too, and their places are free only then.
    for (const one of work) one.catch((error: unknown) => gone.abort(error));
    const settled = await Promise.allSettled(work);
    if (gone.signal.aborted) throw gone.signal.reason;
    const outcomes = settled.map((one) => (one as PromiseFulfilledResult<PromptOutcome>).value);
    const usage = totalUsage(outcomes);
    metrics.tokens.inc({ kind: "prompt", model: model.id }, usage.prompt_tokens);
    metrics.tokens.inc({ kind: "output", model: model.id }, usage.completion_tokens);
    const choices = outcomes.flatMap((outcome) => outcome.choices);
    if (stream) stream.finish(choices, wanted.includeUsage ? usage : undefined);
    else sendJson(response, 200, dialect.whole(choices, usage));
  } finally {
    response.off("close", onClose);
    leave();
  }
}

/** What is told while answers are written, with the number of the choice. */
interface Listener {
  text(index: number, text: string): void;
  /** Each token before the text that it makes certain. */
  token?(index: number, piece: string, logprob: TokenLogprob | undefined): void;
}

/** A stream whose head goes out with the first text, so that early errors still get their own status. */
class StreamedAnswer {
  private readonly opened = new Set<number>();
  /** By choice, the tokens since its last chunk. */
  private readonly unsent = new Map<number, WireLogprobs>();

  constructor(
    private readonly events: EventStream,
    private readonly dialect: Dialect,
  ) {}

  private open(index: number): void {
    if (this.opened.has(index)) return;
    this.opened.add(index);
    const opening = this.dialect.opening?.(index);
    if (opening) this.events.send(opening);
  }

  /** Goes out with the next text: tokens inside a character or a possible stop string have none of their own yet. */
  token(index: number, piece: string, logprob: TokenLogprob | undefined): void {
    let unsent = this.unsent.get(index);
    if (!unsent) this.unsent.set(index, (unsent = { entries: [], pieces: [], offset: 0 }));
    unsent.entries.push(logprob);
    unsent.pieces.push(piece);
  }

  text(index: number, text: string): void {
    this.open(index);
    this.events.send(this.dialect.text(index, text, this.taken(index)));
  }

  private taken(index: number): WireLogprobs | undefined {
    const unsent = this.unsent.get(index);
    if (!unsent || unsent.pieces.length === 0) return undefined;
    this.unsent.set(index, { entries: [], pieces: [], offset: unsent.offset + characters(unsent.pieces.join("")) });
    return unsent;
  }

  finish(choices: readonly WireChoice[], usage?: Usage): void {
    for (const choice of choices) {
      this.open(choice.index);
      this.events.send(this.dialect.closing({ ...choice, logprobs: this.taken(choice.index) }));
    }
    if (usage) this.events.send(this.dialect.usage(usage));
    this.events.done();
  }
}

async function answerPrompt(
  backend: ServeBackend,
  { options, echo }: WireRequest,
  { adapter }: ServedModel,
  { prompt, number }: { prompt: Prompt; number: number },
  signal: AbortSignal,
  { text: onText, token: onToken }: Listener,
): Promise<PromptOutcome> {
  const first = number * options.n;
  let echoed = "";
  let before: WireLogprobs | undefined;
  let promptTokens = 0;
  if (echo) {
    echoed = prompt.prompt ?? backend.pieces(prompt.tokens ?? []).join("");
    if (options.logprobs !== undefined || options.maxTokens === 0) {
      const read = await backend.readPrompt({ ...prompt, adapter }, options.logprobs ?? 0, signal);
      promptTokens = read.tokens.length;
      if (options.logprobs !== undefined)
        before = { entries: [undefined, ...read.logprobs], pieces: backend.pieces(read.tokens), offset: 0 };
    }
    for (let i = 0; i < options.n && echoed !== ""; i++) {
      before?.pieces.forEach((piece, at) => void onToken?.(first + i, piece, before?.entries[at]));
      onText(first + i, echoed);
    }
  }
  const { n } = options;
  if (options.maxTokens === 0) {
    const choices = Array.from({ length: n }, (_, i): WireChoice => {
      return { index: first + i, text: echoed, finishReason: "length", ...(before ? { logprobs: before } : {}) };
    });
    return { choices, promptTokens, outputTokens: 0 };
  }
  const result: GenerationResult = await backend.generate(
    { ...options, ...prompt, adapter, trial: number },
    {
      signal,
      onText: (text, answer) => onText(first + answer, text),
      ...(onToken && options.logprobs !== undefined
        ? { onToken: ({ piece, logprob }, answer) => onToken(first + answer, piece, logprob) }
        : {}),
    },
  );
  const choices = [result, ...(result.alternatives ?? [])].map((answer, i): WireChoice => {
    const choice: WireChoice = { index: first + i, text: echoed + answer.text, finishReason: answer.finishReason };
    if (answer.logprobs)
      choice.logprobs = {
        entries: [...(before?.entries ?? []), ...answer.logprobs],
        pieces: [...(before?.pieces ?? []), ...backend.pieces(answer.tokens)],
        offset: 0,
      };
    return choice;
  });
  return { choices, promptTokens: result.promptTokens, outputTokens: result.outputTokens };
}

function totalUsage(outcomes: readonly PromptOutcome[]): Usage {
  const sum = (of: (outcome: PromptOutcome) => number): number => outcomes.reduce((total, one) => total + of(one), 0);
  const [prompt, output] = [sum((one) => one.promptTokens), sum((one) => one.outputTokens)];
  return { prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output };
}

/** Sends one JSON document. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": text.length,
    "Cache-Control": "no-store",
    ...headers,
  });
  response.end(text);
}
