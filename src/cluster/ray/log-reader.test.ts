import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HeadJob, RayHead } from "../../../tests/support/ray-head.js";
import { SlowLink } from "../../../tests/support/slow-link.js";
import { parseAddress } from "./address.js";
import { RayClient, Unreachable } from "./client.js";
import { LineCutter, LogReader } from "./log-reader.js";

let head: RayHead;
let job: HeadJob;
let link: SlowLink | undefined;
const lines: string[] = [];

beforeEach(async () => {
  head = await RayHead.start();
  job = { status: "RUNNING", message: "", logs: "", request: {} };
  head.jobs.set("a", job);
  lines.length = 0;
});
afterEach(async () => {
  await link?.close();
  link = undefined;
  await head.close();
});

const reader = (address = head.address): LogReader =>
  new LogReader(new RayClient(parseAddress(address), { idle: 20_000, retries: [] }), "a", (line) => lines.push(line));
let number = 1_800_000_000_000_000;
const message = (): string => `evoke: {"event":"begin","n":${++number}}`;
const asked = (): number[] =>
  head.requests.flatMap((call) => (/[?&]lines=(\d+)/.exec(call) ? [Number(/[?&]lines=(\d+)/.exec(call)![1])] : []));

describe.each([true, false])("an output that grows (last lines offered: %s)", (offersLines) => {
  it("is told line by line, each once, whatever is printed between two looks", async () => {
    head.offersLines = offersLines;
    // Lines that repeat, many at once, and more lines than are asked for.
    const part = fc.array(fc.constantFrom("same", "same", "", "other", "MESSAGE"), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(part, fc.nat(3)), { maxLength: 6 }), async (parts) => {
        job.logs = "";
        lines.length = 0;
        const read = reader();
        const printed: string[] = [];
        for (const [part, times] of parts) {
          const more = Array.from({ length: 1 + times * 30 }, () => part)
            .flat()
            .map((line) => (line === "MESSAGE" ? message() : line));
          printed.push(...more);
          job.logs += more.map((line) => `${line}\n`).join("");
          await read.read(false);
        }
        expect(lines).toEqual(printed);
        job.logs += "the last one, without a line break";
        await read.read(false);
        expect(lines).toEqual(printed);
        await read.read(true);
        expect(lines).toEqual([...printed, "the last one, without a line break"]);
      }),
      { numRuns: 15 },
    );
  });

  it("is told from its start when it is another one", async () => {
    head.offersLines = offersLines;
    const read = reader();
    job.logs = `${message()}\none\ntwo\n`;
    await read.read(false);
    job.logs = `${message()}\n1\n`;
    await read.read(false);
    expect(lines.filter((line) => !line.startsWith("evoke"))).toEqual(["one", "two", "1"]);
  });
});

it("does not ask again for what it has", async () => {
  const read = reader();
  job.logs = `${`${"x".repeat(99)}\n`.repeat(20_000)}${message()}\n`;
  await read.read(false);
  expect(read.lastSize).toBeGreaterThan(2e6);
  job.logs += "new\n";
  await read.read(false);
  expect(lines.at(-1)).toBe("new");
  expect(read.lastSize).toBeLessThan(10_000);
  expect(Math.max(...asked().slice(1))).toBeLessThan(100);
});

it("survives a slow link that is cut three times: every line comes once, and little comes twice", async () => {
  job.logs = Array.from({ length: 120_000 }, (_, i) => (i % 50 ? `line ${i} ${"·".repeat(20)}` : message()))
    .map((line) => `${line}\n`)
    .join("");
  const size = Buffer.byteLength(job.logs);
  const far = parseAddress(head.address).url.split(":").at(-1)!;
  link = await SlowLink.to(Number(far), { bytesPerSecond: 16e6, cutAfter: [0.2, 0.5, 0.9].map((part) => part * size) });
  const read = reader(`ray://127.0.0.1:${link.port}`);
  let breaks = 0;
  for (let isDone = false; !isDone; )
    await read.read(true).then(
      () => (isDone = true),
      (error: unknown) => {
        expect(error).toBeInstanceOf(Unreachable);
        breaks++;
      },
    );
  expect(breaks).toBe(3);
  expect(lines.map((line) => `${line}\n`).join("")).toBe(job.logs);
  // A reader that starts anew after each cut would take 1.9 times as much.
  expect(link.passed).toBeLessThan(1.4 * size);
});

it("a reader's own error ends the reading and is no broken connection", async () => {
  job.logs = "one\n";
  const client = new RayClient(parseAddress(head.address), { retries: [] });
  const read = new LogReader(client, "a", () => {
    throw new Error("disk full");
  });
  const error = await read.read(false).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: "disk full" });
  expect(error).not.toBeInstanceOf(Unreachable);
});

it("cuts a text into lines wherever its parts end", () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z ]{0,9}$/)), fc.array(fc.nat(200)), (wanted, cuts) => {
      const text = wanted.map((line) => `${line}\r\n`).join("");
      const found: string[] = [];
      const cutter = new LineCutter((line) => found.push(line));
      const places = [0, ...cuts.filter((at) => at < text.length).sort((a, b) => a - b), text.length];
      places.slice(1).forEach((to, i) => void cutter.add(text.slice(places[i], to)));
      expect(found).toEqual(wanted);
    }),
  );
});
