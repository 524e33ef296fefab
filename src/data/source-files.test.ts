import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chooseDataFiles, parseHubDataset } from "./hub-dataset.js";
import { prepareRows } from "./prepare.js";
import { locateData } from "./source-files.js";

const newFolder = (): string => mkdtempSync(join(tmpdir(), "sources-"));

/** A mirror with one data set of two parts, one gated set, and a file whose first two answers break. */
let mirror: Server;
let url: string;
const asked: { path: string; authorization?: string }[] = [];
const files: Record<string, string | Buffer> = {
  "datasets/org/talks/resolve/main/README.md": "# talks",
  "datasets/org/talks/resolve/main/data/train-00000-of-00002.jsonl":
    '{"messages":[{"role":"user","content":"q1"},{"role":"assistant","content":"a1"}]}\n',
  "datasets/org/talks/resolve/main/data/train-00001-of-00002.jsonl":
    '{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q2"},{"role":"assistant","content":"a2"}]}\n',
  "datasets/org/talks/resolve/main/data/test-00000-of-00001.jsonl":
    '{"messages":[{"role":"user","content":"t"},{"role":"assistant","content":"u"}]}\n',
  // Both forms of one split: Parquet is preferred.
  "datasets/org/columns/resolve/main/train.jsonl": '{"instruction":"not this one","output":"x"}\n',
  "datasets/org/columns/resolve/main/data/train-00000-of-00001.parquet": readFileSync(
    new URL("fixtures/snappy.parquet", import.meta.url),
  ),
  "datasets/yahma/alpaca-cleaned/resolve/main/alpaca_data_cleaned.json":
    '[{"instruction":"Add","input":"1 1","output":"2"}]',
};
beforeAll(async () => {
  let broken = 0;
  mirror = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? "").slice(1)).replace(/\?.*/, "");
    asked.push({ path, authorization: request.headers.authorization });
    if (path.includes("GAIR/lima")) response.writeHead(401).end();
    else if (/^api\/datasets\/org\/(?:talks|columns)\/tree/.test(path)) {
      const names = Object.keys(files).filter((name) => name.includes(path.split("/").slice(2, 4).join("/")));
      const listing = names.map((name) => ({
        type: "file",
        path: name.split("/main/")[1],
        size: files[name]!.length,
        oid: "0",
      }));
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(listing));
    } else if (path.includes("alpaca-cleaned") && broken++ < 2) {
      if (broken === 1) response.writeHead(503).end();
      else {
        response.writeHead(200, { "content-length": "1000" });
        response.write("[{", () => request.socket.destroy());
      }
    } else if (path in files) response.writeHead(200).end(files[path]);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => mirror.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`;
});
afterAll(() => mirror.close());

describe("locateData", () => {
  it("finds catalogue entries, Hub references and files in a data folder before it fetches anything", async () => {
    const dataDir = newFolder();
    const put = (path: string, text: string): string => {
      mkdirSync(dirname(join(dataDir, path)), { recursive: true });
      writeFileSync(join(dataDir, path), text);
      return join(dataDir, path);
    };
    const lima = put("sft/lima_train.jsonl", "{}\n");
    const train = put("org/talks/train.jsonl", "{}\n");
    put("org/talks/test.jsonl", "{}\n");
    const own = put("mine/own.csv", "prompt,completion\n");
    const options = { dataDir, mirror: "http://127.0.0.1:1", env: {} };
    expect(await locateData("LIMA", options)).toMatchObject({ name: "lima", files: [lima] });
    expect(await locateData("hf:org/talks", options)).toEqual({ name: "org/talks", files: [train] });
    expect(await locateData("mine/own.csv", options)).toEqual({ name: "own", files: [own] });
    expect(await locateData(own, { env: {} })).toEqual({ name: "own", files: [own] });
    await expect(locateData("nothing", options)).rejects.toThrow(
      /expected a path, hf:ORG\/NAME, or one of lima, alpaca/,
    );
  });

  it("fetches all parts of a split from a mirror, once, with the token, and prepares them", async () => {
    const dataDir = newFolder();
    const options = { dataDir, mirror: url, env: { HF_TOKEN: "hf_x" } };
    asked.length = 0;
    const data = await locateData("hf:org/talks", options);
    expect(data.files.map((path) => path.slice(dataDir.length + 1))).toEqual([
      "org/talks/data/train-00000-of-00002.jsonl",
      "org/talks/data/train-00001-of-00002.jsonl",
    ]);
    expect(asked.every(({ authorization }) => authorization === "Bearer hf_x")).toBe(true);
    const { rows } = await prepareRows(data);
    expect(rows).toEqual([
      { prompt: "q1", completion: "a1", source: "org/talks", index: 0 },
      { prompt: "s\n\nq2", completion: "a2", source: "org/talks", index: 1 },
    ]);
    const before = asked.length;
    await locateData("hf:org/talks", options);
    expect(asked.slice(before).filter(({ path }) => path.includes("resolve"))).toEqual([]);
  });

  it("fetches Parquet from a mirror; fewer rows are drawn by the seed and keep their places", async () => {
    const data = await locateData("hf:org/columns", { dataDir: newFolder(), mirror: url, env: {} });
    const { rows } = await prepareRows(data);
    expect(rows).toHaveLength(40);
    expect(rows.map(({ source, index }) => [source, index])).toEqual(rows.map((_, i) => ["org/columns", i]));
    const draw = async (maxExamples: number, seed?: number) => (await prepareRows(data, { maxExamples, seed })).rows;
    const ten = await draw(10);
    expect(ten).toHaveLength(10);
    for (const row of ten) expect(rows[row.index]).toEqual(row);
    expect(await draw(10, 0)).toEqual(ten);
    expect(await draw(10, 1)).not.toEqual(ten);
    const twenty = await draw(20);
    for (const row of ten) expect(twenty).toContainEqual(row);
  });

  it("gets over a broken download and leaves no part behind", async () => {
    const dataDir = newFolder();
    const { files: found } = await locateData("alpaca-cleaned", { dataDir, mirror: url, env: {} });
    expect(readFileSync(found[0]!, "utf8")).toBe(
      files["datasets/yahma/alpaca-cleaned/resolve/main/alpaca_data_cleaned.json"],
    );
    expect(readdirSync(dirname(found[0]!))).toHaveLength(1);
  });

  it("says what to do about a gated set, a missing set and a missing split", async () => {
    const options = { dataDir: newFolder(), mirror: url, env: {} };
    await expect(locateData("lima", options)).rejects.toThrow(/accept its terms and set HF_TOKEN/);
    await expect(locateData("hf:org/none", options)).rejects.toThrow(/hf:org\/none: not found or gated \(HTTP 404\)/);
    await expect(locateData("hf:org/talks:validation", options)).rejects.toThrow(
      /no data file for "validation"; files: data/,
    );
    await expect(locateData("hf:talks", options)).rejects.toThrow(/expected hf:ORG\/NAME/);
    expect(existsSync(join(options.dataDir, "lima", "train.jsonl"))).toBe(false);
  });
});

describe("chooseDataFiles", () => {
  const choose = (reference: string, ...paths: string[]): string[] =>
    chooseDataFiles(paths, parseHubDataset(reference));
  it("prefers Parquet, takes the train split, or everything when there are no splits", () => {
    expect(choose("hf:a/b", "train.jsonl", "data/train-00000-of-00001-ab.parquet", "data/test-0.parquet")).toEqual([
      "data/train-00000-of-00001-ab.parquet",
    ]);
    expect(choose("hf:a/b", "rows.csv", "README.md", "dataset_infos.json")).toEqual(["rows.csv"]);
    expect(choose("hf:a/b:test", "x_train.csv", "x_test.csv")).toEqual(["x_test.csv"]);
  });
  it("asks for one of several configurations", () => {
    const paths = ["main/train-0.parquet", "socratic/train-0.parquet"];
    expect(() => choose("hf:a/b", ...paths)).toThrow(/choose one, such as hf:a\/b:main: main, socratic/);
    expect(choose("hf:a/b:main", ...paths)).toEqual(["main/train-0.parquet"]);
  });
});

describe("offline", () => {
  const offline = { HF_HUB_OFFLINE: "1" };

  it("only what is at hand is taken, as a whole", async () => {
    const dataDir = newFolder();
    await expect(locateData("hf:org/talks", { dataDir, mirror: url, env: offline })).rejects.toThrow(
      "HF_HUB_OFFLINE forbids fetching it",
    );
    await expect(locateData("alpaca", { dataDir, mirror: url, env: offline })).rejects.toThrow(
      "HF_HUB_OFFLINE forbids",
    );
    const folder = join(dataDir, "cache");
    const env = { XDG_CACHE_HOME: folder };
    const { files: fetched } = await locateData("hf:org/talks", { mirror: url, env });
    const asking = asked.length;
    expect((await locateData("hf:org/talks", { mirror: url, env: { ...env, ...offline } })).files).toEqual(fetched);
    expect(asked).toHaveLength(asking);
    rmSync(fetched[1]!);
    await expect(locateData("hf:org/talks", { mirror: url, env: { ...env, ...offline } })).rejects.toThrow(
      "1 of 2 parts are in the cache",
    );
  });

  it("a copy is used where the Hub cannot be asked", async () => {
    const env = { XDG_CACHE_HOME: newFolder() };
    const { files: fetched } = await locateData("hf:org/talks", { mirror: url, env });
    const said: string[] = [];
    const broken: typeof fetch = async () =>
      new Response("<html>Sign in</html>", { headers: { "content-type": "text/html" } });
    const again = await locateData("hf:org/talks", { mirror: url, env, fetch: broken, say: (line) => said.push(line) });
    expect(again.files).toEqual(fetched);
    expect(said[0]).toMatch(/answered with a web page in place of data.*; using the copy in/);
  });
});
