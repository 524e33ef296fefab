/** Writes the text the mini model is pre-trained on: `npm run mini:corpus -- [--documents N] [--seed N] [--out FILE]`. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../../src/random/counter.js";
import { randomDocument } from "./documents.js";
import { families } from "./families/index.js";

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "60000" },
    seed: { type: "string", default: "0" },
    out: { type: "string", default: ".cache/mini/corpus.jsonl" },
  },
});
const count = Number(values.documents);
mkdirSync(dirname(values.out), { recursive: true });
const fd = openSync(values.out, "w");
let bytes = 0;
for (let i = 0; i < count; i++) {
  // A stream of its own for each document: the first N documents do not depend on how many there are.
  const text = randomDocument(new Random("mini", "document", values.seed, i), families);
  bytes += text.length;
  writeSync(fd, `${JSON.stringify({ text })}\n`);
}
closeSync(fd);
console.log(`${values.out}: ${count} documents, ${bytes} characters`);
