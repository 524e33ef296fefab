import { describe, expect, it, vi } from "vitest";
import { FailureError } from "../errors.js";
import { renderModelTemplate } from "./chat-template.js";
import { strftime } from "./template-date.js";
import { withinTime } from "./time-limit.js";
import type { Tokenizer } from "./tokenizer.js";

const of = (chatTemplate: string): Tokenizer => ({ chatTemplate }) as Tokenizer;
const user = [{ role: "user" as const, content: "a" }];

describe("work that a model's files govern", () => {
  it("gives back what it makes, and its errors", () => {
    expect(withinTime("it", 1, () => withinTime("inside", 1, () => [1]))).toEqual([1]);
    const failing = (): never => {
      throw new RangeError("no");
    };
    expect(() => withinTime("it", 1, failing)).toThrow(RangeError);
    expect(withinTime("it", 1, () => 2)).toBe(2);
  });

  it("is stopped when its time is up, inside a pattern or a loop", () => {
    vi.stubEnv("EVOKE_TEXT_SECONDS", "0.05");
    const backtracking = (): boolean => /^(a+)+$/u.test(`${"a".repeat(60)}b`);
    expect(() => withinTime("the tokenizer", 61, backtracking)).toThrow(FailureError);
    expect(() => withinTime("the tokenizer", 61, backtracking)).toThrow(
      "the tokenizer did not come to an end within 0 seconds on a text of 61 characters",
    );
    const loops = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}";
    expect(() => renderModelTemplate(of(loops), user)).toThrow(/^the model's chat template did not come to an end/);
    vi.unstubAllEnvs();
  });

  it("makes no endless lists", () => {
    expect(() => renderModelTemplate(of("{{ range(1000000000) }}"), user)).toThrow("is longer than 100000");
  });
});

describe("what a template is told", () => {
  it("is what transformers tells it: none where there are none, special tokens by name, the date", () => {
    const asked =
      "{{ tools is none }} {{ documents is none }} {{ pad_token }} {{ unk_token is defined }} {{ strftime_now('%d %b %Y') }}";
    const tokenizer = { ...of(asked), specialTokens: { pad_token: "<pad>" }, templateTime: "2026-01-09T10:00:00" };
    expect(renderModelTemplate(tokenizer, user)).toBe("true true <pad> false 09 Jan 2026");
    expect(
      renderModelTemplate(of("{{ tools | length }} {{ think }}"), user, { tools: [1], variables: { think: "no" } }),
    ).toBe("1 no");
  });

  it("strips and loops as Python does", () => {
    const content = "\n\n a \n";
    const messages = [{ role: "user" as const, content }];
    expect(renderModelTemplate(of("[{{ messages[0].content.strip('\\n') }}]"), messages)).toBe("[ a ]");
    expect(renderModelTemplate(of("[{{ messages[0].content.lstrip() }}|{{ '\ufeffb' | trim }}]"), messages)).toBe(
      "[a \n|\ufeffb]",
    );
    expect(renderModelTemplate(of("{% for x in nothing %}x{% else %}none{% endfor %}"), messages)).toBe("none");
  });

  it("writes dates as Python's strftime in the C locale", () => {
    const time = "2024-02-03T04:05:06";
    expect(strftime(time, "%Y-%m-%d %H:%M:%S|%A %a %B %b|%j %y %I %p|%-d %-m|%e|%%")).toBe(
      "2024-02-03 04:05:06|Saturday Sat February Feb|034 24 04 AM|3 2| 3|%",
    );
    expect(() => strftime(time, "%Q")).toThrow("does not know %Q");
  });
});
