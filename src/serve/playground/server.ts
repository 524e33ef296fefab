/** Serves the playground on this machine, or writes it as a folder that any web server can serve. */
import { copyFileSync, createReadStream, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGuardedServer, listen } from "../listen.js";
import { playgroundFiles } from "./files.js";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".jsonl": "text/plain; charset=utf-8",
};

/** Isolation from other pages, which threads need, and nothing from elsewhere. */
const HEADERS: Record<string, string> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
};

export interface Playground {
  url: string;
  close(): Promise<void>;
}

/** @throws as `playgroundFiles` and `listen` */
export async function servePlayground(address: { host: string; port: number }): Promise<Playground> {
  const files = playgroundFiles();
  const server = createGuardedServer();
  server.on("request", (request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const path = new URL(request.url ?? "/", "http://localhost").pathname.slice(1) || "index.html";
    const file = files.get(path);
    if (!file || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(file ? 405 : 404).end();
      return;
    }
    response.setHeader("Cache-Control", "no-cache");
    response.writeHead(200, { "Content-Type": typeOf(path), "Content-Length": statSync(file).size });
    if (request.method === "HEAD") response.end();
    // A reader that goes away ends its own answer only.
    else pipeline(createReadStream(file), response).catch(() => response.destroy());
  });
  const url = await listen(server, address);
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const typeOf = (path: string): string => TYPES[extname(path)] ?? "application/octet-stream";

/** Writes all files into a folder, with the headers in the form that several hosts of static pages read (`_headers`). */
export function writePlayground(folder: string): void {
  for (const [path, file] of playgroundFiles()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(file, join(folder, path));
  }
  const lines = Object.entries(HEADERS).map(([name, value]) => `  ${name}: ${value}`);
  writeFileSync(join(folder, "_headers"), `/*\n${lines.join("\n")}\n`);
}
