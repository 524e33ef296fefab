/** An HTTP server with limits against clients that are slow, many or endless, and its address. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FailureError } from "../errors.js";

/** A server that waits 10 s for headers and 30 s for a request's body. */
export function createGuardedServer(): Server {
  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 5_000,
    keepAliveTimeout: 10_000,
    maxHeaderSize: 16_384,
  });
  server.maxHeadersCount = 100;
  return server;
}

/** Begins to listen; gives the address as a URL without a trailing slash. @throws FailureError when it cannot. */
export async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        EADDRINUSE: "the port is taken; choose another with --port",
        EACCES: "the port needs more rights; choose one above 1023 with --port",
        EADDRNOTAVAIL: "this machine does not have that address",
        ENOTFOUND: "that host name is not known",
      };
      reject(new FailureError(`cannot listen on ${host}:${port}: ${reasons[error.code ?? ""] ?? error.message}`));
    });
    server.listen({ host, port }, resolve);
  });
  const { address, family, port: taken } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`;
}
