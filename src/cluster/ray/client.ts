import type { z } from "zod";
import { FailureError, UsageError } from "../../errors.js";
import type { ClusterAddress } from "./address.js";
import { type HttpAnswer, sendRequest } from "./http.js";
import {
  deletedSchema,
  type Job,
  jobListSchema,
  jobSchema,
  logsSchema,
  nodesSchema,
  type RayNode,
  type Submission,
  stoppedSchema,
  submittedSchema,
  type Version,
  versionSchema,
} from "./wire.js";

/** The head did not answer, or says that it cannot just now: trying again may help. */
export class Unreachable extends FailureError {}

/** It answered, with trouble. */
class Answered extends Unreachable {}

/** The head's plain refusal of a request. */
export class Refused extends FailureError {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export interface RayClientOptions {
  /** Bearer token. */
  token?: string;
  /** Named when the token is refused. */
  tokenEnv?: string;
  signal?: AbortSignal;
  /** Milliseconds in which nothing moves before a connection counts as broken. Default 30,000. */
  idle?: number;
  /** Milliseconds before a failed request is sent again, one after the other. Default 500, 1000, 2000. */
  retries?: readonly number[];
}

interface RequestOptions {
  body?: string | Uint8Array;
  type?: string;
  /** 404 is an answer. */
  missing?: boolean;
  /** Takes the answer's text as it comes. Such a request is not sent again by itself. */
  onText?(text: string): void;
}

const RETRIES = [500, 1000, 2000];

/**
 * Ray's Jobs REST API. A request that gets no usable answer is sent again some times: none does harm when it arrives
 * twice, since jobs and packages have names that we give.
 *
 * Every method throws Unreachable when there is no usable answer, UsageError when the token is refused, Refused for
 * other refusals.
 */
export class RayClient {
  constructor(
    readonly address: ClusterAddress,
    private readonly options: RayClientOptions = {},
  ) {}

  version(): Promise<Version> {
    return this.json("GET", "/api/version", versionSchema);
  }

  /** The cluster's nodes; undefined when the head does not offer the state API. */
  async nodes(): Promise<RayNode[] | undefined> {
    const text = await this.request("GET", "/api/v0/nodes", { missing: true });
    return text === undefined ? undefined : this.parse(text, nodesSchema).data.result.result;
  }

  /** Whether the head holds a package of this name (a .zip); asking keeps it from being removed for some minutes. */
  async hasPackage(name: string): Promise<boolean> {
    return (await this.request("GET", `/api/packages/gcs/${name}`, { missing: true })) !== undefined;
  }

  async putPackage(name: string, bytes: Uint8Array): Promise<void> {
    await this.request("PUT", `/api/packages/gcs/${name}`, { body: bytes, type: "application/octet-stream" });
  }

  /** @throws Refused with "already exists" in its message when there is a job of this id. */
  async submit(submission: Submission): Promise<string> {
    const body = JSON.stringify(submission);
    return (await this.json("POST", "/api/jobs/", submittedSchema, { body, type: "application/json" })).submission_id;
  }

  /** undefined when the head knows no such job. */
  async job(id: string): Promise<Job | undefined> {
    const text = await this.request("GET", path(id), { missing: true });
    return text === undefined ? undefined : this.parse(text, jobSchema);
  }

  list(): Promise<Job[]> {
    return this.json("GET", "/api/jobs/", jobListSchema);
  }

  /** All the job has printed so far. undefined when the head knows no such job. */
  async logs(id: string): Promise<string | undefined> {
    const text = await this.request("GET", `${path(id)}/logs`, { missing: true });
    return text === undefined ? undefined : (this.parse(text, logsSchema).logs ?? "");
  }

  /**
   * The last lines of what the job has printed, handed over as they come: Ray's state API, whose answer goes on to the end of
   * the output. False when the head does not offer it, or not for this job now.
   * @throws Unreachable when the connection breaks, and what `onText` throws.
   */
  async lastLines(id: string, lines: number, onText: (text: string) => void): Promise<boolean> {
    const query = new URLSearchParams({ submission_id: id, lines: String(lines) });
    try {
      await this.once("GET", `/api/v0/logs/file?${query}`, { onText });
      return true;
    } catch (error) {
      if (error instanceof Answered || (error instanceof Refused && error.status === 404)) return false;
      throw error;
    }
  }

  /** Asks the job to end; false when it has ended already. */
  async stop(id: string): Promise<boolean> {
    return (await this.json("POST", `${path(id)}/stop`, stoppedSchema)).stopped;
  }

  /** Forgets a job that has ended, with its logs. */
  async delete(id: string): Promise<boolean> {
    return (await this.json("DELETE", path(id), deletedSchema)).deleted;
  }

  private async json<T extends z.ZodType>(
    method: string,
    path: string,
    schema: T,
    body?: { body: string; type: string },
  ): Promise<z.output<T>> {
    return this.parse((await this.request(method, path, body))!, schema);
  }

  private parse<T extends z.ZodType>(text: string, schema: T): z.output<T> {
    const parsed = schema.safeParse(jsonOf(text));
    if (parsed.success) return parsed.data;
    throw new FailureError(
      `${this.address.url}: is no Ray dashboard, or one of an unknown version (answer not as expected)`,
    );
  }

  /** The text of a good answer; undefined for 404 when `missing` may be. */
  private async request(method: string, path: string, options: RequestOptions = {}): Promise<string | undefined> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once(method, path, options);
      } catch (error) {
        const wait = (this.options.retries ?? RETRIES)[attempt];
        if (!(error instanceof Unreachable) || wait === undefined) throw error;
        await pause(wait, this.options.signal);
      }
    }
  }

  private async once(
    method: string,
    path: string,
    { body, type, missing, onText }: RequestOptions,
  ): Promise<string | undefined> {
    const { token, signal, idle = 30_000 } = this.options;
    const headers: Record<string, string> = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (type) headers["Content-Type"] = type;
    let answer: HttpAnswer;
    let fault: { error: unknown } | undefined; // the reader's own
    const take = (text: string): void => {
      try {
        onText!(text);
      } catch (error) {
        fault = { error };
        throw error;
      }
    };
    try {
      const request = { method, headers, body, signal, idle, ...(onText && { onText: take }) };
      answer = await sendRequest(`${this.address.url}${path}`, request);
    } catch (error) {
      if (fault) throw fault.error;
      signal?.throwIfAborted();
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Unreachable(`${this.address.url}: cannot be reached (${code ?? message})`, { cause: error });
    }
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    if (answer.status === 404 && missing) return undefined;
    throw this.refusal(answer.status, answer.text);
  }

  private refusal(status: number, text: string): Error {
    const { url } = this.address;
    const { token, tokenEnv = "RAY_AUTH_TOKEN" } = this.options;
    if (status === 401 || status === 403)
      return new UsageError(
        token
          ? `${url}: refused the token in ${tokenEnv} (${status})`
          : `${url}: wants a token (${status}); put it in the environment variable ${tokenEnv}`,
      );
    if (status >= 300 && status < 400)
      return new UsageError(
        `${url}: answers with a redirect (${status}), perhaps to a sign-in page; use its final address`,
      );
    // Ray answers 500 to a second submission of an id, with the reason at the end of a Python traceback.
    const reason = lastLine(text);
    if (/already exists/.test(reason)) return new Refused(`${url}: ${reason}`, status);
    if (status === 429 || status >= 500)
      return new Answered(`${url}: ${reason || "trouble on the server"} (${status})`);
    return new Refused(`${url}: ${reason || "refused"} (${status})`, status);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function path(id: string): string {
  return `/api/jobs/${encodeURIComponent(id)}`;
}

function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => /\w/.test(line));
  return (lines.at(-1) ?? "").trim().slice(0, 300);
}

/** Waits; throws the signal's reason when it comes first. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const done = (): void => {
      signal?.removeEventListener("abort", stopped);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const stopped = (): void => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", stopped, { once: true });
  });
}
