import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

interface Builder {
  buildPlayground(out: string): Promise<string[]>;
}

it("the playground's engine reaches nothing of Node.js that a tab has not, and stays small", async () => {
  const { buildPlayground } = (await import(
    new URL("../../web/playground/build.mjs", import.meta.url).href
  )) as Builder;
  const folder = mkdtempSync(join(tmpdir(), "evoke-playground-"));
  try {
    expect(await buildPlayground(`${folder}/`)).toEqual([]);
    const bytes = ["engine.js", "playground.js", "playground.css"].map((name) =>
      gzipSync(readFileSync(join(folder, name)), { level: 9 }),
    );
    expect(bytes.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(400_000);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
