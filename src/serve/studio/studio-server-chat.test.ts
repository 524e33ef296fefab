/** The studio over real HTTP: talks with models. */
import { describe, expect, it } from "vitest";
import { ask } from "../../../tests/support/http-ask.js";
import { events, post, studioForTests } from "../../../tests/support/studio-server.js";
import type { ChatEvent } from "./wire.js";

const { tiny, start } = studioForTests();

describe("chat", () => {
  const column = (template: string) => {
    return { model: `base:${tiny}`, template, messages: [{ role: "user", content: "the river" }] };
  };
  const request = { columns: [column("tulu"), column("none")], maxTokens: 5, temperature: 0, topP: 1 };

  it("answers all columns in one stream, with prompts and probabilities", async () => {
    const { url } = await start();
    const seen = await events<ChatEvent>(`${url}/api/chat`, () => false, request);
    for (const column of [0, 1]) {
      const own = seen.filter((event) => event.column === column);
      expect(own[0]!.type).toBe("loading");
      expect(own.find((event) => event.type === "prompt")!.text).toBe(
        column === 0 ? "<|user|>\nthe river\n<|assistant|>\n" : "the river",
      );
      const tokens = own.filter((event) => event.type === "token");
      const end = own.at(-1)!;
      // Half a character at the limit is told with the end alone.
      const written = tokens.map(({ piece }) => piece).join("");
      expect(end.type === "end" && end.text.replace(/\ufffd+$/, "")).toBe(written);
      expect(tokens.length).toBeGreaterThan(0);
      for (const token of tokens) {
        expect(token.top).toHaveLength(5);
        expect(token.logprob).toBeCloseTo(token.top[0]!.logprob, 6);
      }
    }
  });

  it("says in its own column what went wrong, and goes on in the others", async () => {
    const { url } = await start();
    const columns = [{ ...column("none"), model: "run:../x" }, column("none")];
    const seen = await events<ChatEvent>(`${url}/api/chat`, () => false, { ...request, columns });
    expect(seen.filter(({ column }) => column === 0).at(-1)).toMatchObject({ type: "error" });
    expect(seen.filter(({ column }) => column === 1).at(-1)).toMatchObject({ type: "end" });
  });

  it("stops when the page goes, and the studio lives on", async () => {
    const { url, port } = await start();
    const long = { ...request, columns: [column("none")], maxTokens: 400, temperature: 2 };
    await events<ChatEvent>(`${url}/api/chat`, ({ type }) => type === "token", long);
    expect((await ask(port, "/api/session")).status).toBe(200);
  });

  it.each([
    { ...request, columns: [] },
    { ...request, maxTokens: 1e9 },
    { ...request, columns: [{ ...column("none"), template: "../x" }] },
    { ...request, columns: Array(7).fill(column("none")) },
    { ...request, topP: 0 },
    { ...request, evil: 1 },
  ])("refuses a request out of form (%#)", async (body) => {
    const { port } = await start();
    expect((await post(port, "/api/chat", body)).status).toBe(400);
  });
});
