/** Answers /v1/chat/completions and /v1/completions. */
import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { GenerationOptions, GenerationResult, TokenLogprob } from "../generate/request.js";
import type { Admission, Stay } from "./admission.js";
import type { ServeBackend, ServedModel } from "./backend.js";
import { EventStream } from "./event-stream.js";
import { HttpError } from "./http-error.js";
import type { ServerMetrics } from "./metrics.js";
import { StreamedAnswer } from "./streamed-answer.js";
import type { Prompt, WireRequest } from "./wire-request.js";
import type { Dialect, Usage, WireChoice, WireLogprobs } from "./wire-response.js";

export interface CompletionContext {
  backend: ServeBackend;
  admission: Admission;
  metrics: ServerMetrics;
  /** Aborted, with the HttpError to answer with, when answers may not go on: the server has waited long enough to end. */
  ending: AbortSignal;
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

/** One request and its answer. */
export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  /** How the answer is written, once that is known. */
  dialect?: Dialect;
}

/**
 * All results of what `start` begins. The work is stopped when the client has gone, when the server may wait no longer, and
 * when a part of it fails; it has ended when this settles.
 */
export async function whileWanted<T>(
  { ending }: CompletionContext,
  { response }: Exchange,
  start: (signal: AbortSignal) => Promise<T>[],
): Promise<T[]> {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // each part of the work listens
  const onClose = (): void => stop.abort(new Error("the client has gone"));
  const onEnding = (): void => stop.abort(ending.reason);
  response.once("close", onClose);
  ending.addEventListener("abort", onEnding, { once: true });
  if (response.destroyed) onClose();
  if (ending.aborted) onEnding();
  try {
    const work = start(stop.signal);
    for (const one of work) one.catch((error: unknown) => stop.abort(error));
    const settled = await Promise.allSettled(work);
    if (stop.signal.aborted) throw stop.signal.reason;
    return settled.map((one) => (one as PromiseFulfilledResult<T>).value);
  } finally {
    response.off("close", onClose);
    ending.removeEventListener("abort", onEnding);
  }
}

/** Ends when the answer is sent or the client has gone, in which case the work is stopped. */
export async function complete<R extends WireRequest>(
  context: CompletionContext,
  wanted: R,
  dialectFor: (model: string, wanted: R) => Dialect,
  exchange: Exchange,
): Promise<void> {
  const { backend, admission, metrics } = context;
  const model = findModel(backend, wanted.model);
  const dialect = dialectFor(model.id, wanted);
  exchange.dialect = dialect;
  const stay = admission.enter(wanted.prompts.length * wanted.options.n);
  const start = performance.now();
  let heard = false;
  const onFirstText = (): void => {
    if (!heard) metrics.firstText.observe((performance.now() - start) / 1000);
    heard = true;
  };
  const stream = wanted.stream
    ? new StreamedAnswer(new EventStream(exchange.response, dialect.named), dialect)
    : undefined;
  const listener: Listener = {
    text(index, text) {
      onFirstText();
      stream?.text(index, text);
    },
    ...(stream ? { token: (...given) => stream.token(...given) } : {}),
  };
  try {
    const outcomes = await whileWanted(context, exchange, (signal) =>
      wanted.prompts.map((prompt, number) =>
        answerPrompt(
          backend,
          wanted,
          model,
          { prompt, number },
          { stay, perTurn: admission.perTurn, signal },
          listener,
        ),
      ),
    );
    const usage = totalUsage(outcomes);
    metrics.tokens.inc({ kind: "prompt", model: model.id }, usage.prompt_tokens);
    metrics.tokens.inc({ kind: "output", model: model.id }, usage.completion_tokens);
    const choices = outcomes.flatMap((outcome) => outcome.choices);
    if (stream) stream.finish(choices, usage);
    else sendJson(exchange.response, 200, dialect.whole(choices, usage));
  } finally {
    stay.leave();
  }
}

/** What is told while answers are written, with the number of the choice. */
interface Listener {
  text(index: number, text: string): void;
  /** Each token before the text that it makes certain. */
  token?(index: number, piece: string, logprob: TokenLogprob | undefined): void;
}

interface Turns {
  stay: Stay;
  /** Most answers of one turn. */
  perTurn: number;
  signal: AbortSignal;
}

async function answerPrompt(
  backend: ServeBackend,
  { options, echo }: WireRequest,
  { adapter }: ServedModel,
  { prompt, number }: { prompt: Prompt; number: number },
  { stay, perTurn, signal }: Turns,
  { text: onText, token: onToken }: Listener,
): Promise<PromptOutcome> {
  const first = number * options.n;
  let echoed = "";
  let before: WireLogprobs | undefined;
  let promptTokens = 0;
  if (echo) {
    echoed = prompt.prompt ?? backend.pieces(prompt.tokens ?? []).join("");
    if (options.logprobs !== undefined || options.maxTokens === 0) {
      const read = await stay.turn(1, signal, () =>
        backend.readPrompt({ ...prompt, adapter }, options.logprobs ?? 0, signal),
      );
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
  const listener: GenerationOptions = {
    signal,
    onText: (text, answer) => onText(first + answer, text),
    ...(onToken && options.logprobs !== undefined
      ? { onToken: ({ piece, logprob }, answer) => onToken(first + answer, piece, logprob) }
      : {}),
  };
  const parts: Promise<GenerationResult>[] = [];
  for (let from = 0; from < n; from += perTurn) {
    const size = Math.min(perTurn, n - from);
    const request = { ...options, n: size, firstAnswer: from, ...prompt, adapter, trial: number };
    parts.push(stay.turn(size, signal, () => backend.generate(request, listener)));
  }
  const results = await Promise.all(parts);
  const answers = results.flatMap((result) => [result, ...(result.alternatives ?? [])]);
  const choices = answers.map((answer, i): WireChoice => {
    const choice: WireChoice = { index: first + i, text: echoed + answer.text, finishReason: answer.finishReason };
    if (answer.logprobs)
      choice.logprobs = {
        entries: [...(before?.entries ?? []), ...answer.logprobs],
        pieces: [...(before?.pieces ?? []), ...backend.pieces(answer.tokens)],
        offset: 0,
      };
    return choice;
  });
  const outputTokens = results.reduce((sum, result) => sum + result.outputTokens, 0);
  return { choices, promptTokens: results[0]!.promptTokens, outputTokens };
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
