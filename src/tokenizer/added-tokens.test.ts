import { describe, expect, it } from "vitest";
import { addedTokens } from "./added-tokens.js";
import { endsByText } from "./tokenizer-gguf.js";

const vocabulary = new Map(Array.from({ length: 640 }, (_, id) => [id === 2 ? "</s>" : `t${id}`, id]));
const listed = [{ id: 2, content: "</s>", special: true }];
const entry = (content: string, more = {}) => ({
  content,
  lstrip: false,
  rstrip: false,
  normalized: false,
  single_word: false,
  special: true,
  ...more,
});
const of = (config: Record<string, unknown>, legacy: Record<string, unknown> = {}) =>
  addedTokens("model", listed, { eos_token: "</s>", ...config }, legacy, vocabulary).map(({ id, content }) => [
    id,
    content,
  ]);

// The ids are those that transformers 5.24 gave for the same files.
describe("tokens that tokenizer.json does not list", () => {
  it("come from added_tokens_decoder", () => {
    const decoder = { 641: entry("<y>", { special: false, rstrip: true }), 640: entry("<x>") };
    expect(of({ added_tokens_decoder: decoder })).toEqual([
      [2, "</s>"],
      [640, "<x>"],
      [641, "<y>"],
    ]);
    const tokens = addedTokens("model", listed, { added_tokens_decoder: decoder }, {}, vocabulary);
    expect(tokens.find(({ content }) => content === "<y>")).toEqual(
      entry("<y>", { id: 641, special: false, rstrip: true }),
    );
  });

  it("come from the names of special tokens and the lists of further ones, in this order", () => {
    expect(of({ pad_token: "[PAD]", additional_special_tokens: ["<x>", "<tool>"] })).toEqual([
      [2, "</s>"],
      [640, "[PAD]"],
      [641, "<x>"],
      [642, "<tool>"],
    ]);
    expect(of({ extra_special_tokens: { image_token: "<img>" }, bos_token: entry("t5") })).toEqual([
      [2, "</s>"],
      [5, "t5"],
      [640, "<img>"],
    ]);
  });

  it("come from added_tokens.json", () => {
    expect(of({}, { "<note>": 640 })).toEqual([
      [2, "</s>"],
      [640, "<note>"],
    ]);
  });

  it("are refused where files contradict each other, and an end without an id is", () => {
    expect(() => of({ added_tokens_decoder: { 700: entry("<x>") } })).toThrow(
      'give the token "<x>" the id 700, by its vocabulary it has 640',
    );
    expect(() => of({}, { t7: 3 })).toThrow('"t7" the id 3');
    expect(() => of({ eos_token: "<|im_end|>" })).toThrow(
      'the end-of-sequence token "<|im_end|>" (eos_token) has no id',
    );
    expect(of({ eos_token: "t9" })).toEqual([
      [2, "</s>"],
      [9, "t9"],
    ]);
  });
});

it("a GGUF file's tokens end a generation by their text, as in llama.cpp", () => {
  expect(endsByText(["a", "<|eot_id|>", "</s>", "<|im_start|>", "<|im_end|>", "<|file_sep|>"])).toEqual([1, 2, 4, 5]);
  expect(endsByText(["<|end|>", "<|endoftext|>"])).toEqual([0, 1]);
  expect(endsByText(["<|end|>", "<|return|>", "<|call|>"])).toEqual([1, 2]);
});
