import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-option-order-"));
afterAll(() => rmSync(folder, { recursive: true }));
const rows = join(folder, "rows.jsonl");
const recipe = join(folder, "recipe.yaml");
writeFileSync(rows, '{"prompt":"q","completion":"a"}\n{"prompt":"r","completion":"b"}\n');
writeFileSync(recipe, "model: x\n");

/** Each line means the same: code, stdout and stderr are equal. Returns the outcome. */
async function same(...lines: string[][]) {
  const outcomes = await Promise.all(lines.map((args) => evoke(args)));
  for (const [i, outcome] of outcomes.entries()) expect(outcome, lines[i]!.join(" ")).toEqual(outcomes[0]);
  return outcomes[0]!;
}

describe("options before and after what they belong to", () => {
  it("takes global flags before the command, before its argument and behind it", async () => {
    const missing = join(folder, "none.yaml");
    const lines = [
      ["--quiet", "train", missing],
      ["train", "--quiet", missing],
      ["train", missing, "--quiet"],
    ];
    expect(await same(...lines)).toEqual({ code: 2, stdout: "", stderr: `evoke: ${missing}: no such file\n` });
    const list = await same(["--json", "eval", "list"], ["eval", "--json", "list"], ["eval", "list", "--json"]);
    expect(JSON.parse(list.stdout)).toContain("arc_easy");
  });

  it("takes a flag's value for no command, and a command's flags on both sides of its argument", async () => {
    const { code, stdout } = await same(
      ["--data-dir", "train", "data", "head", "-n", "1", "--json", rows],
      ["data", "--json", "head", rows, "--data-dir", "train", "-n", "1"],
      ["data", "head", "--data-dir=train", "-n1", "--json", "--", rows],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(1);
  });

  it("gives a stage of self-instruct the flags before its name as well", async () => {
    const { code, stderr } = await same(
      ["self-instruct", "--set", "chta=true", "prepare", recipe],
      ["self-instruct", "prepare", "--set", "chta=true", recipe],
      ["self-instruct", "prepare", recipe, "--set", "chta=true"],
    );
    expect(code).toBe(2);
    expect(stderr).toContain("chta");
  });

  it("refuses flags of eval that compare would not heed", async () => {
    const { code, stderr } = await same(
      ["eval", "--limit", "2", "compare", folder, folder],
      ["eval", "compare", "--limit", "2", folder, folder],
      ["eval", "compare", folder, folder, "--limit", "2"],
    );
    expect([code, stderr]).toEqual([2, "evoke: eval compare: --limit has no effect here; leave it out\n"]);
  });
});
