import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { renderModelTemplate, renderTulu } from "./chat-template.js";
import { loadTokenizer, type Tokenizer } from "./tokenizer.js";

const fixtures = fileURLToPath(new URL("../model/fixtures/", import.meta.url));
const byteLevel = await loadTokenizer(join(fixtures, "gguf/llama.gguf"));
const sentencePiece = await loadTokenizer(join(fixtures, "gguf/spm.gguf"));
const folder = mkdtempSync(join(tmpdir(), "evoke-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a tokenizer rebuilt from GGUF, against the reference package", () => {
  const golden = JSON.parse(readFileSync(join(fixtures, "tokenizer.json"), "utf8")) as Record<string, never[]>;
  const texts = golden.texts as unknown as string[];
  const kinds: [string, Tokenizer][] = [
    ["llama", byteLevel],
    ["spm", sentencePiece],
  ];

  it.each(kinds)("%s: the same ids", (name, tokenizer) => {
    expect(texts.map((text) => tokenizer.encode(text))).toEqual(golden[name]);
    expect(texts.map((text) => tokenizer.encode(text, { addSpecialTokens: false }))).toEqual(golden[`${name}-plain`]);
  });

  it.each(kinds)("%s: the same text back", (name, tokenizer) => {
    const ids = golden[name] as unknown as number[][];
    expect(ids.map((row) => tokenizer.decode(row, { skipSpecialTokens: true }))).toEqual(golden[`${name}-decoded`]);
    expect(ids.map((row) => tokenizer.decode(row))).toEqual(golden[`${name}-decoded-all`]);
  });

  it.each(kinds)("%s: streams the same text, never half a character", (name, tokenizer) => {
    for (const row of golden[name] as unknown as number[][]) {
      const stream = tokenizer.stream();
      const pieces = row.map((id) => stream.push(id));
      for (const piece of pieces) expect(piece).not.toContain("\ufffd");
      expect(pieces.join("") + stream.flush()).toBe(tokenizer.decode(row, { skipSpecialTokens: true }));
    }
  });
});

describe("a tokenizer", () => {
  it("knows its special tokens", () => {
    expect(byteLevel).toMatchObject({
      bosId: 1,
      eosId: 0,
      padId: 2,
      bosToken: "<|start|>",
      eosToken: "<|end|>",
      eosIds: [0, 2],
    });
    expect(byteLevel.vocabSize).toBe(3 + 256 + 6 + 1);
    expect(byteLevel.tokenToId("<tool>")).toBe(265);
    expect(byteLevel.idToToken(265)).toBe("<tool>");
    expect(byteLevel.tokenToId("nothing")).toBeUndefined();
    expect(byteLevel.idToToken(266)).toBeUndefined();
    expect(sentencePiece).toMatchObject({ bosId: 1, eosId: 2, eosIds: [2], chatTemplate: undefined });
  });

  it("leaves out ids it does not have, and decodes nothing to nothing", () => {
    expect(byteLevel.decode([9999, ...byteLevel.encode("the", { addSpecialTokens: false }), -1])).toBe("the");
    expect(byteLevel.decode([])).toBe("");
    expect(byteLevel.decode(new Int32Array(byteLevel.encode("in")), { skipSpecialTokens: true })).toBe("in");
  });

  it("gives any text back, whole or streamed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const ids = byteLevel.encode(text, { addSpecialTokens: false });
        expect(byteLevel.decode(ids)).toBe(text);
        const stream = byteLevel.stream();
        expect(ids.map((id) => stream.push(id)).join("") + stream.flush()).toBe(text);
      }),
    );
  });

  it("gives out bytes that never become a character at the end only", () => {
    const ids = byteLevel.encode("é", { addSpecialTokens: false });
    const stream = byteLevel.stream();
    expect(stream.push(ids[0]!)).toBe("");
    expect(stream.flush()).toBe("\ufffd");
    expect(stream.flush()).toBe("");
  });
});

describe("a Hugging Face folder's tokenizer", () => {
  it("reads every file that says something", async () => {
    const source = fileURLToPath(new URL("../../models/mini/", import.meta.url));
    for (const name of ["tokenizer.json", "tokenizer_config.json", "config.json"]) {
      writeFileSync(join(folder, name), readFileSync(join(source, name)));
    }
    const plain = await loadTokenizer(folder);
    const end = plain.idToToken(3)!;
    writeFileSync(join(folder, "generation_config.json"), '{"eos_token_id": [3, 5]}');
    writeFileSync(
      join(folder, "tokenizer_config.json"),
      JSON.stringify({
        eos_token: { content: end },
        chat_template: [
          { name: "rag", template: "no" },
          { name: "default", template: "yes" },
        ],
      }),
    );
    const listed = await loadTokenizer(folder);
    expect(listed).toMatchObject({ eosToken: end, eosId: 3, chatTemplate: "yes" });
    expect(listed.eosIds).toEqual(expect.arrayContaining([3, 5]));
    writeFileSync(join(folder, "chat_template.jinja"), "{{ messages[0].content }}!");
    expect(renderModelTemplate(await loadTokenizer(folder), [{ role: "user", content: "hi" }])).toBe("hi!");
  });

  it("says what is missing or damaged", async () => {
    const bare = mkdtempSync(join(folder, "bare-"));
    writeFileSync(join(bare, "config.json"), "{}");
    await expect(loadTokenizer(bare)).rejects.toThrow("has no tokenizer.json; save the model's fast tokenizer there");
    writeFileSync(join(bare, "tokenizer.json"), "{}");
    await expect(loadTokenizer(bare)).rejects.toThrow(/bare-.*: its tokenizer cannot be read/);
    await expect(loadTokenizer(join(fixtures, "gguf/blocks.gguf"))).rejects.toThrow("has no tokenizer");
  });
});

describe("chat templates", () => {
  it("renders the model's own", () => {
    const messages = [
      { role: "user" as const, content: "a" },
      { role: "assistant" as const, content: "b" },
    ];
    expect(renderModelTemplate(byteLevel, messages)).toBe("<|start|>user: a<|end|><|start|>assistant: b<|end|>");
    expect(renderModelTemplate(byteLevel, messages.slice(0, 1), { addGenerationPrompt: true })).toBe(
      "<|start|>user: a<|end|>assistant: ",
    );
    expect(() => renderModelTemplate(sentencePiece, messages)).toThrow(
      'the model has no chat template; use template "tulu"',
    );
  });

  it("passes on what a template objects to", () => {
    const strict = { ...byteLevel, chatTemplate: "{{ raise_exception('roles must alternate') }}" } as Tokenizer;
    expect(() => renderModelTemplate(strict, [])).toThrow("refuses the conversation: roles must alternate");
  });

  it("renders the paper's, without system turns", () => {
    const messages = [
      { role: "system" as const, content: "s" },
      { role: "user" as const, content: "q\n" },
      { role: "assistant" as const, content: "r" },
    ];
    expect(renderTulu(messages, "</s>")).toBe("<|user|>\nq\n\n<|assistant|>\nr</s>\n");
    expect(renderTulu(messages.slice(0, 2), "</s>", { addGenerationPrompt: true })).toBe(
      "<|user|>\nq\n\n<|assistant|>\n",
    );
  });
});

const vectors = join(
  process.env.EVOKE_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url)),
  "tokenizers",
);
const vocabularies = existsSync(vectors) ? readdirSync(vectors).filter((name) => name.endsWith(".gguf")) : [];

describe.skipIf(vocabularies.length === 0)("published vocabularies (skipped without EVOKE_DATA)", () => {
  it.each(vocabularies)("%s: the expected ids of every test string", async (name) => {
    const tokenizer = await loadTokenizer(join(vectors, name));
    const texts = readFileSync(join(vectors, `${name}.inp`), "utf8").split("\n__ggml_vocab_test__\n");
    const expected = readFileSync(join(vectors, `${name}.out`), "utf8").split("\n");
    expect(texts.length).toBeGreaterThan(40);
    for (const [i, text] of texts.entries()) {
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      expect(ids.join(" "), JSON.stringify(text)).toBe(expected[i]!.trim());
    }
  });
});
