/** Checks command lines of documents against the commands that there are. */
import type { Command } from "commander";

/** What may stand on a command's line. */
export interface CommandShape {
  /** Long and short flags. */
  flags: ReadonlySet<string>;
  children: ReadonlyMap<string, CommandShape>;
}

export function shapeOf(command: Command): CommandShape {
  const flags = command.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag != null);
  return {
    flags: new Set([...flags, "--help", "-h"]),
    children: new Map(command.commands.map((child) => [child.name(), shapeOf(child)])),
  };
}

/** Every unknown command or flag of evoke in a shell text. @param everywhere flags that all commands take, as `-q, --quiet` */
export function commandFaults(
  text: string,
  shapes: ReadonlyMap<string, CommandShape>,
  everywhere: readonly string[],
): string[] {
  const common = new Set(everywhere.flatMap((flags) => flags.split(/[ ,<]+/).filter((word) => word.startsWith("-"))));
  const lines = text.replace(/\\\n\s*/g, " ").split(/\n|&&|\|\|?|;/);
  return lines.flatMap((line) => {
    const match = /^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx )?evoke\s+(.*)$/.exec(line.replace(/\s#.*$/, ""));
    return match ? faultsOf(match[1]!.match(/"[^"]*"|'[^']*'|\S+/g) ?? [], shapes, common) : [];
  });
}

function faultsOf(
  words: readonly string[],
  shapes: ReadonlyMap<string, CommandShape>,
  common: ReadonlySet<string>,
): string[] {
  let shape = shapes.get(words[0]!);
  if (!shape) return words[0]!.startsWith("-") || /^[A-Z…]/.test(words[0]!) ? [] : [`no command ${words[0]}`];
  let rest = words.slice(1);
  for (let child = shape.children.get(rest[0] ?? ""); child; child = shape.children.get(rest[0] ?? "")) {
    shape = child;
    rest = rest.slice(1);
  }
  const known = shape.flags;
  return rest
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.replace(/=.*/, ""))
    .filter((flag) => !known.has(flag) && !common.has(flag))
    .map((flag) => `evoke ${words[0]}: no flag ${flag}`);
}
