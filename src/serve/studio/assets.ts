/** The studio's own pages: a few files, read once, so that no request names a path. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { FailureError } from "../../errors.js";

const FILES: readonly [path: string, file: string, type: string][] = [
  ["/", "index.html", "text/html; charset=utf-8"],
  ["/studio.js", "studio.js", "text/javascript; charset=utf-8"],
  ["/studio.css", "studio.css", "text/css; charset=utf-8"],
  ["/icon.svg", "icon.svg", "image/svg+xml"],
];

/** Nothing from elsewhere, nothing inline, no frame around it; frames in it are reports of this server. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

interface Asset {
  type: string;
  plain: Buffer;
  packed: Buffer;
  tag: string;
}

export class Assets {
  private readonly byPath: ReadonlyMap<string, Asset>;

  /** @param folder what `npm run build` made of `web/`. @throws FailureError when it is not there. */
  constructor(folder: string) {
    if (!existsSync(join(folder, "index.html")))
      throw new FailureError(`${folder}: the studio's pages are not built; run npm run build`);
    this.byPath = new Map(
      FILES.map(([path, file, type]) => {
        const plain = readFileSync(join(folder, file));
        const tag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
        return [path, { type, plain, packed: gzipSync(plain, { level: 9 }), tag }];
      }),
    );
  }

  has(path: string): boolean {
    return this.byPath.has(path);
  }

  send(path: string, request: IncomingMessage, response: ServerResponse): void {
    const { type, plain, packed, tag } = this.byPath.get(path)!;
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("Cache-Control", "no-cache");
    response.setHeader("Vary", "Accept-Encoding");
    response.setHeader("ETag", tag);
    if (request.headers["if-none-match"] === tag) {
      response.writeHead(304).end();
      return;
    }
    const small = /(^|[\s,])gzip([\s,;]|$)/.test(String(request.headers["accept-encoding"] ?? ""));
    if (small) response.setHeader("Content-Encoding", "gzip");
    const body = small ? packed : plain;
    response.writeHead(200, { "Content-Type": type, "Content-Length": body.length }).end(body);
  }
}
