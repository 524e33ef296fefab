import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { type ServerProgram, startServerProgram } from "../support/server-program.js";
import { writeTinyModel } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-serve-"));
beforeAll(() => writeTinyModel(join(folder, "tiny")));
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts the program with the tiny model. */
const serve = (...flags: string[]): Promise<ServerProgram> =>
  startServerProgram(["serve", join(folder, "tiny"), "--device", "cpu", ...flags]);

describe("evoke serve", () => {
  it("finishes a running stream after SIGTERM and exits with 143", async () => {
    const { child, url, said, code } = await serve("--name", "tiny");
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
    const stream = await client.completions.create({
      model: "tiny",
      prompt: "the river",
      max_tokens: 150,
      stream: true,
      seed: 1,
      logprobs: 0,
    });
    let stopped = false;
    let tokens = 0;
    for await (const { choices } of stream) {
      if (!stopped) child.kill("SIGTERM");
      stopped = true;
      tokens += choices[0]?.logprobs?.tokens?.length ?? 0;
      if (choices[0]?.finish_reason === "length") expect(tokens).toBe(150);
    }
    expect(await code).toBe(143);
    expect(tokens).toBeGreaterThan(0);
    expect(said()).toContain("finishing the running answers");
    expect(said()).toMatch(/POST \/v1\/completions 200 \d+ ms/);
    expect(said()).not.toContain("river");
  });

  it("finishes every answer that is running or waiting after SIGTERM, and takes no more", async () => {
    const { child, url, code } = await serve("--quiet", "--name", "tiny", "--max-batch", "4");
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
    const ask = (seed: number) =>
      client.completions.create({ model: "tiny", prompt: "the river", max_tokens: 400, seed, n: 2 });
    const answers = Array.from({ length: 6 }, (_, seed) => ask(seed));
    const waiting = async () => (await (await fetch(`${url}/metrics`)).text()).includes("evoke_answers_waiting 8\n");
    await expect.poll(waiting, { interval: 1 }).toBe(true);
    child.kill("SIGTERM");
    for (const { choices } of await Promise.all(answers)) expect(choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(await code).toBe(143);
    await expect(ask(7)).rejects.toThrow("Connection error.");
  });

  it("stops at once on a second signal", async () => {
    const { child, url, code } = await serve("--quiet");
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
    const stream = await client.completions.create({ model: "tiny", prompt: "a", max_tokens: 500, n: 8, stream: true });
    const read = async () => {
      for await (const _ of stream) child.kill("SIGINT");
    };
    await read().catch(() => {});
    expect(await code).toBe(130);
  });

  it.each([
    [
      ["--host", "0.0.0.0"],
      "evoke: --host 0.0.0.0 can be reached from other machines: give a token (--token or EVOKE_TOKEN), or leave --host away\n",
    ],
    [
      ["--adapter", "nothing"],
      "evoke: option '--adapter <name=dir>' argument 'nothing' is invalid. expected NAME=FOLDER.\n",
    ],
    [["--port", "70000"], "evoke: option '--port <n>' argument '70000' is invalid. a port is at most 65535.\n"],
    [["--adapter", "a=x", "--adapter", "a=y"], "evoke: --adapter a is given twice\n"],
    [
      ["--tensor-parallel", "2"],
      "evoke: --tensor-parallel, --dtype, --quantization, --print and flags behind -- are vLLM's; add --engine vllm\n",
    ],
  ])("refuses %j with one line", async (flags, line) => {
    const outcome = await evoke(["serve", join(folder, "tiny"), ...flags], { env: { EVOKE_TOKEN: "" } });
    expect(outcome).toEqual({ code: 2, stdout: "", stderr: line });
  });

  it("shows vLLM's command, or says that vLLM is not there", async () => {
    const args = ["serve", "--engine", "vllm", join(folder, "tiny"), "--tensor-parallel", "2", "--name", "tiny"];
    const env = { EVOKE_TOKEN: "", PATH: join(folder, "empty") };
    expect(await evoke([...args, "--print", "--", "--max-model-len", "512"], { env })).toEqual({
      code: 0,
      stdout: `vllm serve ${join(folder, "tiny")} --served-model-name tiny --host 127.0.0.1 --port 8000 --tensor-parallel-size 2 --max-model-len 512\n`,
      stderr: "",
    });
    expect(await evoke(args, { env })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^evoke: vllm is not installed here: pip install vllm .*\n$/),
    });
  });
});
