import { describe, expect, it } from "vitest";
import { suiteRuns } from "../../../tests/support/suite-runs.js";
import { loadPromptFile } from "../prompt-file.js";

const { write, rowsFile, run } = suiteRuns();

describe("in-context prompts", () => {
  it("fill in the instruction, stop where the next demonstration begins, and trim the fence", async () => {
    const seen: unknown[] = [];
    const answer = (_: string, request: unknown) => {
      seen.push(request);
      return " Because of scattering.\n```";
    };
    const files = { instruct: rowsFile("i.jsonl", [{ instruction: "Why is {output} blue?", tag: 7 }]) };
    const { samples, result } = await run("instruct", { answer }, undefined, {
      files,
      prompt: loadPromptFile("urial_r"),
    });
    const { prompt, stop } = seen[0] as { prompt: string; stop: string[] };
    expect(prompt.endsWith("# Query:\n```\nWhy is {output} blue?\n```\n\n# Answer:\n```\n")).toBe(true);
    expect(prompt).not.toContain("autumn?");
    expect(stop).toEqual(["# Query:", "# Answer:", "# Instruction"]);
    expect(samples[0]).toMatchObject({ tag: 7, output: "Because of scattering." });
    expect(result.config).toMatchObject({ prompt: "urial_r" });
  });

  it("refuses a file without a place for the instruction", () => {
    expect(() => loadPromptFile(write("p.txt", "Hello"))).toThrow(/holds no \{instruction\}/);
    expect(() => loadPromptFile("urial_x")).toThrow(/no such prompt; expected urial/);
  });
});
