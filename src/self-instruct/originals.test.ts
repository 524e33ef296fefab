import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { originalOrigin } from "../data/prompt-origin.js";
import { pythonString } from "../data/python-source.js";
import { originalRefineTemplate, REFINE_SOURCE } from "../data/refine-template.js";
import { originalSelfInstructPrompts } from "./originals.js";
import { loadPrompts } from "./prompts.js";

const dataDir = mkdtempSync(join(tmpdir(), "evoke-si-originals-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** Stand-ins of the original sources, where a clone of the repository has them. */
function write(path: string, text: string): void {
  const target = join(dataDir, "originals", path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}

write(
  "self-instruct/self_instruct/bootstrap_instructions.py",
  [
    "prompt = 'not this one'",
    "def encode_prompt(items, classification=False):",
    '    """Puts a list together."""',
    "    if classification:",
    '        prompt = "Think of labelling tasks.\\n"',
    "    else:",
    '        prompt = "Think of \\"any\\" tasks:\\n"',
    "    return prompt",
    "",
    "def other():",
    '    prompt = "nor this"',
    "",
  ].join("\n"),
);
write(
  "self-instruct/self_instruct/templates/clf_task_template.py",
  "template_1 = '''Is it?\n\nTask: It's a\nYes\n\nTask:'''\n",
);
write(
  "self-instruct/self_instruct/templates/instance_gen_template.py",
  "output_first_template_for_clf = '''Labels first.\n\nTask:'''\n\ninput_first_template_for_gen = '''Inputs first.\\tx\n\nTask:'''\n",
);

it("puts the five prompts together as the original's scripts do", async () => {
  const { prompts, origins } = await originalSelfInstructPrompts({ dataDir, fetchMissing: false });
  expect(prompts).toEqual({
    bootstrap: 'Think of "any" tasks:',
    bootstrapClassification: "Think of labelling tasks.",
    classify: "Is it?\n\nTask: It's a\nYes\n\nTask: {instruction}\nIs it classification?",
    instancesClassification: "Labels first.\n\nTask: {instruction}",
    instancesGeneration: "Inputs first.\tx\n\nTask: {instruction}",
  });
  // A stand-in is not the pinned file, and says so.
  expect(origins.map(({ use, origin, differs }) => [use, origin, differs])).toEqual([
    ["bootstrap", "original", true],
    ["classify", "original", true],
    ["instances", "original", true],
  ]);
});

it("takes a folder's own files first, and says where each text is from", async () => {
  const own = mkdtempSync(join(dataDir, "own-"));
  writeFileSync(join(own, "classify.txt"), "Mine: {instruction}");
  const loaded = loadPrompts(own, await originalSelfInstructPrompts({ dataDir, fetchMissing: false }));
  expect(loaded.classify).toBe("Mine: {instruction}");
  expect(loaded.bootstrap).toBe('Think of "any" tasks:');
  expect(loaded.origins.at(-1)).toMatchObject({ use: "classify", origin: "file", source: "classify.txt" });
  expect(loadPrompts().origins.every(({ origin }) => origin === "own")).toBe(true);
});

it("reads Response Tuning's prompt to refine by", async () => {
  write(
    "response-tuning/refine_responses.py",
    'RESPONSE_REFINE_PROMPT_TEMPLATE = """\nMake it better.\n{user_request}|{response}\n""".strip()\n',
  );
  const { template, origin } = await originalRefineTemplate({ dataDir, fetchMissing: false });
  expect(template).toBe("Make it better.\n{prompt}|{response}");
  expect(origin).toMatchObject({ use: "refine", source: "seokhyunan/response-tuning@65b848e:refine_responses.py" });
  expect(originalOrigin("x", REFINE_SOURCE, join(dataDir, "originals/response-tuning/refine_responses.py"))).toEqual({
    ...origin,
    use: "x",
  });
});

it.each([
  ["T = 'a\\'b'", "a'b"],
  ['T = "a\\\\n"', "a\\n"],
  ["MY_T = 'no'\nT = '''x\n'y' \\\nz'''", "x\n'y' z"],
  ['T="""one "two" three"""', 'one "two" three'],
])("reads a Python text: %s", (source, text) => {
  expect(pythonString(source, "T", "a.py")).toBe(text);
});

it("names the source that gives a name no text", () => {
  expect(() => pythonString("T = 3", "T", "a.py")).toThrow("a.py: gives T no text");
});
