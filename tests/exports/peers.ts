/** Other programs, run in the folder that has their packages (EVOKE_TEST_EXPORTS, made by run.sh). */
import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

export const peers = process.env.EVOKE_TEST_EXPORTS ?? "";

/** Models in EVOKE_TEST_MODELS: GGUF files, separated by commas. */
export const realModels = (process.env.EVOKE_TEST_MODELS ?? "").split(",").filter((path) => path !== "");

/** What a script of this folder prints for a model, as JSON. */
export function askPeer(
  program: "llama-cpp" | "llama-cpp-logits" | "transformers-js",
  path: string,
  request: object,
): unknown {
  const script = join(peers, `${program}.mjs`);
  copyFileSync(fileURLToPath(new URL(`./${program}.mjs`, import.meta.url)), script);
  const options = { encoding: "utf8", cwd: peers, maxBuffer: 1 << 28 } as const;
  const child = spawnSync(process.execPath, [script, path, JSON.stringify(request)], options);
  expect(child.status, child.stderr).toBe(0);
  return JSON.parse(child.stdout);
}

/** A Python with transformers and PyTorch. */
export const python = process.env.EVOKE_TEST_PYTHON ?? "";

/** What transformers makes of a folder, as JSON. */
export function askPython(path: string, request: object): unknown {
  const script = fileURLToPath(new URL("./transformers_answers.py", import.meta.url));
  const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const child = spawnSync(python, [script, path, JSON.stringify(request)], options);
  expect(child.status, child.stderr).toBe(0);
  return JSON.parse(child.stdout);
}
