import { Template } from "@huggingface/jinja";
import { InterruptedError, UsageError } from "../errors.js";
import { renderJinja } from "./jinja.js";
import type { Message, TemplateInput } from "./message.js";
import { PROGRAM_START, strftime } from "./template-date.js";
import { withinTime } from "./time-limit.js";
import type { Tokenizer } from "./tokenizer.js";

export type { Message } from "./message.js";

export interface TemplateOptions extends TemplateInput {
  /** Ends with the opening of an assistant turn. Default false. */
  addGenerationPrompt?: boolean;
}

/** Text of a conversation, and what `{% generation %}` encloses: character ranges [start, end), absent without such marks. */
export interface MarkedText {
  text: string;
  generated?: [start: number, end: number][];
}

/** Longest list that `range` makes, as in Jinja's sandbox. */
const MAX_RANGE = 100_000;
const GENERATION = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;
/** Unicode's noncharacters, two of which stand for the marks while a template is rendered. */
const MARKS = ["\u{fdd0}", "\u{fdd1}", "\u{fdd2}", "\u{fdd3}", "\u{fdd4}", "\u{fdd5}"];
const compiled = new Map<string, Template>();

/**
 * Renders a conversation with the model's own chat template. BOS is part of the text where the template writes it, so encode the
 * result without special tokens.
 *
 * @throws UsageError when the model has no template or the template refuses the conversation, FailureError when it does not end.
 */
export function renderModelTemplate(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  options: TemplateOptions = {},
): string {
  return renderMarked(tokenizer, messages, options).text;
}

/** The same, with the parts that the template itself marks as the model's. */
export function renderMarked(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  options: TemplateOptions = {},
): MarkedText {
  const source = tokenizer.chatTemplate;
  if (source === undefined) throw new UsageError('the model has no chat template; use template "tulu"');
  const plain = messages.map(({ role, content, fields }) => ({ role, content, ...fields }));
  const written = JSON.stringify([plain, options]);
  const [open, close] = MARKS.filter((mark) => !written.includes(mark)) as [string, string];
  try {
    return withinTime("the model's chat template", written.length, () => {
      const template = compile(source);
      const marks = { evoke_open: open, evoke_close: close };
      const text = renderJinja(template, { ...variables(tokenizer, options, plain), ...marks });
      return text.includes(open) ? unmark(text, open, close) : { text };
    });
  } catch (error) {
    if (error instanceof InterruptedError || error instanceof UsageError) throw error;
    if ((error as { exitCode?: number }).exitCode !== undefined) throw error;
    throw new UsageError(`the model's chat template refuses the conversation: ${(error as Error).message}`);
  }
}

/**
 * `{% generation %}` is a block with a scope of its own, as transformers has it: a call of a macro, which puts marks around what
 * it encloses.
 */
function compile(source: string): Template {
  let template = compiled.get(source);
  if (!template) {
    const macro = "{% macro evoke_generation() %}{{ evoke_open }}{{ caller() }}{{ evoke_close }}{% endmacro %}";
    const blocks = source.replace(
      GENERATION,
      (_, left: string, end: string | undefined, right: string) =>
        `{%${left} ${end ? "endcall" : "call evoke_generation()"} ${right}%}`,
    );
    template = new Template(blocks === source ? source : macro + blocks);
    compiled.set(source, template);
  }
  return template;
}

/** What transformers gives a template: special tokens by name, `tools` and `documents` (none where there are none), functions. */
function variables(tokenizer: Tokenizer, options: TemplateOptions, messages: unknown[]): Record<string, unknown> {
  const { bosToken, eosToken, specialTokens, templateTime } = tokenizer;
  const tokens = specialTokens ?? {
    ...(bosToken === undefined ? {} : { bos_token: bosToken }),
    ...(eosToken === undefined ? {} : { eos_token: eosToken }),
  };
  return {
    ...{ true: true, True: true, false: false, False: false, none: null, None: null },
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    range,
    strftime_now: (format: string) => strftime(templateTime ?? PROGRAM_START, format),
    ...tokens,
    documents: null,
    ...options.variables,
    messages,
    tools: options.tools?.length ? options.tools : null,
    add_generation_prompt: options.addGenerationPrompt ?? false,
  };
}

function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (length > MAX_RANGE) throw new Error(`range(${length}) is longer than ${MAX_RANGE}`);
  return Array.from({ length }, (_, i) => from + i * step);
}

function unmark(marked: string, open: string, close: string): MarkedText {
  let text = "";
  const generated: [number, number][] = [];
  let start = 0;
  for (const part of marked.split(new RegExp(`(${open}|${close})`))) {
    if (part === open) start = text.length;
    else if (part === close) generated.push([start, text.length]);
    else text += part;
  }
  return { text, generated };
}

/**
 * Renders the template of the Response Tuning paper: a user turn is `<|user|>\n…\n`, an assistant turn `<|assistant|>\n…{eos}\n`;
 * the tags are ordinary text. System turns are dropped.
 */
export function renderTulu(
  messages: readonly Message[],
  eos: string,
  options: { addGenerationPrompt?: boolean } = {},
): string {
  let text = "";
  for (const { role, content } of messages) {
    if (role === "user") text += `<|user|>\n${content}\n`;
    else if (role === "assistant") text += `<|assistant|>\n${content}${eos}\n`;
  }
  return options.addGenerationPrompt ? `${text}<|assistant|>\n` : text;
}

/** The same as a Jinja template, for programs that read a model's folder. `bos`: the tokenizer puts BOS before any text. */
export function tuluJinja(bos: boolean): string {
  return (
    `${bos ? "{{ bos_token }}" : ""}{% for message in messages %}` +
    "{% if message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] + '\\n' }}" +
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
  );
}
