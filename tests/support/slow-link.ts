import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP proxy on loopback that lets answers through slowly, and cuts them where it is told. */
export class SlowLink {
  /** Bytes of answers that have passed. */
  passed = 0;
  /** Connections that were cut. */
  cuts = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** @param cutAfter counts of passed bytes at which the connection that carries them breaks. */
  static async to(
    port: number,
    { bytesPerSecond, cutAfter }: { bytesPerSecond: number; cutAfter: number[] },
  ): Promise<SlowLink> {
    const cutAt = cutAfter.slice();
    const server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      near.on("data", (piece) => far.write(piece));
      near.on("end", () => far.end());
      far.on("data", (piece) => {
        far.pause();
        link.passed += piece.length;
        if (cutAt.length && link.passed >= cutAt[0]!) {
          cutAt.shift();
          link.cuts++;
          // Half of it still arrives, so that the cut lies within a line.
          return void near.write(piece.subarray(0, piece.length / 2), () => near.destroy());
        }
        const wait = (piece.length / bytesPerSecond) * 1000;
        near.write(piece, () => setTimeout(() => far.resume(), wait));
      });
      far.on("end", () => near.end());
      for (const socket of [near, far]) {
        link.sockets.add(socket);
        socket
          .on("error", () => {})
          .on("close", () => {
            near.destroy();
            far.destroy();
            link.sockets.delete(socket);
          });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const link: SlowLink = new SlowLink(server, (server.address() as { port: number }).port);
    return link;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
