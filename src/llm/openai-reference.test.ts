import { describe, expect, it } from "vitest";
import { parseOpenAiReference } from "./openai-reference.js";

const KEY = "sk-very-secret";

describe("keys in URLs", () => {
  it.each([
    `http://${KEY}@host/v1`,
    `http://user:${KEY}@host/v1`,
    `http://user:${KEY}/x@host/v1`,
    `http://user:pa@${KEY}@host/v1`,
    `http://host/v1?key=${KEY}`,
    `http://host/v1?`,
    `http://host/v1#${KEY}`,
    `http://host/v1?a=b,http://other/v1?key=${KEY}`,
    `http://host/v1,http://u:${KEY}@other/v1`,
    `http://ho st/v1?key=${KEY}`,
    `ftp://${KEY}@host/v1`,
  ])("%s is refused and not shown", (url) => {
    const refused = (reference: string, env: NodeJS.ProcessEnv = {}): string => {
      try {
        parseOpenAiReference(reference, env);
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error("was taken");
    };
    expect(refused(`openai:m@${url}`)).not.toContain(KEY);
    expect(refused("openai:m", { OPENAI_BASE_URL: url })).not.toContain(KEY);
  });

  it("a name may hold an @", () => {
    expect(parseOpenAiReference("openai:a@b@http://h/v1/,http://i/v1", {})).toEqual({
      name: "a@b",
      baseUrls: ["http://h/v1", "http://i/v1"],
    });
  });
});
