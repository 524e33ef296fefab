import type { JournaledModel } from "../llm/journal.js";
import type { GenerateRequest, GenerateResult } from "../llm/language-model.js";
import { answersOf, type SuiteContext } from "./suite.js";

/** Times that a judge is asked again over all runs, unless a run asks for more. */
const MOST_RETRIES = 3;

/** A judge's reply with what was read from it. */
export interface Judged<T> {
  /** The last reply, or why there is none. */
  reply: GenerateResult | Error;
  /** `undefined` when the reply cannot be read. */
  verdict: T | undefined;
  /** Replies before this one that could not be read. */
  retries: number;
}

/**
 * Asks the judge, and reads its replies. One that cannot be read is asked again `context.retryUnreadable` times at once; without that,
 * once on each later run in the same folder, three times in all. Every reply stays in the journal under its trial.
 *
 * @param read `undefined` for a reply without a verdict.
 */
export async function askJudge<T>(
  context: SuiteContext,
  judge: JournaledModel,
  label: string,
  requests: readonly GenerateRequest[],
  read: (reply: GenerateResult, index: number) => T | undefined,
): Promise<Judged<T>[]> {
  const wasAsked = requests.map((request) => judge.isFinished(request));
  const judged = requests.map((): Judged<T> => ({ reply: new Error("not asked"), verdict: undefined, retries: 0 }));
  const ask = async (places: readonly number[], trial: number, name: string): Promise<void> => {
    const replies = await answersOf(
      context,
      judge,
      name,
      places.map((place) => trialOf(requests[place]!, trial)),
    );
    for (const [at, place] of places.entries()) {
      const reply = replies[at]!;
      if (reply instanceof Error && trial > 0) continue; // the earlier reply says more
      const verdict = reply instanceof Error ? undefined : read(reply, place);
      judged[place] = { reply, verdict, retries: trial };
    }
  };
  await ask([...requests.keys()], 0, label);
  const most = Math.max(MOST_RETRIES, context.retryUnreadable ?? 0);
  // The trials that an earlier run made are read again; beyond them this run may ask as often as it was told.
  const asksLeft = wasAsked.map((was) => context.retryUnreadable ?? (was ? 1 : 0));
  for (let trial = 1; trial <= most; trial++) {
    const again = [...requests.keys()].filter((place) => {
      const { reply, verdict } = judged[place]!;
      if (verdict !== undefined || reply instanceof Error) return false;
      return judge.isFinished(trialOf(requests[place]!, trial)) || asksLeft[place]!-- > 0;
    });
    if (again.length === 0) break;
    await ask(again, trial, `${label} again`);
  }
  return judged;
}

/** A trial of its own has a seed of its own, for servers that would give the same reply from their cache. */
const trialOf = (request: GenerateRequest, trial: number): GenerateRequest =>
  trial === 0 ? request : { ...request, trial, seed: (request.seed ?? 0) + trial };

/** What became of the replies, for `details`. */
export function judgingCounts(judged: readonly Judged<unknown>[]): Record<string, number> {
  const unreadable = judged.filter(({ reply, verdict }) => !(reply instanceof Error) && verdict === undefined);
  const retried = judged.filter(({ retries }) => retries > 0);
  return {
    unreadable: unreadable.length,
    cut_off: judged.filter(({ reply }) => !(reply instanceof Error) && reply.finishReason === "length").length,
    asked_again: retried.length,
    read_after_asking_again: retried.filter(({ verdict }) => verdict !== undefined).length,
  };
}
