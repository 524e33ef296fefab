import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { startServerProgram } from "../support/server-program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-studio-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes of a body as it travels, compressed. */
function packedSize(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { "Accept-Encoding": "gzip" } }, (response) => {
      let size = 0;
      response.on("data", (part: Buffer) => (size += part.length));
      response.on("end", () => (response.statusCode === 200 ? resolve(size) : reject(new Error(url))));
    })
      .on("error", reject)
      .end();
  });
}

describe("evoke studio", () => {
  it("serves a first page of less than 300 kB, makes the runs folder, and ends at SIGTERM", async () => {
    const runs = join(folder, "new", "runs");
    const { url, child, code } = await startServerProgram(["studio", runs]);
    const page = await (await fetch(url)).text();
    const linked = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!);
    expect(linked.sort()).toEqual(["/icon.svg", "/studio.css", "/studio.js"]);
    const sizes = await Promise.all(["/", ...linked].map((path) => packedSize(url + path)));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(1_000);
    expect(total).toBeLessThan(300_000);
    // The policy of the page forbids what is inline, so none must be there.
    expect(page).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/);
    expect(existsSync(runs)).toBe(true);
    child.kill("SIGTERM");
    expect(await code).toBe(143);
  });

  it("does not start where others can reach it without a token", async () => {
    const { code, stderr } = await evoke(["studio", folder, "--host", "0.0.0.0", "--port", "0"], {
      env: { EVOKE_TOKEN: "" },
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^evoke: --host 0\.0\.0\.0 .*token.*\n$/);
  });
});
