import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ENCODERS, GGUF_ENCODINGS } from "./gguf-encode.js";

const golden = JSON.parse(readFileSync(new URL("./fixtures/gguf-encode.json", import.meta.url), "utf8"));

it.each(GGUF_ENCODINGS)(
  "%s blocks are those of the gguf package, byte for byte (tools/golden/gguf_encode.py)",
  (name) => {
    const bytes = Buffer.from(golden.values, "base64");
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const encoder = ENCODERS[name];
    const blocks = values.length / encoder.values;
    const out = new Uint8Array(blocks * encoder.bytes);
    const view = new DataView(out.buffer);
    for (let i = 0; i < blocks; i++) encoder.encode(values, i * encoder.values, view, i * encoder.bytes);
    expect(Buffer.from(out).toString("base64")).toBe(golden[name]);
  },
);
