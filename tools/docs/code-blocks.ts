/** Code blocks of a Markdown text. */
export interface CodeBlock {
  /** First word after the fence, such as `ts`; empty for none. */
  language: string;
  text: string;
  /** Line of the first line of code, from 1. */
  line: number;
}

/** Fenced blocks in their order; those inside list items lose their indentation. */
export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { indent: number; lines: string[]; block: CodeBlock } | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const fence = /^(\s*)```\s*(\w*)/.exec(line);
    if (open && fence) {
      blocks.push({ ...open.block, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else if (open) open.lines.push(line.slice(open.indent));
    else if (fence)
      open = { indent: fence[1]!.length, lines: [], block: { language: fence[2]!, text: "", line: index + 2 } };
  }
  return blocks;
}
