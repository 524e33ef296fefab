import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

/** Python of an environment with Ray, TRL, PEFT and bitsandbytes (run.sh makes one). */
export const python = process.env.EVOKE_CLUSTER_PYTHON ?? "";
export const TOKEN = "a-token-for-tests";

/** A real Ray head on this machine, with token authentication, that can be killed and started again. */
export class LocalRay {
  readonly dashboard: number;
  private readonly folder = mkdtempSync(join(tmpdir(), "evoke-ray-"));
  private process?: ChildProcess;

  private constructor(private readonly ports: number[]) {
    this.dashboard = ports[0]!;
  }

  static async start(env: NodeJS.ProcessEnv = {}): Promise<LocalRay> {
    const ray = new LocalRay(await freePorts(4));
    await ray.up(env);
    return ray;
  }

  get address(): string {
    return `ray://127.0.0.1:${this.dashboard}`;
  }

  async up(env: NodeJS.ProcessEnv = {}): Promise<void> {
    const [dashboard, gcs, agent, runtimeEnv] = this.ports;
    const bin = dirname(python);
    const flags = [
      ["--port", gcs],
      ["--dashboard-port", dashboard],
      ["--dashboard-agent-listen-port", agent],
      ["--runtime-env-agent-port", runtimeEnv],
      ["--dashboard-host", "127.0.0.1"],
      ["--node-ip-address", "127.0.0.1"],
      ["--num-cpus", 2],
      ["--object-store-memory", 200_000_000],
      ["--temp-dir", this.folder],
    ].map(([name, value]) => `${name}=${value}`);
    this.process = spawn(join(bin, "ray"), ["start", "--head", "--block", "--disable-usage-stats", ...flags], {
      env: {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        RAY_AUTH_MODE: "token",
        RAY_AUTH_TOKEN: TOKEN,
        OMP_NUM_THREADS: "1",
        ...env,
      },
      stdio: "ignore",
    });
    for (let i = 0; i < 240; i++) {
      const answer = await fetch(`http://127.0.0.1:${dashboard}/api/version`, {
        headers: { Authorization: `Bearer ${TOKEN}` },
      }).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error("the Ray head does not start");
  }

  /** SIGKILL to everything the head has started: all that runs with its folder on the command line. */
  async kill(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
        const [line, env] = ["cmdline", "environ"].map((file) => read(`/proc/${entry}/${file}`));
        if (line!.includes(this.folder) || env!.includes(`${this.folder}/`)) end(Number(entry));
      }
      if (this.process?.pid) end(this.process.pid);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** S3-compatible storage on this machine (moto), with one bucket `evoke`. */
export class LocalS3 {
  private constructor(
    private readonly process: ChildProcess,
    readonly env: Record<string, string>,
  ) {}

  static async start(): Promise<LocalS3> {
    const [port] = await freePorts(1);
    const server = spawn(join(dirname(python), "moto_server"), ["-H", "127.0.0.1", "-p", String(port)], {
      stdio: "ignore",
    });
    const endpoint = `http://127.0.0.1:${port}`;
    for (let i = 0; i < 240; i++) {
      const made = await fetch(`${endpoint}/evoke`, { method: "PUT" }).catch(() => undefined);
      if (made?.ok) break;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    return new LocalS3(server, {
      [id!]: "test",
      [secret!]: "test",
      AWS_REGION: "us-east-1",
      AWS_ENDPOINT_URL: endpoint,
    });
  }

  close(): void {
    this.process.kill("SIGKILL");
  }
}

/** A TCP proxy that can be cut. */
export class Cable {
  private readonly sockets = new Set<Socket>();
  private broken = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(port: number): Promise<Cable> {
    const [own] = await freePorts(1);
    const server = createServer((near) => {
      if (cable.broken) return void near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const socket of [near, far]) {
        cable.sockets.add(socket);
        socket
          .on("error", () => {})
          .on("close", () => {
            near.destroy();
            far.destroy();
            cable.sockets.delete(socket);
          });
      }
      near.pipe(far).pipe(near);
    });
    const cable: Cable = new Cable(server, own!);
    await new Promise<void>((resolve) => server.listen(own, "127.0.0.1", resolve));
    return cable;
  }

  cut(): void {
    this.broken = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.broken = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<Server>((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
