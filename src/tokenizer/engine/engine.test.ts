/** Every kind of part of tokenizer.json against the Rust library on 2,000 texts (tools/golden/tokenizer_parts.py). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { AddedToken } from "../added-tokens.js";
import { readModel, TokenizerEngine } from "./engine.js";

type Json = Record<string, unknown>;
interface Case extends Json {
  name: string;
  model: string;
  added: AddedToken[];
  first: number[][];
  ids: string;
  decoded: string;
  bare: string;
  mixed: number[][];
  mixedText: string[];
}

const { texts, models, cases } = JSON.parse(
  gunzipSync(readFileSync(new URL("../fixtures/tokenizer-parts.json.gz", import.meta.url))).toString("utf8"),
) as { texts: string[]; models: Record<string, Json>; cases: Case[] };

const digest = (rows: unknown[]): string =>
  createHash("sha256")
    .update(rows.map((row) => pythonJson(row)).join("\n"))
    .digest("hex");

/** As Python's `json.dumps` without `ensure_ascii` writes it: of the control characters, U+007F is left as it is by both. */
const pythonJson = (value: unknown): string => JSON.stringify(value);

describe.each(cases)("$name", (golden) => {
  const engine = new TokenizerEngine(golden, readModel(models[golden.model]), golden.added);
  const ids = texts.map((text) => engine.encode(text, true));
  const special = new Set(golden.added.filter(({ special }) => special).map(({ id }) => id));

  it("gives the same ids", () => {
    expect(ids.slice(0, golden.first.length)).toEqual(golden.first);
    expect(digest(ids)).toBe(golden.ids);
  });

  it("gives the same text back, with and without special tokens, and of any ids", () => {
    expect(golden.mixed.map((row) => engine.decode(row))).toEqual(golden.mixedText);
    expect(digest(ids.map((row) => engine.decode(row)))).toBe(golden.decoded);
    expect(digest(ids.map((row) => engine.decode(row.filter((id) => !special.has(id)))))).toBe(golden.bare);
  });
});
