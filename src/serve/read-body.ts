import type { IncomingMessage, ServerResponse } from "node:http";
import { HttpError } from "./http-error.js";

/**
 * Reads a JSON body of at most `limit` bytes.
 * @throws HttpError 413 as soon as it is larger, 400 when it is not JSON in UTF-8 or the client goes away.
 */
export async function readJson(request: IncomingMessage, response: ServerResponse, limit: number): Promise<unknown> {
  // The rest of the body is read and thrown away by Node once the answer is out.
  const tooLarge = (): HttpError => new HttpError(413, `the body is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        chunks.length = 0;
        request.removeAllListeners("data").pause();
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", () => reject(new HttpError(400, "the body was cut off")));
    request.once("close", () => reject(new HttpError(400, "the body was cut off")));
  });
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(400, "the body is not valid JSON");
  }
}
