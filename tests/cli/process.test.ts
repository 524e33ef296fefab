import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evoke, programPath, repositoryRoot } from "../program.js";

/** Starts `evoke` and hands the child to `act`; resolves with how it ended. */
function running(
  args: string[],
  act: (child: ReturnType<typeof spawn>) => void,
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [programPath, ...args], {
      cwd: repositoryRoot,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stderr }));
    act(child);
  });
}

describe("the process", () => {
  it("prints the JSON Schema of a recipe as one document", async () => {
    const { code, stdout, stderr } = await evoke(["schema", "recipe"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ type: "object", required: expect.arrayContaining(["model", "data"]) });
  });

  it("ends quietly when its reader has gone", async () => {
    const { code, stderr } = await running(["schema", "recipe"], (child) => child.stdout?.destroy());
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("says what is wrong with a model in one line", async () => {
    const { code, stdout, stderr } = await evoke(["model", "info", "./no-such-model"]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^evoke: .*no-such-model.*\n$/);
  });

  it.skipIf(process.platform === "win32").each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("exits on %s with %d", async (signal, expected) => {
    const folder = mkdtempSync(join(tmpdir(), "evoke-signal-"));
    const rows = join(folder, "rows.jsonl");
    writeFileSync(rows, '{"prompt":"a","completion":"b"}\n');
    // A server that never answers: its first request shows that the command is at work, and keeps it there.
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const refiner = `openai:x@http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const { code } = await running(
      ["data", "refine", rows, "--refiner", refiner, "--out", join(folder, "out.jsonl")],
      (child) => {
        server.once("request", () => child.kill(signal));
      },
    );
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
    expect(code).toBe(expected);
  });
});
