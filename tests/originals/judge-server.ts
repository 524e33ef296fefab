import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const ASPECTS = ["helpfulness", "clarity", "factuality", "depth", "engagement"];

/** A number of 0 … 2³²−1 that depends on a text alone, blanks around it left out. */
const numberOf = (text: string): number => createHash("sha256").update(text.trim()).digest().readUInt32BE();

/** A server that plays both judges: what it says depends on the last turn alone. `turns` keeps what it was asked. */
export async function startJudge() {
  const turns: { role: string; content: string }[][] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => {
      const body = JSON.parse(text) as {
        messages: { role: string; content: string }[];
        logprobs?: boolean;
        model: string;
      };
      turns.push(body.messages);
      const asked = body.messages.at(-1)!.content;
      const choice = body.logprobs ? letters(asked) : { message: { role: "assistant", content: scores(asked) } };
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({
          id: "x",
          object: "chat.completion",
          created: 1,
          model: body.model,
          choices: [{ index: 0, finish_reason: "stop", ...choice }],
          usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    turns,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () => void server.close(),
  };
}

function scores(asked: string): string {
  const aspects = /"safety"/.test(asked) ? ["safety"] : ASPECTS;
  const entries = aspects.map((aspect) => [
    aspect,
    { reason: "So.", score: String(1 + (numberOf(asked.trim() + aspect) % 5)) },
  ]);
  return JSON.stringify(Object.fromEntries(entries), null, 2);
}

function letters(asked: string): object {
  const share = 0.05 + (0.9 * numberOf(asked)) / 2 ** 32;
  const top_logprobs = [
    { token: "M", logprob: Math.log(share), bytes: [77] },
    { token: "m", logprob: Math.log(1 - share), bytes: [109] },
  ].sort((a, b) => b.logprob - a.logprob);
  const { token, logprob, bytes } = top_logprobs[0]!;
  return {
    message: { role: "assistant", content: token },
    logprobs: { content: [{ token, logprob, bytes, top_logprobs }], refusal: null },
  };
}
