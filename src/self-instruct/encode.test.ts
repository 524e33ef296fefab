import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeInstances, simplifyInput } from "./encode.js";
import { loadPrompts } from "./prompts.js";

const { encoding } = loadPrompts();

describe("simplifyInput", () => {
  it.each([
    ["Text: some words", "some words"],
    ["Text: one\nText: two", "one\nText: two"],
    ["Name: a\nAge: 3", "Name: a\nAge: 3"],
    ["no field\n\nblank line", "no field\nblank line"],
    ["  padded  ", "padded"],
    ["at 10:30 sharp", "30 sharp"], // the reference rule sees a field "10"
    ["Größe: klein", "klein"],
    [": first\nText: x", "first\nText: x"], // cut at the first colon, whichever it is
  ])("%j → %j", (input, expected) => {
    expect(simplifyInput(input)).toBe(expected);
  });
});

describe("encodeInstances", () => {
  const instances = Array.from({ length: 200 }, (_, i) => ({
    instruction: `Do thing ${i}`,
    input: i % 2 ? `Thing: number ${i}` : "",
    output: ` result ${i} `,
  }));

  it("uses all templates, half of the inputs without their field name, and each instance once", () => {
    const rows = encodeInstances(instances, encoding, 1);
    expect(rows).toHaveLength(200);
    const withInput = rows.filter(({ prompt }) => prompt.includes("number"));
    expect(withInput).toHaveLength(100);
    const simplified = withInput.filter(({ prompt }) => !prompt.includes("Thing: number")).length;
    expect(simplified).toBeGreaterThan(30);
    expect(simplified).toBeLessThan(70);
    const shapes = new Set(rows.map(({ prompt }) => prompt.replace(/\d+/g, "#").replace("Thing: ", "")));
    expect(shapes.size).toBe(encoding.withInput.length + encoding.withoutInput.length);
    expect(rows.every(({ completion }) => /^result \d+$/.test(completion))).toBe(true);
  });

  it("is shuffled by the seed", () => {
    expect(encodeInstances(instances, encoding, 1)).toEqual(encodeInstances(instances, encoding, 1));
    expect(encodeInstances(instances, encoding, 2)).not.toEqual(encodeInstances(instances, encoding, 1));
  });

  it("can write continuations for base models", () => {
    const rows = encodeInstances(instances, encoding, 1, "continuation");
    for (const { prompt, completion } of rows)
      expect(completion).toMatch(/\S$/.test(prompt) ? /^ result \d+<\|endoftext\|>$/ : /^result \d+<\|endoftext\|>$/);
  });

  it.each(["plain", "continuation"] as const)("never lets prompt and completion touch: %s", (style) => {
    const many = Array.from({ length: 5000 }, (_, i) => ({
      instruction: `Do ${i}`,
      input: i % 2 ? "x" : "",
      output: "y",
    }));
    const rows = encodeInstances(many, encoding, 123, style);
    expect(rows).toHaveLength(5000);
    expect(rows.filter(({ prompt, completion }) => !/\s$/.test(prompt) && !/^\s/.test(completion))).toEqual([]);
  });

  it("keeps texts that look like placeholders or replacement patterns", () => {
    fc.assert(
      fc.property(fc.constantFrom("{input}", "$&", "$1", "{output}", "{x}"), (text) => {
        const [row] = encodeInstances([{ instruction: text, input: "", output: text }], encoding, 3);
        expect(row!.prompt).toContain(text);
        expect(row!.completion).toBe(text);
      }),
    );
  });
});
