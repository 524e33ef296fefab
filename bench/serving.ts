/**
 * `evoke serve` under many clients, next to one client, in one run:
 *
 *   npm run build && npx tsx bench/serving.ts MODEL [--clients 64] [--seconds 60] [--tokens 64] [--fresh] [--json]
 *
 * Every client has a question of its own and asks it again and again with temperature 0, half of them streaming; each
 * answer is compared with what the server gave a client that was alone. One client asks before and after the many, so
 * that a machine which slows down meanwhile does not flatter the ratio. The clients run on the same machine as the
 * server and cost it some of its time.
 *
 * A question that comes again is not read again, as the server remembers its prompt. With --fresh the many ask something new
 * each time: then nothing is compared, and the rate is that of prompts that are read.
 *
 * Exit code 1 when an answer was lost or is another client's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import OpenAI from "openai";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: "string", default: "64" },
    seconds: { type: "string", default: "60" },
    tokens: { type: "string", default: "64" },
    "max-batch": { type: "string" },
    fresh: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const [model] = positionals;
if (model === undefined) throw new Error("usage: npx tsx bench/serving.ts MODEL");
const clients = Number(values.clients);
const maxTokens = Number(values.tokens);

const THINGS = ["a river", "the moon", "bread", "a clock", "the wind", "a bridge", "an owl", "salt"];
const WISHES = ["Describe", "Tell a story about", "Explain the use of", "Write a poem about", "Name three facts about"];
const question = (client: number, round: number): string =>
  `${WISHES[client % WISHES.length]} ${THINGS[(client >> 1) % THINGS.length]} for reader ${client + 1}${round ? `, part ${round}` : ""}.`;

interface Answer {
  text: string;
  tokens: number;
}

function start(): Promise<{ child: ChildProcess; url: string }> {
  const program = fileURLToPath(new URL("../bin/evoke.js", import.meta.url));
  const flags = values["max-batch"] ? ["--max-batch", values["max-batch"]] : [];
  const child = spawn(
    process.execPath,
    [program, "serve", model!, "--name", "model", "--port", "0", "--json", "--quiet", ...flags],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (piece) => {
      text += piece;
      if (text.endsWith("}\n")) resolve({ child, url: (JSON.parse(text) as { url: string }).url });
    });
    child.once("close", (code) => reject(new Error(`the server ended with code ${code}`)));
  });
}

async function ask(client: OpenAI, id: number, round = 0): Promise<Answer> {
  const body = {
    model: "model",
    messages: [{ role: "user" as const, content: question(id, round) }],
    max_tokens: maxTokens,
    temperature: 0,
  };
  if (id % 2 === 0) {
    const { choices, usage } = await client.chat.completions.create(body);
    return { text: choices[0]!.message.content!, tokens: usage!.completion_tokens };
  }
  let [text, tokens] = ["", 0];
  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const { choices, usage } of stream) {
    text += choices[0]?.delta.content ?? "";
    tokens += usage?.completion_tokens ?? 0;
  }
  return { text, tokens };
}

const { child, url } = await start();
const connect = (): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0, timeout: 600_000 });
const alone = { tokens: 0, ms: 0 };

/** One client asks the questions of all, or as many as `seconds` allow. */
async function oneClient(expected: Map<number, string>, seconds: number): Promise<void> {
  const client = connect();
  const begun = performance.now();
  for (let id = 0; id < clients && performance.now() - begun < seconds * 1000; id++) {
    const { text, tokens } = await ask(client, id);
    expected.set(id, text);
    alone.tokens += tokens;
  }
  alone.ms += performance.now() - begun;
}

/** All clients at once; after the time is up each finishes its last answer. */
async function manyClients(expected: ReadonlyMap<number, string>) {
  const many = { answers: 0, tokens: 0, ms: 0, mixed: 0, differing: 0, lost: 0 };
  const others = new Set(expected.values());
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, id) => {
      const client = connect();
      let round = 0;
      while (performance.now() - begun < Number(values.seconds) * 1000) {
        try {
          const { text, tokens } = await ask(client, id, values.fresh ? ++round : 0);
          many.answers++;
          many.tokens += tokens;
          if (values.fresh || text === expected.get(id)) continue;
          many.differing++;
          // Another client's words; anything else is a tie between tokens that fell the other way.
          if (others.has(text)) many.mixed++;
        } catch {
          many.lost++;
        }
      }
    }),
  );
  many.ms = performance.now() - begun;
  return many;
}

try {
  const expected = new Map<number, string>();
  await ask(connect(), 0);
  await oneClient(expected, 600);
  const many = await manyClients(expected);
  await oneClient(new Map(), 10);
  const rate = ({ tokens, ms }: { tokens: number; ms: number }): number => (tokens * 1000) / ms;
  const result = {
    clients,
    one_client_tokens_per_s: rate(alone),
    many_clients_tokens_per_s: rate(many),
    ratio: rate(many) / rate(alone),
    answers: many.answers,
    differing: many.differing,
    mixed: many.mixed,
    lost: many.lost,
  };
  if (values.json) console.log(JSON.stringify(result));
  else
    for (const [name, value] of Object.entries(result))
      console.log(`${name.padEnd(28)} ${Number.isInteger(value) ? value : value.toFixed(2)}`);
  if (many.mixed + many.lost > 0) process.exitCode = 1;
} finally {
  child.removeAllListeners("close");
  child.kill("SIGTERM");
}
