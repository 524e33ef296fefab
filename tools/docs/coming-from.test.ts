/** The pages for those who come from other tools name every flag of those, and flags of evoke's that there are. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repositoryRoot } from "../../tests/program.js";
import { ORIGINAL_FLAGS } from "../../tests/support/original-flags.js";

const page = (name: string): string => readFileSync(join(repositoryRoot, "docs", "coming-from", `${name}.md`), "utf8");

/** Cells of a table's line; a bar within code is none of the table's. */
const cells = (line: string): string[] => line.split(/\s\|\s/).map((cell) => cell.replace(/^\|\s*|\s*\|$/g, "").trim());

describe.each(Object.entries(ORIGINAL_FLAGS))("docs/coming-from/%s.md", (name, programs) => {
  const lines = page(name).split("\n");

  it.each(Object.entries(programs))(
    "has an equivalent, or a reason for none, for every flag of %s",
    (program, flags) => {
      const start = lines.findIndex((line) => line.startsWith("#") && line.includes(`\`${program}\``));
      expect(start, `a heading with ${program}`).toBeGreaterThanOrEqual(0);
      const end = lines.findIndex((line, i) => i > start && line.startsWith("#"));
      const rows = lines.slice(start, end < 0 ? undefined : end).filter((line) => line.startsWith("| `--"));
      const known = new Map(
        rows.flatMap((line) => {
          const [there, here] = cells(line);
          return [...there!.matchAll(/`(--[\w-]+)[^`]*`/g)].map(([, flag]): [string, string] => [flag!, here ?? ""]);
        }),
      );
      // One section may hold several programs; it names the flags of all.
      const together = Object.entries(programs).flatMap(([each, own]) =>
        lines[start]!.includes(`\`${each}\``) ? own : [],
      );
      expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
      expect([...known.keys()].sort()).toEqual([...new Set(together)].sort());
      for (const [flag, here] of known) expect(here, flag).toMatch(/`.+`|none: .+|always|the same/);
    },
  );
});

it("names flags of evoke that the command line has", () => {
  const cli = readFileSync(join(repositoryRoot, "docs", "cli.md"), "utf8");
  const wrong: string[] = [];
  for (const name of [...Object.keys(ORIGINAL_FLAGS)])
    for (const line of page(name)
      .split("\n")
      .filter((each) => each.startsWith("| "))) {
      const [, here] = cells(line);
      // Flags of evoke have hyphens, those of the originals underscores.
      for (const [, flag] of (here ?? "").matchAll(/(--[a-z][a-z0-9-]*)/g))
        if (!cli.includes(flag!)) wrong.push(`${name}: ${flag}`);
    }
  expect(wrong).toEqual([]);
});
