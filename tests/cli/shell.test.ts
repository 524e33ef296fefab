import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/registry.js";
import { evoke } from "../program.js";

describe("evoke", () => {
  it("prints complete help without loading any command", async () => {
    const { code, stdout, stderr } = await evoke(["--help"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const { name, summary } of commands) {
      expect(stdout).toContain(`\n  ${name} `);
      expect(stdout.replace(/\s+/g, " ")).toContain(summary);
    }
    for (const flag of ["--json", "--quiet", "--seed", "--data-dir", "--device"]) expect(stdout).toContain(flag);
  });

  it("shows the same help without arguments", async () => {
    expect((await evoke([])).stdout).toBe((await evoke(["--help"])).stdout);
  });

  it("gives every command its own help, with the global flags", async () => {
    for (const { name } of commands) {
      const { code, stdout } = await evoke([name, "--help"]);
      expect(code, name).toBe(0);
      expect(stdout).toContain(`Usage: evoke ${name}`);
      expect(stdout).toContain("--data-dir");
    }
  });

  it("prints the version of package.json", async () => {
    expect((await evoke(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [["modle"], "evoke: unknown command 'modle' (Did you mean model?)\n"],
    [
      ["--device", "tpu"],
      "evoke: option '--device <name>' argument 'tpu' is invalid. Allowed choices are auto, cpu, webgpu, cuda.\n",
    ],
    [
      ["--seed", "-1", "schema", "recipe"],
      "evoke: option '--seed <n>' argument '-1' is invalid. a whole number is expected.\n",
    ],
    [["schema"], "evoke: missing required argument 'kind'\n"],
    [["schema", "recipe", "--nope"], "evoke: unknown option '--nope'\n"],
  ])("answers %j with one line and exit code 2", async (args, line) => {
    expect(await evoke(args)).toEqual({ code: 2, stdout: "", stderr: line });
  });
});
