import { readFileSync } from "node:fs";
import { Command } from "commander";
import { guardTerminal } from "../progress/terminal.js";
import { exampleText } from "./examples.js";
import { describeFailure } from "./failure.js";
import { globalFlags } from "./output.js";
import { type CommandEntry, commands } from "./registry.js";

/**
 * Runs the command line and ends the process: 0 done, 1 failed, 2 usage or configuration, 130/143 interrupted.
 * A command is finished when its action's promise settles (a server's action settles at shutdown).
 *
 * @param argv as `process.argv`: the two first entries are skipped.
 */
export async function main(argv: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) guardTerminal(stream);
  installProcessHandlers();
  let exitCode = 0;
  try {
    await run(argv.slice(2), commands);
    exitCode = Number(process.exitCode ?? 0);
  } catch (error) {
    exitCode = report(error);
  }
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(exitCode);
}

/** Parses the arguments and runs one command; throws what the command throws. */
export async function run(args: string[], table: readonly CommandEntry[]): Promise<void> {
  const program = new Command("evoke");
  program
    .description("Make a pre-trained language model follow instructions, and measure how well it does.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .commandsGroup("Tools:")
    .helpCommand("help [command]", "show help of a command")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
    .exitOverride()
    .addHelpText("after", '\nRun "evoke COMMAND --help" for a command\'s own options.');
  for (const flag of globalFlags()) program.addOption(flag);

  const wanted = commandName(args);
  for (const entry of table) {
    const command = entry.name === wanted ? (await entry.load())() : new Command(entry.name);
    program.addCommand(command.summary(entry.summary).helpGroup(`${entry.group}:`));
    inherit(command, program, entry.name);
  }
  if (args.length === 0) {
    program.outputHelp();
    return;
  }
  await program.parseAsync(args, { from: "user" });
}

/** The command's name: the first argument that is no global flag, or the one after `help`. */
function commandName(args: string[]): string | undefined {
  const scout = new Command().helpOption(false);
  for (const flag of globalFlags()) scout.addOption(flag);
  scout.exitOverride().configureOutput({ writeErr: () => {} });
  let operands: string[];
  try {
    operands = scout.parseOptions(args).operands;
  } catch {
    return undefined; // the real parse says what is wrong
  }
  return operands[0] === "help" ? operands[1] : operands[0];
}

function inherit(command: Command, parent: Command, path: string): void {
  command.copyInheritedSettings(parent).addHelpText("after", exampleText(path));
  for (const child of command.commands) inherit(child, command, `${path} ${child.name()}`);
}

/** commander writes "error: …" with suggestions on lines of their own; ours is one line. */
function usageLine(text: string): string {
  const body = text
    .replace(/^error: /, "")
    .trim()
    .replace(/\s*\n\s*/g, " ");
  return `evoke: ${body}\n`;
}

function report(error: unknown): number {
  const failure = describeFailure(error);
  if (failure.line !== undefined) process.stderr.write(`evoke: ${failure.line}\n`);
  if (process.env.EVOKE_DEBUG && error instanceof Error && failure.line !== undefined)
    process.stderr.write(`${error.stack ?? ""}\n`);
  return failure.exitCode;
}

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => (stream.writable ? stream.write("", () => resolve()) : resolve()));
}

function installProcessHandlers(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(Number(process.exitCode ?? 0)); // the reader has gone, e.g. `| head`
      throw error;
    });
  // A command that saves its work on a signal installs its own listener; then this one steps back.
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(code);
    });
  for (const event of ["uncaughtException", "unhandledRejection"] as const)
    process.on(event, (error: unknown) => process.exit(report(error)));
}
