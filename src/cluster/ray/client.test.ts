/** Every call of the Jobs REST API, against a server that answers as Ray does. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RayHead } from "../../../tests/support/ray-head.js";
import { FailureError, UsageError } from "../../errors.js";
import { parseAddress } from "./address.js";
import { RayClient, Refused, Unreachable } from "./client.js";

let head: RayHead;
let client: RayClient;
const submission = {
  submission_id: "a-1",
  entrypoint: "python main.py",
  runtime_env: {},
  metadata: { evoke: "train" },
};

beforeEach(async () => {
  head = await RayHead.start();
  client = new RayClient(parseAddress(head.address), { idle: 100_000, retries: [50, 300] });
});
afterEach(() => head.close());

describe("RayClient", () => {
  it("asks for the version", async () => {
    expect(await client.version()).toEqual({ ray_version: "2.60.0", session_name: "session_1" });
  });

  it("uploads a package byte for byte, and sees whether it is there", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251);
    expect(await client.hasPackage("_ray_pkg_1.zip")).toBe(false);
    await client.putPackage("_ray_pkg_1.zip", bytes);
    expect(await client.hasPackage("_ray_pkg_1.zip")).toBe(true);
    expect(Uint8Array.from(head.packages.get("_ray_pkg_1.zip")!)).toEqual(bytes);
  });

  it("submits, shows, lists, reads, stops and deletes a job", async () => {
    expect(await client.job("a-1")).toBeUndefined();
    expect(await client.logs("a-1")).toBeUndefined();
    expect(await client.submit(submission)).toBe("a-1");
    expect(head.jobs.get("a-1")!.request).toEqual(submission);
    expect(await client.job("a-1")).toMatchObject({
      submission_id: "a-1",
      status: "PENDING",
      metadata: { evoke: "train" },
    });
    Object.assign(head.jobs.get("a-1")!, { status: "RUNNING", logs: "one\ntwo\n" });
    expect(await client.logs("a-1")).toBe("one\ntwo\n");
    expect((await client.list()).map(({ submission_id, status }) => [submission_id, status])).toEqual([
      ["a-1", "RUNNING"],
    ]);
    expect(await client.stop("a-1")).toBe(true);
    expect(await client.stop("a-1")).toBe(false);
    expect((await client.job("a-1"))?.status).toBe("STOPPED");
    expect(await client.delete("a-1")).toBe(true);
    expect(await client.job("a-1")).toBeUndefined();
  });

  it("passes on why a job is refused", async () => {
    await client.submit(submission);
    const again = client.submit(submission);
    await expect(again).rejects.toThrow(Refused);
    await expect(again).rejects.toThrow(/a-1 already exists/);
    await expect(client.stop("b-2")).rejects.toThrow(/Job b-2 does not exist \(404\)/);
  });

  it("sends the token, and says which variable holds a wrong one", async () => {
    head.token = "right";
    const withToken = (token?: string) =>
      new RayClient(parseAddress(head.address), { token, tokenEnv: "MY_TOKEN" }).version();
    expect((await withToken("right")).ray_version).toBe("2.60.0");
    await expect(withToken("wrong")).rejects.toThrow(UsageError);
    await expect(withToken("wrong")).rejects.toThrow(/refused the token in MY_TOKEN \(403\)/);
    await expect(withToken()).rejects.toThrow(/wants a token \(401\); put it in the environment variable MY_TOKEN/);
  });

  it("tries again when a connection breaks or the server stumbles", async () => {
    head.cut = true;
    head.afterCut.push(() => (head.cut = false));
    expect((await client.version()).ray_version).toBe("2.60.0");
    head.broken = 503;
    head.afterBroken.push(() => (head.broken = undefined));
    expect(await client.list()).toEqual([]);
  });

  it("gives up with the reason", async () => {
    head.broken = 500;
    await expect(client.version()).rejects.toThrow(/Server got itself in trouble \(500\)/);
    await head.close();
    const refused = new RayClient(parseAddress(head.address), { retries: [10] }).version();
    await expect(refused).rejects.toThrow(Unreachable);
    await expect(refused).rejects.toThrow(/cannot be reached \(ECONN(REFUSED|RESET)\)/);
    head = await RayHead.start();
  });

  it("recognises what is no dashboard", async () => {
    head.broken = 302;
    await expect(client.version()).rejects.toThrow(/redirect \(302\), perhaps to a sign-in page/);
    head.broken = 200;
    await expect(client.version()).rejects.toThrow(FailureError);
    await expect(client.version()).rejects.toThrow(/is no Ray dashboard/);
  });

  it("stops at once when told to", async () => {
    head.cut = true;
    const stop = new AbortController();
    const request = new RayClient(parseAddress(head.address), { signal: stop.signal }).version();
    head.afterCut.push(() => stop.abort(new Error("enough")));
    await expect(request).rejects.toThrow("enough");
  });
});
