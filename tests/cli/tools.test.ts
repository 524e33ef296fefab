import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { commands } from "../../src/cli/registry.js";
import { evoke } from "../program.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-tools-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("evoke doctor", () => {
  it("gives one JSON document with the facts, and no secret", async () => {
    const env = {
      HF_TOKEN: "hf_secret_of_mine",
      OPENAI_API_KEY: "sk-secret",
      EVOKE_CACHE: join(folder, "cache"),
      EVOKE_DATA: "",
    };
    const { code, stdout } = await evoke(["doctor", "--json", "--offline"], { env });
    const { ok, checks } = JSON.parse(stdout) as {
      ok: boolean;
      checks: { name: string; status: string; found: string }[];
    };
    expect([code, ok]).toEqual([0, true]);
    const found = Object.fromEntries(checks.map((check) => [check.name, check]));
    expect(found["device cpu"]).toMatchObject({ status: "ok", found: "works" });
    expect(found.runtime!.found).toContain(`Node ${process.versions.node}`);
    expect(found.access!.found).toContain("Hugging Face token set, OPENAI_API_KEY set");
    expect(stdout).not.toContain("secret");
  });

  it("fails with advice when something must be mended", async () => {
    writeFileSync(join(folder, "file"), "");
    const env = { EVOKE_CACHE: join(folder, "file", "cache") };
    const { code, stdout } = await evoke(["doctor", "--offline", "--data-dir", join(folder, "nowhere")], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^fail {2}cache .*\n +point EVOKE_CACHE to a folder of yours$/m);
    expect(stdout).toMatch(/^fail {2}local data .*nowhere does not exist\n +correct --data-dir or EVOKE_DATA$/m);
  });

  it("says when the Hub cannot be reached", async () => {
    const env = { HF_ENDPOINT: "http://user:hidden@127.0.0.1:9", HF_HUB_OFFLINE: "", EVOKE_DATA: "" };
    const { stdout } = await evoke(["doctor"], { env });
    expect(stdout).toMatch(/^warn {2}Hugging Face Hub 127\.0\.0\.1:9 cannot be reached$/m);
    expect(stdout).not.toContain("hidden");
  });
});

describe("evoke completion", () => {
  /** What bash offers after a line of words, the last one being typed. */
  function offered(script: string, words: string[]): string[] {
    const line = words.map((word) => `'${word}'`).join(" ");
    const program = `source ${script}; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _evoke; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", program], { encoding: "utf8" })
      .split("\n")
      .filter((word) => word !== "");
  }

  it("completes commands, subcommands and flags in bash", async () => {
    const script = join(folder, "evoke.bash");
    writeFileSync(script, (await evoke(["completion", "bash"])).stdout);
    const all = offered(script, ["evoke", ""]);
    for (const { name } of commands) expect(all).toContain(name);
    expect(offered(script, ["evoke", "comp"])).toEqual(["completion"]);
    expect(offered(script, ["evoke", "model", "pu"])).toEqual(["pull"]);
    expect(offered(script, ["evoke", "--quiet", "serve", "m", "--max-"])).toEqual(["--max-batch", "--max-queue"]);
    expect(offered(script, ["evoke", "data", "prepare", "--data-d"])).toEqual(["--data-dir"]);
  });

  it.each(["zsh", "fish"])("names every command for %s", async (shell) => {
    const { stdout } = await evoke(["completion", shell]);
    for (const { name } of commands) expect(stdout).toContain(name);
    expect(stdout).toContain("max-queue");
  });
});

describe("evoke init", () => {
  it("writes a recipe by flags, and never over a file without --force", async () => {
    const path = join(folder, "recipe.yaml");
    const args = ["init", path, "--model", "bundled:mini", "--data", "rows.jsonl", "--mode", "rt"];
    expect(await evoke(args)).toEqual({
      code: 0,
      stdout: `${path} is written; evoke train ${path} runs it\n`,
      stderr: "",
    });
    expect(readFileSync(path, "utf8")).toMatch(/^mode: rt$/m);
    writeFileSync(path, "mine");
    expect(await evoke(args)).toMatchObject({
      code: 2,
      stderr: `evoke: ${path}: exists already; --force overwrites it\n`,
    });
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect((await evoke([...args, "--force"])).code).toBe(0);
    expect((await evoke(["init", join(folder, "b.yaml"), "--preset", "none"])).code).toBe(2);
    expect(existsSync(join(folder, "b.yaml"))).toBe(false);
  });
});
