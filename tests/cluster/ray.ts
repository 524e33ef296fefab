import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

/** Python of an environment with Ray, TRL, PEFT and bitsandbytes (run.sh makes one). */
export const python = process.env.EVOKE_CLUSTER_PYTHON ?? "";
export const TOKEN = "a-token-for-tests";

interface RayOptions {
  /** Nodes, each a raylet with an address of its own on loopback; one worker fits on each of several. Default: one, for two workers. */
  nodes?: number;
}

/** A real Ray cluster on this machine, with token authentication, that can be killed and started again. */
export class LocalRay {
  private readonly folder = mkdtempSync(join(tmpdir(), "evoke-ray-"));
  private processes: ChildProcess[] = [];

  private constructor(
    readonly dashboard: number,
    private readonly gcs: number,
    /** Two of each node. */
    private readonly agents: number[],
  ) {}

  static async start({ nodes = 1 }: RayOptions = {}): Promise<LocalRay> {
    const [dashboard, gcs, ...agents] = await freePorts(2 + 2 * nodes);
    const ray = new LocalRay(dashboard!, gcs!, agents);
    await ray.up();
    return ray;
  }

  get address(): string {
    return `ray://127.0.0.1:${this.dashboard}`;
  }

  async up(): Promise<void> {
    const nodes = this.agents.length / 2;
    const head = [
      "--head",
      `--port=${this.gcs}`,
      `--dashboard-port=${this.dashboard}`,
      "--dashboard-host=127.0.0.1",
      `--temp-dir=${this.folder}`,
    ];
    for (let node = 0; node < nodes; node++) {
      const [agent, runtimeEnv] = this.agents.slice(2 * node);
      const flags = [
        `--dashboard-agent-listen-port=${agent}`,
        `--runtime-env-agent-port=${runtimeEnv}`,
        `--node-ip-address=127.0.0.${node + 1}`,
        `--num-cpus=${nodes === 1 ? 2 : 1}`,
        "--object-store-memory=200000000",
      ];
      this.spawn([...(node === 0 ? head : [`--address=127.0.0.1:${this.gcs}`]), ...flags]);
      if (node === 0) await this.answers("/api/version");
    }
    await this.hasNodes(nodes);
  }

  private spawn(flags: string[]): void {
    const bin = dirname(python);
    const child = spawn(join(bin, "ray"), ["start", "--block", "--disable-usage-stats", ...flags], {
      env: {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        RAY_AUTH_MODE: "token",
        RAY_AUTH_TOKEN: TOKEN,
        OMP_NUM_THREADS: "1",
        // Ray's own choice, 15, starves them on a busy machine.
        RAY_worker_niceness: "0",
        // By this, `kill` finds whatever they start.
        EVOKE_TEST_RAY: `${this.folder}/`,
      },
      stdio: "ignore",
    });
    this.processes.push(child);
  }

  private async answers(path: string): Promise<unknown> {
    for (let i = 0; i < 600; i++) {
      const answer = await fetch(`http://127.0.0.1:${this.dashboard}${path}`, {
        headers: { Authorization: `Bearer ${TOKEN}` },
      }).catch(() => undefined);
      if (answer?.ok) return await answer.json();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error("the Ray head does not start");
  }

  private async hasNodes(count: number): Promise<void> {
    for (let i = 0; i < 600; i++) {
      const list = (await this.answers("/api/v0/nodes")) as { data: { result: { result: { state: string }[] } } };
      if (list.data.result.result.filter(({ state }) => state === "ALIVE").length === count) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`the Ray cluster does not come to ${count} nodes`);
  }

  /** SIGKILL to everything that it has started: all that has its folder on the command line or in the environment. */
  async kill(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      for (const pid of this.running()) end(pid);
      for (const { pid } of this.processes) if (pid) end(pid);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    this.processes = [];
  }

  /** Processes that it has started and that still run. */
  running(): number[] {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
    const isOurs = (pid: string): boolean => {
      const [line, env] = ["cmdline", "environ"].map((file) => read(`/proc/${pid}/${file}`));
      return line!.includes(this.folder) || env!.includes(`${this.folder}/`);
    };
    return pids.filter(isOurs).map(Number);
  }

  /** @throws when something of it goes on after its end. */
  async close(): Promise<void> {
    await this.kill();
    for (let i = 0; i < 100 && this.running().length; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    const left = this.running().map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
    if (left.length) throw new Error(`Ray left processes behind:\n${left.join("\n")}`);
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
