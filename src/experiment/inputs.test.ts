import { afterEach, expect, it, vi } from "vitest";
import { Inputs } from "./inputs.js";

afterEach(() => vi.unstubAllEnvs());

it("an adapter on the Hub enters keys by its commit, and by its name where that cannot be had", async () => {
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  const inputs = new Inputs({ fetchMissing: false, say: () => {} });
  const commit = "a1".repeat(20);
  expect(await inputs.folderId(`hf:org/adapter@${commit}`)).toBe(`hf:org/adapter@${commit}`);
  expect(await inputs.folderId("hf:org/adapter")).toBe("hf:org/adapter");
  await expect(inputs.folderId("/nowhere/adapter")).rejects.toThrow("/nowhere/adapter");
});
