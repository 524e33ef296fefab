import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** Bytes at each end of a file that go into its fingerprint. */
const SAMPLE = 1 << 20;
const MODEL_FILE = /\.(json|jinja|safetensors|gguf|model|txt)$/;

/** Names the content of model folders and files without reading gigabytes: names, sizes, both ends of every file. */
export function modelFingerprint(paths: readonly string[]): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(SAMPLE);
  const add = (path: string): void => {
    const fd = openSync(path, "r");
    try {
      const { size } = fstatSync(fd);
      hash.update(`${basename(path)} ${size}\n`);
      hash.update(buffer.subarray(0, readSync(fd, buffer, 0, SAMPLE, 0)));
      if (size > SAMPLE)
        hash.update(buffer.subarray(0, readSync(fd, buffer, 0, SAMPLE, Math.max(SAMPLE, size - SAMPLE))));
    } finally {
      closeSync(fd);
    }
  };
  for (const path of paths) {
    if (!statSync(path).isDirectory()) add(path);
    else for (const name of readdirSync(path).sort()) if (MODEL_FILE.test(name)) add(join(path, name));
  }
  return hash.digest("hex");
}
