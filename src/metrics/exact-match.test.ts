import { describe, expect, it } from "vitest";
import {
  exactMatch,
  extractAnswer,
  GSM8K_CHAT_STRICT,
  GSM8K_FLEXIBLE,
  GSM8K_STRICT,
  INVALID_ANSWER,
  normalizeAnswer,
} from "./exact-match.js";

describe("extractAnswer", () => {
  it.each([
    ["She has 3.\n#### 42", "42"],
    ["#### -1,234.50 and #### 7", "-1,234.50"],
    ["#### $5", INVALID_ANSWER],
    ["####5", INVALID_ANSWER],
    ["the answer is 42", INVALID_ANSWER],
    ["", INVALID_ANSWER],
    ["#### .,", ".,"],
  ])("strict takes the first number after the hashes: %j", (text, answer) => {
    expect(extractAnswer(text, GSM8K_STRICT)).toBe(answer);
  });

  it.each([
    ["3 apples and 4 pears make 7", "7"],
    ["It costs $1,250.", "$1,250."],
    ["-5", "-5"],
    ["between 3-4", "-4"],
    ["I think so...", "..."],
    ["So 12 it is.", "12"],
    ["none", INVALID_ANSWER],
  ])("flexible takes the last number: %j", (text, answer) => {
    expect(extractAnswer(text, GSM8K_FLEXIBLE)).toBe(answer);
  });

  it.each([
    ["The final answer is 5. No: The final answer is $12", "$12"],
    ["The final answer is 7", "7"],
    ["The final answer is **7**", INVALID_ANSWER],
    ["the final answer is 7", INVALID_ANSWER],
  ])("the chat form takes the last closing sentence: %j", (text, answer) => {
    expect(extractAnswer(text, GSM8K_CHAT_STRICT)).toBe(answer);
  });
});

describe("exactMatch", () => {
  it.each([
    ["1,250", "1250"],
    ["$18.", "18"],
    ["18", "He makes 9 * 2 = $<<9*2=18>>18.\n#### 18"],
    ["A\n#### 1\n#### 2.", "2"],
    ["ABC", "abc"],
  ])("takes %j for %j", (prediction, reference) => {
    expect(exactMatch(prediction, reference)).toBe(1);
  });

  it("tells different answers apart", () => {
    expect(exactMatch("18.0", "18")).toBe(0);
    expect(exactMatch(INVALID_ANSWER, "18")).toBe(0);
    expect(exactMatch("", "18")).toBe(0);
  });

  it("deletes one closing full stop, also before a last line break", () => {
    expect(normalizeAnswer("5..")).toBe("5.");
    expect(normalizeAnswer("5.\n")).toBe("5\n");
    expect(normalizeAnswer(".5")).toBe(".5");
  });
});
