import type { GenerationResult } from "../generate/request.js";
import { EmbeddedModel } from "../llm/embedded.js";
import type { GenerateResult } from "../llm/language-model.js";
import type { CallOptions, NoticeEvent } from "./events.js";
import { type AnsweringOptions, generate, requestOf, type WritingOptions } from "./generate.js";
import { withModel } from "./model.js";
import { Task } from "./task.js";

/** A piece of the answer as soon as it is certain; joined, the pieces are the answer's text. */
export interface TextEvent {
  type: "text";
  /** Not empty. */
  text: string;
}

/** What a text stream tells besides its text. */
export type StreamTextEvent = NoticeEvent | TextEvent;

/** Options of `streamText`: those of `generate`. */
export interface StreamTextOptions extends AnsweringOptions, Omit<WritingOptions, "n">, CallOptions<StreamTextEvent> {}

/** An answer that is being written: a stream of its text, and promises of what is known at its end. */
export interface TextStream extends AsyncIterable<string> {
  /** The whole answer, as `generate` gives it. Rejects as the stream throws. */
  readonly result: Promise<GenerateResult>;
  /** Its text. */
  readonly text: Promise<string>;
}

/**
 * Writes one answer and streams it: `for await (const text of streamText({ model, prompt })) …`. Leaving the loop early stops
 * the writing. The answer of an `openai:` server comes in one piece.
 *
 * @throws (the loop and `result`) as `generate`.
 */
export function streamText(options: StreamTextOptions): TextStream {
  const task = new Task<StreamTextEvent, GenerateResult>(options, ({ signal, say, emit }) =>
    withModel(options.model, options.modelOptions ?? {}, { signal, say }, async (model) => {
      const { language } = model;
      if (!(language instanceof EmbeddedModel)) {
        const { signal: _, onProgress: __, ...rest } = options;
        const result = await generate({ ...rest, model, signal });
        emit({ type: "text", text: result.text });
        return result;
      }
      const request = requestOf(options);
      const onText = (text: string): void => emit({ type: "text", text });
      const result = await language.generator.generate({ seed: 0, ...request }, { signal, onText });
      return withoutTokens(result);
    }),
  );
  return {
    result: task,
    text: lazily(task, ({ text }) => text),
    async *[Symbol.asyncIterator]() {
      for await (const event of task) if (event.type === "text" && event.text !== "") yield event.text;
    },
  };
}

/** A promise that is derived when somebody asks for it, so that one that nobody does cannot be left unhandled. */
function lazily<A, B>(task: Promise<A>, of: (value: A) => B): Promise<B> {
  const derived = (): Promise<B> => task.then(of);
  return {
    [Symbol.toStringTag]: "Promise",
    // biome-ignore lint/suspicious/noThenProperty: it stands for a promise
    then: (fulfilled, rejected) => derived().then(fulfilled, rejected),
    catch: (rejected) => derived().catch(rejected),
    finally: (settled) => derived().finally(settled),
  };
}

function withoutTokens({ tokens: _, alternatives: __, ...result }: GenerationResult): GenerateResult {
  return result;
}
