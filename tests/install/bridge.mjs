// Runs inside the namespace without a network: joins a port of its loopback to the proxy's socket, then runs a command.
// node bridge.mjs SOCKET PORT COMMAND...
import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";

const [socketPath, port, command, ...args] = process.argv.slice(2);
const server = createServer((client) => {
  const proxy = connect(socketPath);
  client.pipe(proxy).pipe(client);
  for (const end of [client, proxy]) end.on("error", () => client.destroy());
});
server.listen(Number(port), "127.0.0.1", () => {
  const child = spawn(command, args, { stdio: "inherit" });
  child.on("exit", (code) => process.exit(code ?? 1));
});
