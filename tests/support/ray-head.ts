import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A job as the head keeps it. */
export interface HeadJob {
  status: "PENDING" | "RUNNING" | "STOPPED" | "SUCCEEDED" | "FAILED";
  message: string;
  logs: string;
  request: Record<string, unknown>;
}

/**
 * The Jobs REST API of a Ray head, its answers in the shapes and words recorded from Ray 2.60: JSON bodies, plain-text
 * refusals, tracebacks with status 500. Jobs do nothing by themselves; the test moves them.
 */
export class RayHead {
  readonly requests: string[] = [];
  readonly packages = new Map<string, Buffer>();
  jobs = new Map<string, HeadJob>();
  /** Bearer token asked for. */
  token?: string;
  /** Cut every connection, as a broken network does. */
  cut = false;
  /** Whether it has the state API, which gives the last lines of an output. */
  offersLines = true;
  /** Resources of each node, as the state API lists them; undefined: it does not offer that. */
  nodes?: Record<string, number>[] = [{ CPU: 2 }];
  /** Status that answers every request instead. */
  broken?: number;
  /** Work to do after each reading of a job's output that was not empty, each request that was cut, each answered by `broken`. */
  readonly afterLogs: (() => void)[] = [];
  readonly afterCut: (() => void)[] = [];
  readonly afterBroken: (() => void)[] = [];
  /** Called with each new job. */
  onSubmit: (id: string, job: HeadJob) => void = () => {};
  private session = 1;
  private port = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<RayHead> {
    const server = createServer((request, response) => void head.handle(request, response));
    const head: RayHead = new RayHead(server);
    server.on("connection", (socket) => {
      head.sockets.add(socket);
      socket.on("close", () => head.sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    head.port = (server.address() as AddressInfo).port;
    return head;
  }

  get address(): string {
    return `ray://127.0.0.1:${this.port}`;
  }

  /** A head without Redis forgets its jobs when it is restarted. */
  restart(): void {
    this.jobs = new Map();
    this.packages.clear();
    this.session++;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const call = `${request.method} ${request.url}`;
    this.requests.push(call);
    if (this.cut) {
      request.socket.destroy();
      this.afterCut.shift()?.();
      return;
    }
    const text = (status: number, words: string): void => {
      response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(words);
    };
    const json = (value: unknown): void => {
      response.writeHead(200, { "Content-Type": "application/json; charset=utf-8" }).end(JSON.stringify(value));
    };
    if (this.broken) {
      text(this.broken, "Server got itself in trouble");
      this.afterBroken.shift()?.();
      return;
    }
    if (this.token !== undefined) {
      const given = request.headers.authorization;
      if (given === undefined) return text(401, "Unauthorized: Missing authentication token");
      if (given !== `Bearer ${this.token}`) return text(403, "Forbidden: Invalid authentication token");
    }
    if (request.method !== "GET" && request.headers["sec-fetch-mode"])
      return text(405, `'${request.method}' method not allowed for browser traffic.`);
    const [, name] = /^\/api\/packages\/gcs\/([^/]+)$/.exec(request.url!) ?? [];
    const [, id, action] = /^\/api\/jobs\/([^/]+)(?:\/(logs|stop))?$/.exec(request.url!) ?? [];
    const job = id === undefined ? undefined : this.jobs.get(id);
    if (call === "GET /api/version")
      return json({
        version: "4",
        ray_version: "2.60.0",
        ray_commit: "b7f4259e",
        session_name: `session_${this.session}`,
      });
    if (name !== undefined && request.method === "GET") {
      if (this.packages.has(name)) return void response.writeHead(200).end();
      return text(404, `Package gcs://${name} does not exist`);
    }
    if (name !== undefined && request.method === "PUT") {
      this.packages.set(name, body);
      return void response.writeHead(200).end();
    }
    if (call === "GET /api/v0/nodes") {
      if (!this.nodes) return text(404, "404: Not Found");
      const result = this.nodes.map((resources_total) => ({ state: "ALIVE", resources_total }));
      return json({ result: true, msg: "", data: { result: { total: result.length, result } } });
    }
    const file = new URL(request.url!, "http://head");
    if (file.pathname === "/api/v0/logs/file") {
      const found = this.jobs.get(file.searchParams.get("submission_id")!);
      if (!this.offersLines) return text(404, "404: Not Found");
      if (!found) return text(500, "Submission job ID not found");
      const lines = found.logs.split(/(?<=\n)/);
      response.writeHead(200, { "Content-Type": "text/plain" });
      if (found.logs !== "") response.on("finish", () => this.afterLogs.shift()?.());
      return void response.end(lines.slice(-Number(file.searchParams.get("lines"))).join(""));
    }
    if (call === "GET /api/jobs/") return json([...this.jobs].map(([key, value]) => details(key, value)));
    if (call === "POST /api/jobs/")
      return this.submit(JSON.parse(body.toString()) as Record<string, unknown>, json, text);
    if (id === undefined) return text(404, "404: Not Found");
    if (!job) return text(404, `Job ${id} does not exist`);
    const over = job.status !== "PENDING" && job.status !== "RUNNING";
    if (action === "logs") {
      if (job.logs !== "") response.on("finish", () => this.afterLogs.shift()?.());
      return json({ logs: job.logs });
    }
    if (action === "stop") {
      if (!over) Object.assign(job, { status: "STOPPED", message: "Job was intentionally stopped." });
      return json({ stopped: !over });
    }
    if (request.method === "DELETE") {
      if (!over)
        return text(
          500,
          traceback(`RuntimeError: Attempted to delete job '${id}', but it is in a non-terminal state ${job.status}.`),
        );
      this.jobs.delete(id);
      return json({ deleted: true });
    }
    return json(details(id, job));
  }

  private submit(
    request: Record<string, unknown>,
    json: (value: unknown) => void,
    text: (status: number, words: string) => void,
  ): void {
    const id = String(request.submission_id);
    if (this.jobs.has(id)) {
      const words = `ValueError: Job with submission_id ${id} already exists. Please use a different submission_id.`;
      text(500, traceback(words));
      return;
    }
    const job: HeadJob = { status: "PENDING", message: "Job has not started yet.", logs: "", request };
    this.jobs.set(id, job);
    json({ job_id: id, submission_id: id });
    this.onSubmit(id, job);
  }
}

function traceback(last: string): string {
  return `Traceback (most recent call last):\n  File "job_head.py", line 418, in submit_job\n    raise\n${last}\n.\n`;
}

function details(id: string, job: HeadJob): Record<string, unknown> {
  const over = job.status !== "PENDING" && job.status !== "RUNNING";
  return {
    type: "SUBMISSION",
    job_id: null,
    submission_id: id,
    driver_info: null,
    status: job.status,
    entrypoint: job.request.entrypoint,
    message: job.message,
    error_type: null,
    start_time: 1795260844137,
    end_time: over ? 1795260907423 : 0,
    metadata: job.request.metadata ?? null,
    runtime_env: job.request.runtime_env ?? null,
    driver_agent_http_address: "http://10.0.0.2:52365",
    driver_node_id: "eeb198b1",
    driver_exit_code: job.status === "FAILED" ? 1 : null,
  };
}
