import { Command } from "commander";
import { servePlayground, writePlayground } from "../serve/playground/server.js";
import { aborted, interruptible } from "./interrupt.js";
import { globalOptions, parsePort, printJson } from "./output.js";

/** `evoke playground`: training and asking in a browser tab, where everything stays. */
export function playgroundCommand(): Command {
  return new Command("playground")
    .description("Train and ask a small model in a browser tab. Nothing leaves the machine.")
    .option("--port <n>", "port on this machine; 0 takes a free one", parsePort, 7870)
    .option("--out <folder>", "write the pages there instead, for any web server that sends their headers")
    .action(async ({ port, out }: { port: number; out?: string }, command: Command) => {
      const { json } = globalOptions(command);
      if (out !== undefined) {
        writePlayground(out);
        if (json) printJson({ out });
        else process.stdout.write(`${out} holds the playground; _headers says what its server must send\n`);
        return;
      }
      await interruptible(
        async (signal) => {
          const playground = await servePlayground({ host: "127.0.0.1", port });
          if (json) printJson({ url: playground.url });
          else process.stdout.write(`${playground.url}/ is the playground\n`);
          await aborted(signal);
          await playground.close();
          throw signal.reason;
        },
        () => {},
      );
    });
}
