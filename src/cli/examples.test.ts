import type { Command } from "commander";
import { expect, it } from "vitest";
import { type CommandShape, commandFaults, shapeOf } from "../../tools/docs/command-lines.js";
import { EXAMPLES } from "./examples.js";
import { globalFlags } from "./output.js";
import { commands } from "./registry.js";

const loaded = await Promise.all(commands.map(async ({ name, load }) => ({ name, command: (await load())() })));

function paths(command: Command, path: string): string[] {
  return [path, ...command.commands.flatMap((child) => paths(child, `${path} ${child.name()}`))];
}

it("has examples for every command, and for nothing else", () => {
  const all = loaded.flatMap(({ name, command }) => paths(command, name));
  expect(Object.keys(EXAMPLES).sort()).toEqual(all.sort());
});

it("has examples whose commands, flags and required options are the commands' own", () => {
  const shapes = new Map<string, CommandShape>(loaded.map(({ name, command }) => [name, shapeOf(command)]));
  const everywhere = globalFlags().map(({ flags }) => flags);
  const faults = Object.entries(EXAMPLES).flatMap(([path, lines]) => {
    const [name, ...children] = path.split(" ");
    let command = loaded.find((entry) => entry.name === name)!.command;
    for (const child of children) command = command.commands.find((one) => one.name() === child)!;
    const needed = command.options.filter(({ mandatory }) => mandatory).map(({ long }) => long!);
    return lines.flatMap((line) => [
      ...commandFaults(line, shapes, everywhere),
      ...(line.startsWith(`evoke ${path}`)
        ? needed.filter((flag) => !line.includes(flag)).map((flag) => `${line}: ${flag}`)
        : []),
    ]);
  });
  expect(faults).toEqual([]);
});
