import { describe, expect, it } from "vitest";
import { judgePromptOf } from "./judge-prompt.js";
import { readGsm8kShots, readPythonTemplate } from "./originals.js";

describe("originals", () => {
  it("reads worked examples out of a task file", () => {
    const text =
      "fewshot_config:\n  samples:\n  - question: What is 1 + 1?\n    target: It is\n      2. The final answer is 2\n";
    const [shot] = readGsm8kShots(text, "task.yaml");
    expect(shot!.question).toContain("\nProblem: What is 1 + 1?\n");
    expect(shot!.answer).toBe("It is 2. The final answer is 2");
    expect(() => readGsm8kShots("task: x\n", "task.yaml")).toThrow("task.yaml: holds no worked examples");
  });

  it("reads a prompt out of a Python file, with its places as ours", () => {
    const place = (name: string) => `$\{${name}}`;
    const source = `T = """\\\nAsked: ${place("instruction")}\nSaid: ${place("candidate")}\n{"a": 1}\n"""\n`;
    const prompt = judgePromptOf(readPythonTemplate(source, "t.py"), ["instruction", "output"], "t.py");
    expect(prompt.fill({ instruction: "{output}", output: "$&" })).toBe('Asked: {output}\nSaid: $&\n{"a": 1}\n');
    expect(() => readPythonTemplate("T = 1", "t.py")).toThrow("t.py: holds no prompt");
  });
});
