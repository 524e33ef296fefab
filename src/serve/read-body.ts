import type { IncomingMessage, ServerResponse } from "node:http";
import { HttpError } from "./http-error.js";

/**
 * Reads a JSON body of at most `limit` bytes.
 * @param stopping ends a body that is still on its way, with its reason.
 * @throws HttpError 413 as soon as it is larger, 400 when it is not JSON in UTF-8 or the client goes away.
 */
export async function readJson(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  limit: number,
  stopping?: AbortSignal,
): Promise<unknown> {
  // The rest of the body is read and thrown away by Node once the answer is out.
  const tooLarge = (): HttpError => new HttpError(413, `the body is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  const over = new AbortController();
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error: unknown): void => {
      chunks.length = 0;
      request.removeAllListeners("data").pause();
      reject(error);
    };
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) end(tooLarge());
      else chunks.push(chunk);
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", () => reject(new HttpError(400, "the body was cut off")));
    request.once("close", () => reject(new HttpError(400, "the body was cut off")));
    stopping?.addEventListener("abort", () => end(stopping.reason), { once: true, signal: over.signal });
  }).finally(() => over.abort());
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(400, "the body is not valid JSON");
  }
}
