import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.js";
import { encodeMessages } from "../generate/prompt.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { chatFiles, writeModelFiles } from "./hf-files.js";

const mini = fileURLToPath(new URL("../../models/mini", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "evoke-hf-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("a model trained with the paper's tags carries them, so that other programs prompt it as it was trained", async () => {
  const checkpoint = openCheckpoint(mini);
  const base = await loadTokenizer(mini);
  writeModelFiles(folder, checkpoint, mini, {}, chatFiles(base, "tulu"));
  checkpoint.close();
  const written = await loadTokenizer(folder);
  const messages = [
    { role: "user" as const, content: "Name a colour." },
    { role: "assistant" as const, content: "Red." },
    { role: "user" as const, content: "Another?" },
  ];
  expect((await encodeMessages(written, messages, "model")).tokens).toEqual(
    (await encodeMessages(base, messages, "tulu")).tokens,
  );
  const config = JSON.parse(readFileSync(join(folder, "tokenizer_config.json"), "utf8"));
  expect(config.chat_template).toBe(readFileSync(join(folder, "chat_template.jinja"), "utf8"));
});

it("the stops of a template are the model's, its own end first", async () => {
  const base = await loadTokenizer(mini);
  const chatTemplate = "{% for m in messages %}{{ m.content }}{{ end }}{% endfor %}";
  const end = base.idToToken(3)!;
  const tokenizer: Tokenizer = {
    ...base,
    encode: (text) => base.encode(text),
    idToToken: (id) => base.idToToken(id),
    isAdded: (id) => id === 3,
    chatTemplate,
    specialTokens: { end },
  };
  expect(chatFiles(tokenizer, "model")).toEqual({ stops: [3, base.eosId] });
  const checkpoint = openCheckpoint(mini);
  writeModelFiles(folder, checkpoint, mini, {}, chatFiles(tokenizer, "model"));
  checkpoint.close();
  expect(JSON.parse(readFileSync(join(folder, "generation_config.json"), "utf8")).eos_token_id).toEqual([
    3,
    base.eosId,
  ]);
  expect((await loadTokenizer(folder)).eosIds).toEqual([base.eosId, 3]);
});

it("whole numbers of fields that Python takes as floats keep their point", () => {
  const checkpoint = openCheckpoint(mini);
  const fields = { final_logit_softcapping: 30, attn_logit_softcapping: 50, clip_qkv: 8, num_hidden_layers: 2 };
  writeModelFiles(folder, checkpoint, mini, { ...fields, rms_norm_eps: 1e-6 });
  checkpoint.close();
  const text = readFileSync(join(folder, "config.json"), "utf8");
  for (const line of [
    '"final_logit_softcapping": 30.0,',
    '"attn_logit_softcapping": 50.0,',
    '"clip_qkv": 8.0',
    '"num_hidden_layers": 2,',
    '"rms_norm_eps": 0.000001,',
  ])
    expect(text).toContain(line);
  expect(JSON.parse(text)).toMatchObject(fields);
});
