import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

export interface HttpAnswer {
  status: number;
  /** Empty when the body went to `onText`. */
  text: string;
}

export interface HttpRequest {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
  signal?: AbortSignal;
  /** Milliseconds in which nothing moves, neither sent nor received, before it counts as broken. */
  idle: number;
  /** Takes a good answer's text as it comes; what came before a break has been handed over. */
  onText?(text: string): void;
}

/** Nothing moved for too long. */
export class Idle extends Error {}

/** Bytes handed to the socket at once: each piece that leaves shows that the line is alive. */
const PIECE = 1 << 16;

/**
 * One HTTP request, redirects not followed. Not `fetch`, whose Sec-Fetch-Mode header cannot be left out: Ray takes its
 * requests for a browser's and refuses all but GET. Its time is not limited as long as something moves.
 * @throws whatever the network does, Idle, and the signal's reason as the cause of an AbortError.
 */
export function sendRequest(url: string, options: HttpRequest): Promise<HttpAnswer> {
  const { method, headers, body, signal, idle, onText } = options;
  const send = url.startsWith("https:") ? requestHttps : requestHttp;
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return new Promise((resolve, reject) => {
    const length = bytes === undefined ? {} : { "Content-Length": String(bytes.length) };
    const request = send(url, { method, headers: { ...headers, ...length }, signal }, (response) => {
      const status = response.statusCode ?? 0;
      const streams = onText !== undefined && status >= 200 && status < 300;
      const decoder = new TextDecoder();
      let text = "";
      response.on("data", (piece: Buffer) => {
        timer.refresh();
        const part = decoder.decode(piece, { stream: true });
        if (!streams) text += part;
        else
          try {
            onText(part);
          } catch (error) {
            give(error); // the reader wants no more
          }
      });
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(timer);
        if (response.complete) resolve({ status, text });
        else reject(new Error("the answer was cut off"));
      });
    });
    const timer = setTimeout(() => give(new Idle(`nothing came for ${Math.ceil(idle / 1000)} s`)), idle);
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      reject(error);
    };
    // Destroyed without the error: a socket that is back in the pool has nobody to take it.
    const give = (error: unknown): void => {
      fail(error);
      request.destroy();
    };
    request.on("error", fail);
    const sendFrom = (at: number): void => {
      if (bytes === undefined || at >= bytes.length) return void request.end();
      request.write(bytes.subarray(at, at + PIECE), (error) => {
        timer.refresh();
        if (!error) sendFrom(at + PIECE);
      });
    };
    sendFrom(0);
  });
}
