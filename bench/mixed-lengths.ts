/**
 * One long answer beside fifteen short ones, and a conversation's tenth turn, next to what each costs apart:
 *
 *   npx tsx bench/mixed-lengths.ts MODEL.gguf [--threads 2]
 *
 * The kinds take turns, and the best of several rounds counts, so that other programs count less.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Generator } from "../src/generate/generator.js";
import { positionBytes } from "../src/generate/kv-cache.js";
import { loadModel } from "../src/generate/load-model.js";
import { Device } from "../src/runtime/device.js";

const LONG = 4000;
const SHORT = 60;
const SHORT_ANSWERS = 15;
const STEPS = 24;
const ROUNDS = 6;
const TURNS = 10;
const TURN_TOKENS = 40;

interface Batch {
  cacheBytes: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: String(cpus().length) } },
});
const [path] = positionals;
if (path === undefined) throw new Error("usage: npx tsx bench/mixed-lengths.ts MODEL.gguf");
const device = await Device.open({ threads: Number(values.threads) });
const loaded = await loadModel(path, {});
/** Bytes of cache for each byte of cached keys and values, at the end of the last measurement. */
let cacheOfTokens = 0;
const some = (count: number, from: number): number[] =>
  Array.from({ length: count }, (_, i) => 1000 + (((from + i) * 7919) % 20000));

/** The batches that a generator has under way, for their caches. */
const batchesOf = (generator: Generator): Batch[] => [
  ...(generator as unknown as { scheduler: { batches: Map<unknown, Batch> } }).scheduler.batches.values(),
];

/** Time between the tokens of answers to prompts of these lengths, once all are being written. */
async function stepTime(generator: Generator, lengths: readonly number[]): Promise<number> {
  const times: number[] = [];
  const written = lengths.map(() => 0);
  const stopped = new AbortController();
  const begun = performance.now();
  const answers = lengths.map((length, i) => {
    const onToken = (): void => {
      written[i]!++;
      // A step is over when the last of the answers has its token.
      if (Math.min(...written) > times.length) times.push(performance.now() - begun);
      if (times.length !== STEPS) return;
      const held = batchesOf(generator).reduce((sum, { cacheBytes }) => sum + cacheBytes, 0);
      const tokens = lengths.reduce((sum, length, k) => sum + length + written[k]!, 0);
      cacheOfTokens = held / (tokens * positionBytes(loaded.weights.config));
      stopped.abort(new Error("enough"));
    };
    const request = { tokens: some(length, i * 31), maxTokens: 10 * STEPS, ignoreEos: true };
    return generator.generate(request, { signal: stopped.signal, onToken }).catch(() => undefined);
  });
  await Promise.all(answers);
  return (times.at(-1)! - times[0]!) / (times.length - 1);
}

/** Answers a conversation so far, and adds the answer to it. @returns the time to its first token. */
async function firstToken(generator: Generator, tokens: number[]): Promise<number> {
  const begun = performance.now();
  let first = 0;
  const onToken = (): void => void (first ||= performance.now() - begun);
  const answer = await generator.generate({ tokens: [...tokens], maxTokens: 8, ignoreEos: true }, { onToken });
  tokens.push(...answer.tokens);
  return first;
}

const generator = await Generator.of(loaded, device, { maxBatch: 16 });
const best: Record<string, number> = {};
const note = (name: string, value: number): void => void (best[name] = Math.min(best[name] ?? value, value));
const short = Array.from({ length: SHORT_ANSWERS }, () => SHORT);
for (let round = 0; round < ROUNDS; round++) {
  note("long_ms", await stepTime(generator, [LONG]));
  note("short_ms", await stepTime(generator, short));
  // Last, so that the size of its cache is what is reported.
  note("both_ms", await stepTime(generator, [LONG, ...short]));
}
const talk = await Generator.of(loaded, device, { maxBatch: 1 });
for (let round = 0; round < ROUNDS; round++) {
  note("turn_alone_ms", await firstToken(talk, some(TURN_TOKENS, 1e6 + round * 997)));
  const past: number[] = some(1, round * 1009);
  for (let turn = 1; turn <= TURNS; turn++) {
    past.push(...some(TURN_TOKENS, round * 1009 + turn * 101));
    const begun = await firstToken(talk, past);
    if (turn === TURNS) note("tenth_turn_ms", begun);
  }
}
await generator.dispose();
await talk.dispose();

console.log(
  JSON.stringify({
    ...best,
    both_of_apart: best.both_ms! / (best.long_ms! + best.short_ms!),
    cache_of_tokens: cacheOfTokens,
    tenth_of_alone: best.tenth_turn_ms! / best.turn_alone_ms!,
  }),
);
