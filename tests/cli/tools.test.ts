import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { commands } from "../../src/cli/registry.js";
import { evoke, programPath } from "../program.js";

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
    const { code, stdout, stderr } = await evoke(["doctor", "--json", "--offline"], { env });
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
    // The findings say which provider does not load, and why; ONNX Runtime need not.
    expect(stderr).not.toContain("onnxruntime");
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

describe("evoke doctor --model, --recipe", () => {
  interface Estimate {
    examples: number;
    steps: number;
    places: { place: string; fits: boolean; needBytes: number; haveBytes: number; seconds?: number }[];
    use?: string;
  }

  it("estimates what a run then reports, and compares a cluster", async () => {
    const recipe = join(folder, "small.yaml");
    const rows = Array.from({ length: 6 }, (_, i) => ({ prompt: `Say ${i}.`, completion: `It is ${i}.` }));
    writeFileSync(join(folder, "small.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
    writeFileSync(
      recipe,
      "model: bundled:mini\ndata: {path: small.jsonl}\nbatch: {micro: 2, accumulation: 1}\nmax_steps: 1\nthreads: 1\nmemory: {budget_gb: 1}\n",
    );
    const { code, stdout } = await evoke(["doctor", "--recipe", recipe, "--cluster", "2x8xH100", "--json"]);
    expect(code).toBe(0);
    const estimate = JSON.parse(stdout) as Estimate;
    expect(estimate).toMatchObject({ examples: 6, steps: 1, use: "cpu" });
    const places = Object.fromEntries(estimate.places.map((place) => [place.place, place]));
    expect(places.cluster).toMatchObject({ fits: true, haveBytes: 80e9 });
    const out = join(folder, "small-run");
    expect((await evoke(["train", recipe, "--out", out, "--quiet"])).code).toBe(0);
    const { memory } = JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as { memory: { estimateBytes: number } };
    expect(Math.round(places.cpu!.needBytes)).toBe(memory.estimateBytes);
    expect(places.cpu!.haveBytes).toBe(1e9);
  });

  it("takes the paper's recipe and assumed rows for a model alone, and tells it in lines", async () => {
    const { code, stdout } = await evoke(["doctor", "--model", "bundled:mini", "--cluster", "1xT4"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^bundled:mini: qlora, 1000 assumed examples of 512 tokens, 160 steps, 5\.1 M tokens in all\ncpu {6}this processor, evoke .* GB of .* GB +(about|does not fit)/,
    );
    expect(stdout).toMatch(/\ncluster {2}1 × T4, Ray .*\nuse: (cpu|gpu|cluster) \(/);
  });

  it.each([
    [
      ["--model", "bundled:mini", "--cluster", "8xTPU"],
      /^evoke: --cluster 8xTPU: expected \[NODESx\]GPUSxTYPE\[-MEMORYGB\], such as 2x8xH100; types: B300, B200, .*\n$/,
    ],
    [
      ["--cluster", "8xH100"],
      /^evoke: a cluster's shape and --set need a training to estimate: add --model or --recipe\n$/,
    ],
  ])("refuses %j with one line", async (args, line) => {
    const { code, stderr } = await evoke(["doctor", ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(line);
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

  it.skipIf(!installed("fish"))("completes them in fish (skipped where it is not installed)", async () => {
    const script = join(folder, "evoke.fish");
    writeFileSync(script, (await evoke(["completion", "fish"])).stdout);
    const fish = (line: string): string[] =>
      execFileSync("fish", ["--no-config", "-c", `source ${script}; complete -C '${line}'`], {
        encoding: "utf8",
        env: { ...process.env, HOME: folder },
      })
        .split("\n")
        .filter((word) => word !== "");
    const all = fish("evoke ").map((line) => line.split("\t")[0]);
    for (const { name } of commands) expect(all).toContain(name);
    expect(fish("evoke comp")).toEqual(["completion\tprint a completion script for a shell"]);
    expect(fish("evoke model pu").map((line) => line.split("\t")[0])).toEqual(["pull"]);
    expect(fish("evoke serve m --max-").map((line) => line.split("\t")[0])).toEqual(["--max-batch", "--max-queue"]);
    expect(fish("evoke data prepare --data-d").map((line) => line.split("\t")[0])).toEqual(["--data-dir"]);
  });

  it.skipIf(!installed("zsh"))("completes them in zsh (skipped where it is not installed)", async () => {
    const script = join(folder, "_evoke");
    writeFileSync(script, (await evoke(["completion", "zsh"])).stdout);
    // A shell at a terminal of its own: TAB completes, and control-T shows what the line has become.
    const program = `
      zmodload zsh/zpty
      zpty shell "zsh -f -i"
      zpty -w shell "PS1= PS2= RPS1=; autoload -Uz compinit; compinit -u -D; source ${script}"
      zpty -w shell 'show() { print -r -- "<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^T" show; print -r -- "rea""dy"'
      zpty -r -m shell answer "*ready*" || exit 1
      for line in "$@"; do
        zpty -w -n shell "$line"$'\\t\\x14'
        zpty -r -m shell answer "*<*>*" || exit 1
        print -r -- "\${\${answer##*<}%%>*}"
      done
      zpty -d shell`;
    const zsh = (...lines: string[]): string[] =>
      execFileSync("zsh", ["-f", "-c", program, "zsh", ...lines], { encoding: "utf8", timeout: 250_000 })
        .trim()
        .split("\n")
        .map((line) => line.trim());
    expect(
      zsh("evoke comp", "evoke model pu", "evoke --quiet serve m --max-q", "evoke data prepare --data-d", "evoke zz"),
    ).toEqual([
      "evoke completion",
      "evoke model pull",
      "evoke --quiet serve m --max-queue",
      "evoke data prepare --data-dir",
      "evoke zz",
    ]);
  });
});

/** Whether a program is there. */
function installed(name: string): boolean {
  return spawnSync(name, ["--version"]).status === 0;
}

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

  it.skipIf(process.platform !== "linux" || !installed("script"))(
    "asks at a terminal for what no flag says, again where the answer is none of the choices",
    async () => {
      const path = join(folder, "asked.yaml");
      const { code, asked } = await atTerminal(
        ["init", path, "--data", "mine.jsonl"],
        [
          [/Base model \[hf:.*\]: $/, "bundled:mini"],
          [/responses alone \(rt\) \(it, rt, text\) \[it\]: $/, "both"],
          [/responses alone \(rt\) \(it, rt, text\) \[it\]: $/, "rt"],
          [/Settings \(paper-qlora, paper-lora, paper-full\) \[paper-qlora\]: $/, ""],
        ],
      );
      expect([code, asked]).toEqual([0, 4]);
      const recipe = readFileSync(path, "utf8");
      for (const line of [/^model: bundled:mini$/m, /^mode: rt$/m, /^preset: paper-qlora$/m, /mine\.jsonl/])
        expect(recipe).toMatch(line);
    },
  );
});

/** Runs the program at a terminal (util-linux `script`) and answers its questions, each once it has been asked. */
function atTerminal(args: string[], answers: [question: RegExp, answer: string][]) {
  const line = [process.execPath, programPath, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", line, "/dev/null"], { env: { ...process.env, NO_COLOR: "1", TERM: "dumb" } });
  let shown = "";
  let asked = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    const next = answers[asked];
    if (!next?.[0].test(shown)) return;
    shown = "";
    asked++;
    child.stdin.write(`${next[1]}\n`);
  });
  return new Promise<{ code: number | null; asked: number }>((resolve) =>
    child.once("close", (code) => resolve({ code, asked })),
  );
}
