/** `evoke playground` as a server and as a folder; what the page does is tested in Chromium (tests/slow/playground). */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { type ServerProgram, startServerProgram } from "../support/server-program.js";

describe("evoke playground", () => {
  let server: ServerProgram;
  beforeAll(async () => {
    server = await startServerProgram(["playground"]);
  });
  afterAll(async () => {
    server?.child.kill("SIGTERM");
    expect(await server?.code).toBe(143);
  });

  it.each([
    ["/", "text/html; charset=utf-8"],
    ["/engine.js", "text/javascript; charset=utf-8"],
    ["/model/config.json", "application/json"],
    ["/ort/ort-wasm-simd-threaded.wasm", "application/wasm"],
  ])("serves %s, isolated and to itself alone", async (path, type) => {
    const { status, headers } = await fetch(server.url + path, { method: "HEAD" });
    expect([status, headers.get("content-type")]).toEqual([200, type]);
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect(headers.get("content-security-policy")).toContain("connect-src 'self'");
  });

  it("serves nothing else, and reads nothing", async () => {
    for (const path of ["/nothing", "/../package.json", "/model/%2e%2e/README.md", "/ort/"])
      expect((await fetch(server.url + path)).status, path).toBe(404);
    expect((await fetch(`${server.url}/`, { method: "POST", body: "rows" })).status).toBe(405);
  });

  it("writes the same files as a folder, with the headers that its server must send", async () => {
    const folder = mkdtempSync(join(tmpdir(), "evoke-playground-"));
    try {
      const { code, stdout, stderr } = await evoke(["playground", "--out", folder]);
      expect(code, stderr).toBe(0);
      expect(stdout).toContain("_headers");
      expect(readFileSync(join(folder, "_headers"), "utf8")).toContain("Cross-Origin-Embedder-Policy: require-corp");
      const page = await (await fetch(`${server.url}/`)).text();
      expect(readFileSync(join(folder, "index.html"), "utf8")).toBe(page);
      expect(existsSync(join(folder, "ort", "ort.webgpu.min.mjs"))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
