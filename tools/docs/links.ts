/** Finds links of Markdown files that lead nowhere: missing files, and headings that a file does not have. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** Anchors of a text's headings, as GitHub and VitePress make them. */
export function anchors(markdown: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading] of withoutCode(markdown).matchAll(/^#{1,6}\s+(.+)$/gm)) {
    const text = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
    const anchor = text
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let name = anchor;
    for (let n = 1; found.has(name); n++) name = `${anchor}-${n}`;
    found.add(name);
  }
  return found;
}

/** Every `file: target` that leads nowhere, in the Markdown files below a folder. Addresses of other sites are not asked. */
export function deadLinks(root: string, leaveOut: readonly string[] = []): string[] {
  const dead: string[] = [];
  for (const file of markdownFiles(root, leaveOut)) {
    const text = withoutCode(readFileSync(file, "utf8"));
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [path, anchor] = target!.split("#") as [string, string | undefined];
      const full = path === "" ? file : resolve(dirname(file), path);
      if (!existsSync(full) || (anchor && !hasAnchor(full, anchor))) dead.push(`${relative(root, file)}: ${target}`);
    }
  }
  return dead;
}

function hasAnchor(file: string, anchor: string): boolean {
  return file.endsWith(".md") && anchors(readFileSync(file, "utf8")).has(anchor);
}

function withoutCode(markdown: string): string {
  return markdown
    .replace(/^\s*```[\s\S]*?^\s*```\s*$/gm, "")
    .replace(/`[^`\n]*`/g, (code) => (code.includes("](") ? "" : code));
}

function markdownFiles(folder: string, leaveOut: readonly string[]): string[] {
  return readdirSync(folder).flatMap((name) => {
    if (name === "node_modules" || name.startsWith(".") || leaveOut.includes(name)) return [];
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return markdownFiles(path, leaveOut);
    return name.endsWith(".md") ? [path] : [];
  });
}
