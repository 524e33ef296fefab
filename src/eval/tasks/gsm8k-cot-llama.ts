import { GSM8K_CHAT_STRICT, GSM8K_FLEXIBLE } from "../../metrics/exact-match.js";
import type { AnswerTask, Shot } from "../task.js";

const ask = (problem: string): string =>
  `Given the following problem, reason and give a final answer to the problem.\nProblem: ${problem}\nYour response should end with "The final answer is [answer]" where [answer] is the response to the problem.\n`;

/** Eight worked examples of this project, of the kinds that the original's are: one to three steps, small numbers. */
const SHOTS: readonly Shot[] = (
  [
    [
      "A shelf holds 18 books. Mira puts some more on it, and now it holds 25. How many books did she add?",
      "The shelf held 18 books at first and holds 25 now. The difference is what Mira added: 25 - 18 = 7.",
      7,
    ],
    [
      "Six ducks swim on a pond, and four more land on it. How many ducks are on the pond?",
      "There are 6 ducks at first. 4 more land. 6 + 4 = 10.",
      10,
    ],
    [
      "Tom picked 27 apples and his aunt picked 36. They gave away 20. How many are left?",
      "Together they picked 27 + 36 = 63 apples. After giving away 20 there are 63 - 20 = 43 left.",
      43,
    ],
    [
      "A jar had 30 biscuits. After a party 11 are in it. How many were eaten?",
      "The jar had 30 biscuits and has 11 now. So 30 - 11 = 19 were eaten.",
      19,
    ],
    [
      "Nia has 8 stickers. Each of her three cousins gives her 2 more. How many does she have now?",
      "Three cousins give 2 stickers each, which is 3 * 2 = 6. With the 8 she had that makes 8 + 6 = 14.",
      14,
    ],
    [
      "A kennel has 12 dogs. On each day from Tuesday to Friday 3 more arrive. How many dogs are there then?",
      "From Tuesday to Friday there are 4 days. 3 dogs arrive on each, so 4 * 3 = 12 arrive. 12 + 12 = 24.",
      24,
    ],
    [
      "Omar had 70 marbles. He lost 15 on Monday and 9 on Thursday. How many does he have after Thursday?",
      "Omar had 70 marbles. After Monday he had 70 - 15 = 55. After Thursday he had 55 - 9 = 46.",
      46,
    ],
    [
      "Lea has $40. She buys six notebooks for $4 each. How many dollars are left?",
      "Six notebooks at 4 dollars cost 6 * 4 = 24 dollars. 40 - 24 = 16.",
      16,
    ],
  ] as const
).map(([problem, reasoning, answer]) => ({
  question: ask(problem),
  answer: `${reasoning} The final answer is ${answer}`,
}));

/** GSM8K in the form of the Llama 3 evaluations, which the Response Tuning paper uses: a conversation of worked examples. */
export const gsm8kCotLlama: AnswerTask = {
  kind: "answer",
  name: "gsm8k_cot_llama",
  title: "GSM8K, reasoning in chat",
  version: "4.0",
  data: { folder: "gsm8k", hub: "openai/gsm8k", config: "main" },
  split: "test",
  shots: 8,
  fewShot: { split: "train", sampler: "first", fixed: SHOTS },
  delimiter: "",
  isChat: true,
  stop: ["<|eot_id|>", "<|start_header_id|>user<|end_header_id|>", "Q:", "</s>", "<|im_end|>"],
  maxTokens: 256,
  filters: { strict: GSM8K_CHAT_STRICT, flexible: GSM8K_FLEXIBLE },
  read: (row) => ({ context: ask(row.text("question")), target: row.text("answer").split("####").at(-1)!.trim() }),
};

/** Shots of the original from a file of rows `{question, target}`. */
export function gsm8kShots(rows: readonly { question: string; target: string }[]): Shot[] {
  return rows.map(({ question, target }) => ({ question: ask(question), answer: target }));
}
