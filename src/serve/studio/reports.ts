/** Shows report files under addresses that hold no path and end by themselves. */
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { HttpError } from "../http-error.js";
import type { Folder } from "./folder.js";
import { join } from "./run-view.js";

const LIFETIME_MS = 3_600_000;
const MOST = 200;
const LIMIT = 64 << 20;

/**
 * A report is a page of its own that may run its own script, but in a sandbox without origin: it can reach neither
 * the studio nor the network, whatever text of a model got into it.
 */
const POLICY = [
  "sandbox allow-scripts",
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "script-src 'unsafe-inline'",
  "img-src data:",
  "font-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join("; ");

export class Reports {
  private readonly tickets = new Map<string, { id: string; until: number }>();

  constructor(private readonly runs: Folder) {}

  /** An address for the report of a folder, good for an hour. @throws HttpError 404 when there is none. */
  ticket(id: string): string {
    const file = join(id, "report.html");
    this.runs.resolve(file);
    const now = Date.now();
    for (const [key, { until }] of this.tickets) if (until < now) this.tickets.delete(key);
    if (this.tickets.size >= MOST) this.tickets.delete(this.tickets.keys().next().value!);
    const key = randomBytes(24).toString("base64url");
    this.tickets.set(key, { id: file, until: now + LIFETIME_MS });
    return `/report/${key}`;
  }

  /** Sends the report of a ticket. @throws HttpError 404 when the ticket is unknown or over. */
  send(key: string, response: ServerResponse): void {
    const ticket = this.tickets.get(key);
    if (!ticket || ticket.until < Date.now())
      throw new HttpError(404, "this address has expired; open the report anew");
    const body = Buffer.from(this.runs.read(ticket.id, LIMIT));
    response.writeHead(200, {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Length": body.length,
      "Content-Security-Policy": POLICY,
      "Cache-Control": "no-store",
    });
    response.end(body);
  }
}
