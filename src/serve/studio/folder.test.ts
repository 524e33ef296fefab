import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpError } from "../http-error.js";
import { Folder } from "./folder.js";

const base = mkdtempSync(join(tmpdir(), "evoke-folder-"));
const root = join(base, "runs");

beforeAll(() => {
  mkdirSync(join(root, "a", "b"), { recursive: true });
  // Its name begins like the root's: a test by prefix alone would let it in.
  mkdirSync(join(base, "runs-of-others"));
  writeFileSync(join(base, "runs-of-others", "secret"), "secret");
  writeFileSync(join(base, "secret"), "secret");
  writeFileSync(join(root, "a", "b", "file"), "0123456789");
  symlinkSync(join(base, "secret"), join(root, "leak"));
  symlinkSync(base, join(root, "up"));
  symlinkSync("../runs-of-others", join(root, "beside"));
  symlinkSync("a/b", join(root, "short"));
  symlinkSync("loop", join(root, "loop"));
});
afterAll(() => rmSync(base, { recursive: true }));

describe("Folder", () => {
  it("finds what is inside, by links that stay inside too", () => {
    const folder = new Folder(root);
    expect(folder.resolve(".")).toBe(realpathSync(root));
    expect(folder.read("a/b/file", 100)).toBe("0123456789");
    expect(folder.read("short/file", 100)).toBe("0123456789");
    expect(folder.read("a/b/file", 4, true)).toBe("6789");
  });

  it.each([
    "..",
    "../secret",
    "a/../../secret",
    "a/b/../../../secret",
    "/etc/passwd",
    "//etc/passwd",
    "leak",
    "up/secret",
    "beside/secret",
    "loop",
    "a\\..\\..\\secret",
    "a/./b/file",
    "a//b/file",
    "C:/x",
    "a/b/file\0.png",
    "",
    "a/b/none",
    "a/b/file/x",
  ])("refuses %j", (id) => {
    const folder = new Folder(root);
    expect(() => folder.resolve(id)).toThrow(expect.objectContaining({ status: 404 }));
  });

  it("never leads out, whatever is asked", () => {
    const folder = new Folder(root);
    const piece = fc.constantFrom(
      "..",
      ".",
      "",
      "a",
      "b",
      "up",
      "leak",
      "beside",
      "secret",
      "etc",
      "%2e%2e",
      "~",
      "\\",
      "\0",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 8 }).map((parts) => parts.join("/")),
        ),
        (id) => {
          try {
            expect(`${folder.resolve(id)}/`.startsWith(`${realpathSync(root)}/`)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(HttpError);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("reads plain files up to a size", () => {
    const folder = new Folder(root);
    expect(() => folder.read("a", 100)).toThrow(expect.objectContaining({ status: 404 }));
    expect(() => folder.read("a/b/file", 9)).toThrow(expect.objectContaining({ status: 413 }));
  });

  it("lists files without following links", async () => {
    expect((await new Folder(root).find(() => true)).map(({ id }) => id)).toEqual(["a/b/file"]);
  });
});
