/** A language model for tests: answers by a function, counts its calls, and can be made to stop at one. */

import type { SuiteContext } from "../../src/eval/suite.js";
import { withJournal } from "../../src/llm/journal.js";
import type {
  GenerateRequest,
  GenerateResult,
  LanguageModel,
  ScoreRequest,
  ScoreResult,
} from "../../src/llm/language-model.js";

export class Killed extends Error {}

export interface FakeBehaviour {
  answer?: (text: string, request: GenerateRequest) => string | Error | Partial<GenerateResult>;
  score?: (pair: ScoreRequest) => number;
  /** The call (an answer, or a block of scores) at which the model throws `Killed`, from 0. */
  killAt?: number;
}

export class FakeModel implements LanguageModel {
  readonly id = "fake";
  calls = 0;
  readonly asked: string[] = [];
  score?: (pairs: ScoreRequest[]) => Promise<ScoreResult[]>;

  constructor(private readonly behaviour: FakeBehaviour) {
    const { score } = behaviour;
    if (score)
      this.score = async (pairs) => {
        this.count();
        return pairs.map((pair) => ({ logprob: score(pair), tokens: 1, isGreedy: false }));
      };
  }

  async generate(
    requests: GenerateRequest[],
    options: { onResult?: (index: number, result: GenerateResult | Error) => void } = {},
  ): Promise<(GenerateResult | Error)[]> {
    const results: (GenerateResult | Error)[] = [];
    for (const [i, request] of requests.entries()) {
      this.count();
      const text = request.prompt ?? request.messages!.at(-1)!.content;
      this.asked.push(text);
      const said = this.behaviour.answer?.(text, request) ?? "";
      const base = { text: "", finishReason: "stop" as const, promptTokens: 1, outputTokens: 1 };
      const result = said instanceof Error ? said : { ...base, ...(typeof said === "string" ? { text: said } : said) };
      results.push(result);
      options.onResult?.(i, result);
    }
    return results;
  }

  private count(): void {
    if (this.calls++ === this.behaviour.killAt) throw new Killed("killed");
  }
}

/** A context around fake models; call `close` when the run is over. */
export function fakeContext(
  out: string,
  model: FakeModel | undefined,
  rest: Partial<SuiteContext> & { judgeModel?: FakeModel } = {},
): { context: SuiteContext; said: string[]; close: () => void } {
  const { judgeModel, ...given } = rest;
  const said: string[] = [];
  const journaled = model && withJournal(model, `${out}/journal.jsonl`);
  const judge = judgeModel && withJournal(judgeModel, `${out}/journal-judge.jsonl`);
  return {
    said,
    close: () => {
      journaled?.close();
      judge?.close();
    },
    context: {
      model: journaled,
      judge,
      judgeName: judge && "fake judge",
      generator: "fake",
      out,
      source: {},
      files: {},
      skipInvalid: false,
      say: (line) => void said.push(line),
      progress: () => () => {},
      ...given,
    },
  };
}
