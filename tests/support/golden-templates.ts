/** The chat templates of tools/golden/chat_templates.py, each with a tiny tokenizer that has its tokens. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { Role } from "../../src/tokenizer/message.js";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.js";

interface GoldenTemplates {
  time: string;
  special: string[];
  plain: string[];
  conversations: { messages: (Record<string, unknown> & { role: Role; content: string })[]; tools?: unknown[] }[];
  templates: Record<
    string,
    {
      bos: string | null;
      eos: string;
      answers: ({ ids: number[]; mask: [number, number][]; prompt?: number[] } | null)[];
    }
  >;
}

const fixtures = fileURLToPath(new URL("../../src/data/fixtures/", import.meta.url));
export const golden = JSON.parse(readFileSync(`${fixtures}chat-templates.json`, "utf8")) as GoldenTemplates;
const tiny = JSON.parse(readFileSync(`${fixtures}tiny-tokenizer/tokenizer.json`, "utf8"));
const folder = mkdtempSync(join(tmpdir(), "evoke-templates-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The tiny tokenizer with the golden's added tokens, and one template. */
export async function tokenizerOf(name: string, kind: { addsBos: boolean; appendsEos: boolean }): Promise<Tokenizer> {
  const { bos, eos } = golden.templates[name]!;
  const path = join(folder, `${name}-${kind.addsBos}-${kind.appendsEos}`);
  mkdirSync(path, { recursive: true });
  const first = Object.keys(tiny.model.vocab).length;
  const names = [...golden.special, ...golden.plain];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const added = names.map((content, i) => ({ id: first + i, content, special: i < golden.special.length, ...flags }));
  const special = (token: string | null, on: boolean): object[] =>
    on && token ? [{ SpecialToken: { id: token, type_id: 0 } }] : [];
  const single = [
    ...special(bos, kind.addsBos),
    { Sequence: { id: "A", type_id: 0 } },
    ...special(eos, kind.appendsEos),
  ];
  const ids = new Map<string, number>([
    ...Object.entries(tiny.model.vocab as Record<string, number>),
    ...added.map(({ content, id }) => [content, id] as const),
  ]);
  const special_tokens = Object.fromEntries(
    [bos, eos].flatMap((token) => (token ? [[token, { id: token, ids: [ids.get(token)], tokens: [token] }]] : [])),
  );
  const post_processor = { type: "TemplateProcessing", single, pair: single, special_tokens };
  const tokenizer = { ...tiny, added_tokens: [...tiny.added_tokens, ...added], post_processor };
  const template = readFileSync(`${fixtures}templates/${name}.jinja`, "utf8");
  writeFileSync(join(path, "config.json"), "{}");
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(
    join(path, "tokenizer_config.json"),
    JSON.stringify({
      ...(bos ? { bos_token: bos } : {}),
      eos_token: eos,
      chat_template: name === "generation" ? template : template.replace(/\{% (end)?generation %\}/g, ""),
    }),
  );
  return loadTokenizer(path, { templateTime: golden.time });
}
