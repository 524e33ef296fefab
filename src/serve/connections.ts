/** Watches a server's connections: idle ones make room for new ones, and a client that stops reading is let go. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Connections at once; a new one beyond that takes the place of the one that has been idle longest. */
const MOST_CONNECTIONS = 1_000;
/** A client may leave an answer unread for this long. */
export const UNREAD_MS = 20_000;

/**
 * Keeps connections below a bound by closing those that wait for their client: first the ones that never asked anything,
 * then those that are kept alive, then those whose body is still on its way. Those being answered stay.
 */
export function boundConnections(server: Server, most = MOST_CONNECTIONS): void {
  // The oldest first in each.
  const silent = new Set<Socket>();
  const idle = new Set<Socket>();
  const sending = new Set<Socket>();
  let open = 0;
  server.on("connection", (socket: Socket) => {
    open++;
    socket.once("close", () => {
      open--;
      for (const set of [silent, idle, sending]) set.delete(socket);
    });
    if (open > most) {
      const oldest = [silent, idle, sending]
        .find((set) => set.size > 0)
        ?.values()
        .next().value;
      (oldest ?? socket).destroy();
    }
    silent.add(socket);
  });
  const asked = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    silent.delete(socket);
    idle.delete(socket);
    sending.add(socket);
    request.once("end", () => sending.delete(socket));
    response.once("close", () => {
      sending.delete(socket);
      if (!socket.destroyed) idle.add(socket);
    });
  };
  server.on("request", asked).on("checkContinue", asked);
}

/** Closes the connection when a part of the answer stays unread for `ms`; `onDrop` is told. */
export function dropUnread(response: ServerResponse, onDrop: () => void, ms = UNREAD_MS): void {
  const { socket } = response;
  if (!socket) return;
  // Node tells of `ms` without progress in either direction; only bytes that wait to be sent make it the client's fault.
  response.setTimeout(ms, () => {
    if (response.writableLength === 0 && socket.writableLength === 0) return void socket.setTimeout(ms);
    onDrop();
    socket.destroy();
  });
}
