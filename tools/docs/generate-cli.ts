/** Writes docs/cli.md from the commands' own help: `npm run docs:cli`. */
import type { Command } from "commander";
import { exampleText } from "../../src/cli/examples.js";
import { globalFlags } from "../../src/cli/output.js";
import { commands } from "../../src/cli/registry.js";
import { writeFileAtomically } from "../../src/files/atomic-write.js";

const WIDTH = 100;

function section(command: Command, path: string, depth: number): string {
  const usage =
    command.configureHelp({ helpWidth: WIDTH }).helpInformation().trimEnd() +
    exampleText(path.slice("evoke ".length)).trimEnd();
  const own = `${"#".repeat(depth)} ${path}\n\n\`\`\`text\n${usage}\n\`\`\`\n`;
  return [own, ...command.commands.map((child) => section(child, `${path} ${child.name()}`, depth + 1))].join("\n");
}

const parts = [
  "# Command line",
  "Made by `npm run docs:cli` from the commands' own help.",
  "These flags may stand anywhere on the line of any command:",
  globalFlags()
    .map((flag) => `- \`${flag.flags}\`: ${flag.description}`)
    .join("\n"),
  "Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 or 143 interrupted after saving.",
];
for (const { name, load } of commands)
  parts.push(section((await load())().name(`evoke ${name}`), `evoke ${name}`, 2).trimEnd());
writeFileAtomically("docs/cli.md", `${parts.join("\n\n")}\n`);
