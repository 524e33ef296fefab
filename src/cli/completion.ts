import { Argument, Command } from "commander";
import { globalFlags } from "./output.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** What is read of the command table (which lists this file, so that it is handed over instead of imported). */
export interface ListedCommand {
  name: string;
  summary: string;
  load: () => Promise<() => Command>;
}

/** `evoke completion SHELL`: a script that completes commands, subcommands and flags, made from the command table. */
export function completionCommand(table: readonly ListedCommand[]): Command {
  return new Command("completion")
    .description("Print a completion script for a shell.")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText(
      "after",
      `
Install:
  bash  evoke completion bash > ~/.local/share/bash-completion/completions/evoke
  zsh   evoke completion zsh > "\${fpath[1]}/_evoke"
  fish  evoke completion fish > ~/.config/fish/completions/evoke.fish`,
    )
    .action(async (shell: Shell) => {
      process.stdout.write(WRITERS[shell](await readTree(table)));
    });
}

/** A word that may follow, with its explanation. */
interface Word {
  word: string;
  about: string;
}

/** What may follow a command's path, such as "data prepare"; the program's own path is "". */
export interface CompletionNode {
  path: string;
  subcommands: Word[];
  flags: Word[];
}

/** The command table as nodes, the program's first. A name that is listed twice counts once. */
async function readTree(table: readonly ListedCommand[]): Promise<CompletionNode[]> {
  const entries = [...new Map(table.map((entry) => [entry.name, entry])).values()];
  const shared = [
    ...globalFlags().map((flag) => ({ word: flag.long!, about: flag.description })),
    { word: "--help", about: "show help" },
  ];
  const nodes: CompletionNode[] = [
    {
      path: "",
      subcommands: entries.map(({ name, summary }) => ({ word: name, about: summary })),
      flags: [...shared, { word: "--version", about: "print the version" }],
    },
  ];
  const add = (command: Command, path: string): void => {
    nodes.push({
      path,
      subcommands: command.commands.map((child) => ({ word: child.name(), about: firstLine(child.description()) })),
      flags: [
        ...command.options.flatMap(({ long, description }) => (long ? [{ word: long, about: description }] : [])),
        ...shared,
      ],
    });
    for (const child of command.commands) add(child, `${path} ${child.name()}`);
  };
  for (const { name, load } of entries) add((await load())(), name);
  return nodes;
}

/** Words before the cursor that are no flags, joined: the longest one that is a path decides what may follow. */
const WRITERS: Record<Shell, (nodes: readonly CompletionNode[]) => string> = {
  bash: (nodes) => `# bash completion of evoke
_evoke() {
  local word path="" next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    next="\${path:+$path }$word"
    case "$next" in
${nodes
  .slice(1)
  .map(({ path }) => `      ${quote(path)}) path="$next" ;;`)
  .join("\n")}
    esac
  done
  local words=""
  case "$path" in
${nodes.map(({ path, subcommands, flags }) => `    ${quote(path)}) words=${quote(names([...subcommands, ...flags]))} ;;`).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _evoke evoke
`,
  zsh: (nodes) => `#compdef evoke
# zsh completion of evoke
_evoke() {
  local word next current="" i
  local -a offered
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    next="\${current:+$current }$word"
    case "$next" in
${nodes
  .slice(1)
  .map(({ path }) => `      ${quote(path)}) current="$next" ;;`)
  .join("\n")}
    esac
  done
  case "$current" in
${nodes.map(({ path, subcommands, flags }) => `    ${quote(path)}) offered=(${described([...subcommands, ...flags])}) ;;`).join("\n")}
  esac
  _describe evoke offered
  _files
}
if [ "$funcstack[1]" = "_evoke" ]; then _evoke "$@"; else compdef _evoke evoke; fi
`,
  fish: (nodes) => {
    const lines = ["# fish completion of evoke"];
    for (const { path, subcommands, flags } of nodes) {
      const parts = path.split(" ").filter((part) => part !== "");
      const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`);
      const open = parts.length === 0 ? "__fish_use_subcommand" : seen.join("; and ");
      const waiting =
        subcommands.length && parts.length ? `; and not __fish_seen_subcommand_from ${names(subcommands)}` : "";
      const also = subcommands.length ? " -f" : "";
      for (const { word, about } of subcommands)
        lines.push(`complete -c evoke${also} -n ${quote(open + waiting)} -a ${word} -d ${quote(about)}`);
      for (const { word, about } of flags)
        lines.push(`complete -c evoke -n ${quote(open)} -l ${word.slice(2)} -d ${quote(about)}`);
    }
    return `${lines.join("\n")}\n`;
  },
};

function names(words: readonly Word[]): string {
  return words.map(({ word }) => word).join(" ");
}

function described(words: readonly Word[]): string {
  return words.map(({ word, about }) => quote(`${word}:${about}`)).join(" ");
}

/** Single quotes, as all three shells read them. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function firstLine(text: string): string {
  return text.split("\n")[0]!;
}
