/** Response ranking in the tab: how often the own response is found likelier than others (src/metrics/response-ranking.ts). */
import { drawResponses, rankRow } from "../../../src/metrics/response-ranking.js";
import type { TabModel } from "./model.js";
import { readRows } from "./rows.js";

/** Instructions that are ranked, and others' responses for each. */
const ROWS = 32;
const OTHERS = 5;

/** @returns share of pairs won, by the mean over tokens, and rows ranked. */
export async function rank(
  model: TabModel,
  adapter: string | null,
  text: string,
): Promise<{ rate: number; rows: number }> {
  const pairs = readRows(text).flatMap(({ messages }) => {
    const [user, answer] = [messages.find(({ role }) => role === "user"), messages.at(-1)];
    return user && answer?.role === "assistant" ? [{ user, response: answer.content }] : [];
  });
  const rows = pairs.slice(0, ROWS);
  const responses = rows.map(({ response }) => response);
  const draws = drawResponses([...rows.keys()], responses, OTHERS);
  const asked = rows.flatMap(({ user, response }, i) => {
    const context = model.generator.render([user]);
    return [response, ...draws[i]!.others.map((at) => responses[at]!)].map((continuation) => ({
      context,
      continuation,
    }));
  });
  const scores = await model.generator.score(asked, { adapter });
  let at = 0;
  const won = rows.flatMap((_, i) => {
    const own = scores.slice(at, (at += 1 + draws[i]!.others.length));
    const { pairs: share } = rankRow(own[0]!, own.slice(1), own.slice(1));
    return share === null ? [] : [share];
  });
  return { rate: won.reduce((sum, share) => sum + share, 0) / Math.max(1, won.length), rows: won.length };
}
