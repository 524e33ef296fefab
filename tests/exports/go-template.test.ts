/** What Go's text/template makes of a Modelfile's template: the text of the model's own. Needs `go`; part of tests/exports/run.sh. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { goTemplate } from "../../src/export/ollama/modelfile.js";
import { CONVERSATIONS, turnTexts } from "../../src/export/ollama/turns.js";
import { TEMPLATES } from "../support/ollama-templates.js";
import { peers } from "./peers.js";

const program = fileURLToPath(new URL("./template.go", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;

describe.skipIf(peers === "" || !hasGo)("Go's text/template", () => {
  it.each(Object.entries(TEMPLATES))("renders %s as the model's template does", (_, render) => {
    const told = CONVERSATIONS.flatMap((messages) => {
      try {
        return [{ messages, text: render(messages, true) }];
      } catch {
        // It refuses system turns.
        return [];
      }
    });
    expect(told.length).toBeGreaterThan(2);
    const conversations = told.map(({ messages }) =>
      messages.map(({ role, content }) => ({ Role: role, Content: content })),
    );
    const input = JSON.stringify({ template: goTemplate(turnTexts(render)!), conversations });
    const child = spawnSync("go", ["run", program], { input, encoding: "utf8" });
    expect(child.status, child.stderr).toBe(0);
    expect(JSON.parse(child.stdout)).toEqual(told.map(({ text }) => text));
  });
});
