/** One answer being written: its sampler, its text, and what ends it. */

import { Random } from "../random/counter.js";
import { spellToken } from "../tokenizer/token-bytes.js";
import type { Tokenizer, TokenStream } from "../tokenizer/tokenizer.js";
import type { LogitsProcessor } from "./logits-processors.js";
import type { Answer, GenerationOptions, LocalGenerateRequest, TokenLogprob } from "./request.js";
import { logProbabilities, Sampler } from "./sampler.js";
import { StopStrings } from "./stop-strings.js";

export interface SequenceOptions extends Pick<GenerationOptions, "onText" | "onToken"> {
  request: LocalGenerateRequest;
  /** What changes the logits; its own for each answer. */
  processors: readonly LogitsProcessor[];
  /** Number of this answer among those to one prompt. */
  index: number;
  seed: number;
  /** Most tokens to write. */
  limit: number;
}

export class Sequence {
  /** The token that the next step reads. */
  last = 0;
  readonly tokens: number[] = [];
  finishReason?: "stop" | "length";
  /** Tokens drawn, the one that ended the answer included. */
  drawn = 0;
  private text = "";
  private readonly logprobs: TokenLogprob[] = [];
  private readonly sampler: Sampler;
  private readonly stops: StopStrings;
  private readonly stream: TokenStream;

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly options: SequenceOptions,
    private readonly ends: ReadonlySet<number>,
  ) {
    const { request, seed, index, processors } = options;
    this.sampler = new Sampler(request, new Random("generate", seed, request.trial ?? 0, index), processors);
    this.stops = new StopStrings(request.stop ?? []);
    this.stream = tokenizer.stream();
  }

  /** Tokens that may still be drawn. */
  get left(): number {
    return this.options.limit - this.drawn;
  }

  /** Draws the next token from logits (which it may change) and takes note of what that ends. */
  advance(logits: Float32Array): void {
    const { request, limit, index, onToken } = this.options;
    const raw = request.logprobs === undefined ? undefined : logits.slice();
    const token = this.sampler.choose(logits);
    this.drawn++;
    if (this.ends.has(token)) {
      this.finish("stop");
      return;
    }
    this.last = token;
    this.tokens.push(token);
    const logprob = raw && this.note(raw, token);
    const piece = this.stream.push(token);
    onToken?.({ id: token, piece, ...(logprob ? { logprob } : {}) }, index);
    this.emit(this.stops.push(piece));
    if (this.stops.found !== undefined) this.finishReason = "stop";
    else if (this.drawn >= limit) this.finish("length");
  }

  private finish(reason: "stop" | "length"): void {
    this.emit(this.stops.push(this.stream.flush()));
    // The last bytes may complete a stop string.
    this.finishReason = this.stops.found === undefined ? reason : "stop";
    if (this.stops.found === undefined) this.emit(this.stops.flush());
  }

  private emit(text: string): void {
    if (text === "") return;
    this.text += text;
    this.options.onText?.(text, this.options.index);
  }

  private note(logits: Float32Array, token: number): TokenLogprob {
    const { logprob, top } = logProbabilities(logits, token, this.options.request.logprobs ?? 0);
    const noted: TokenLogprob = {
      ...spellToken(this.tokenizer, token),
      logprob,
      top: top.map((entry) => ({ ...spellToken(this.tokenizer, entry.token), logprob: entry.logprob })),
    };
    this.logprobs.push(noted);
    return noted;
  }

  answer(): Answer {
    return {
      text: this.text,
      finishReason: this.finishReason ?? "length",
      tokens: this.tokens,
      ...(this.stops.found !== undefined ? { stopText: this.stops.found } : {}),
      ...(this.options.request.logprobs === undefined ? {} : { logprobs: this.logprobs }),
    };
  }
}
