import { describe, expect, it } from "vitest";
import { TEMPLATES } from "../../../tests/support/ollama-templates.js";
import type { Message } from "../../tokenizer/message.js";
import { goTemplate, modelfile } from "./modelfile.js";
import { CONVERSATIONS, type Render, renderTurns, turnTexts } from "./turns.js";

describe("chat templates in Ollama's form", () => {
  it.each(Object.entries(TEMPLATES))("%s says the same on five conversations", (_, render) => {
    const turns = turnTexts(render)!;
    let compared = 0;
    for (const messages of CONVERSATIONS) {
      let expected: string;
      try {
        expected = render(messages, true);
      } catch {
        continue;
      }
      expect(renderTurns(turns, messages)).toBe(expected);
      compared++;
    }
    expect(compared).toBeGreaterThan(2);
  });

  it("writes what Go's templates take", () => {
    expect(goTemplate(turnTexts(TEMPLATES["chatml with a default system turn"]!)!)).toBe(
      `{{ if .Messages }}{{ if ne (index .Messages 0).Role "system" }}<|im_start|>system
You are helpful.<|im_end|>
{{ end }}{{ end }}{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system
{{ .Content }}<|im_end|>
{{ end }}{{ if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ end }}{{ if eq .Role "assistant" }}<|im_start|>assistant
{{ .Content }}<|im_end|>
{{ end }}{{ end }}<|im_start|>assistant
`,
    );
  });

  it("knows what it cannot say", () => {
    const first: Render = (messages: readonly Message[], open) =>
      messages.map(({ content }, i) => `${i === 0 ? "FIRST" : ""}[${content}]`).join(messages.length > 3 ? "!" : "") +
      (open ? ">" : "");
    expect(turnTexts(first)).toBeUndefined();
  });

  it("are part of a Modelfile", () => {
    const turns = turnTexts(TEMPLATES.zephyr!)!;
    const text = modelfile({ from: "./m.gguf", adapter: "./a.gguf", turns, stops: ["</s>"], contextLength: 512 });
    expect(text).toMatch(/^FROM \.\/m\.gguf\nADAPTER \.\/a\.gguf\nTEMPLATE """/);
    expect(text).toContain('PARAMETER stop "</s>"\nPARAMETER num_ctx 512\n');
  });
});
