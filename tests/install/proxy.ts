/** A proxy for HTTPS that connects to one host and refuses, and remembers, every other. */
import { createServer, type Server } from "node:http";
import { connect } from "node:net";

export interface RegistryProxy {
  /** Hosts that were asked for, each with how often. */
  readonly answered: Map<string, number>;
  readonly refused: Map<string, number>;
  close(): void;
}

/** @param path of the Unix socket to listen on: it is reachable where no network is. */
export async function startProxy(path: string, allowed: string): Promise<RegistryProxy> {
  const answered = new Map<string, number>();
  const refused = new Map<string, number>();
  const count = (map: Map<string, number>, host: string): unknown => map.set(host, (map.get(host) ?? 0) + 1);
  const server: Server = createServer((request, response) => {
    count(refused, request.headers.host ?? "?");
    response.writeHead(403).end();
  });
  server.on("connect", (request, socket, head) => {
    const [host = "?", port = "443"] = (request.url ?? "").split(":");
    if (host !== allowed) {
      count(refused, host);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    count(answered, host);
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { answered, refused, close: () => server.close() };
}
