import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { checkRules } from "../serve/guard.js";
import { startStudio } from "../serve/studio/studio-server.js";
import { aborted, interruptible } from "./interrupt.js";
import { globalOptions, parseCount, parsePort, printJson, say } from "./output.js";

interface StudioFlags {
  files: string[];
  model: string[];
  host: string;
  port: number;
  token?: string;
  allowOrigin: string[];
  threads?: number;
}

const packageFile = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** `evoke studio [RUNS]`: a web app over a folder of runs, until a signal ends it. */
export function studioCommand(): Command {
  const append = (value: string, all: string[]): string[] => [...all, value];
  return new Command("studio")
    .description("Look at runs, start trainings and ask models side by side, in the browser.")
    .argument("[runs]", "folder of runs", "runs")
    .option("--files <folder>", "further folder to choose recipes and data from (repeatable)", append, [])
    .option("--model <model>", "further model to offer (repeatable); bundled:mini and the runs' always are", append, [])
    .option("--host <address>", "address to listen on; other than this machine's own needs a token", "127.0.0.1")
    .option("--port <n>", "port; 0 takes a free one", parsePort, 7860)
    .addOption(new Option("--token <text>", "token that the page asks for").env("EVOKE_TOKEN"))
    .option("--allow-origin <origin>", "web origin whose pages may call (repeatable)", append, [])
    .option("--threads <n>", "processor threads of a chat's model", parseCount)
    .action(async (runs: string, flags: StudioFlags, command: Command) => {
      const global = globalOptions(command);
      const { host, port, allowOrigin: origins, threads } = flags;
      const token = flags.token || undefined; // an empty variable is none
      checkRules({ host, token, origins });
      await interruptible(
        async (signal) => {
          const studio = await startStudio({
            runs,
            files: [...flags.files, packageFile("examples")],
            models: [...new Set([...flags.model, "bundled:mini"])],
            program: [process.execPath, ...process.execArgv, process.argv[1]!],
            version: (JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version,
            pages: packageFile("dist/web"),
            device: global.device,
            ...(threads ? { threads } : {}),
            host,
            port,
            token,
            origins,
            say: (line) => say(line, global),
          });
          if (global.json) printJson({ url: studio.url });
          else process.stdout.write(`${studio.url}/ shows ${runs}\n`);
          await aborted(signal);
          await studio.close();
          throw signal.reason;
        },
        (name) => say(`${name}: asking running trainings to save and stop; once more ends at once`, global),
      );
    });
}
