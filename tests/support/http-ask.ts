/** Requests with exactly the headers that a test names: fetch would not let us lie. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** A request to this machine; with a body it is a POST unless told otherwise. */
export function ask(
  port: number,
  path: string,
  options: { headers?: Record<string, string>; body?: string | Buffer; method?: string } = {},
): Promise<Answer> {
  const { headers, body, method = body === undefined ? "GET" : "POST" } = options;
  return new Promise<Answer>((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}
