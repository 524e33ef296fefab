import { type Command, InvalidArgumentError, Option } from "commander";

/** Flags that every command understands, before or after its name. */
export interface GlobalOptions {
  /** Exactly one JSON document on stdout; everything else goes to stderr. */
  json: boolean;
  quiet: boolean;
  seed?: number;
  /** Local folder that stands in for the Hub and the original URLs (`--data-dir` or `EVOKE_DATA`). */
  dataDir?: string;
  device: "auto" | "cpu" | "webgpu" | "cuda";
}

/** Parses a whole number ≥ 0 for commander; use as an option's argument parser. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("a whole number is expected.");
  return value;
}

/** Parses a port for commander; 0 means any free one. */
export function parsePort(text: string): number {
  const port = parseCount(text);
  if (port > 65_535) throw new InvalidArgumentError("a port is at most 65535.");
  return port;
}

/** Parses a finite decimal number for commander. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("a number is expected.");
  return value;
}

/** The global flags, for the root command only: commander finds them anywhere on the line. */
export function globalFlags(): Option[] {
  return [
    new Option("--json", "print exactly one JSON document on stdout").default(false, "off"),
    new Option("-q, --quiet", "print results and errors only").default(false, "off"),
    new Option(
      "--seed <n>",
      "seed of what is drawn: rows, data order, dropout, sampled answers and judgements (default 0; self-instruct 42)",
    ).argParser(parseCount),
    new Option("--data-dir <dir>", "local folder used in place of the network").env("EVOKE_DATA"),
    new Option("--device <name>", "where to compute").choices(["auto", "cpu", "webgpu", "cuda"]).default("auto"),
  ];
}

/** Global flags as given to the command that runs; call it inside an action with the action's command. */
export function globalOptions(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** Prints the one document of `--json` mode. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** A line for the person at the terminal: stderr, so that stdout stays clean for results; nothing with `--quiet`. */
export function say(line: string, options: { quiet?: boolean } = {}): void {
  if (!options.quiet) process.stderr.write(`${line}\n`);
}

/** Whether ANSI colour may be used on a stream (no-color.org: any non-empty NO_COLOR turns it off). */
export function useColour(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  return stream.isTTY === true && env.TERM !== "dumb";
}
