import wabt from "wabt";

/** The binary form of a WebAssembly module in text form. Throws on a mistake in the text. */
export async function assemble(text: string): Promise<Uint8Array> {
  const module = (await wabt()).parseWat("module.wat", text, { simd: true, threads: true, bulk_memory: true });
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}
