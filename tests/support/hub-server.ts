/** A server that speaks the part of the Hub's API that a push takes: repositories, commits, LFS. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

interface Stored {
  bytes: Buffer;
  lfs?: string;
}

export class HubServer {
  readonly repositories = new Map<string, { private: boolean; files: Map<string, Stored>; sha: string }>();
  readonly objects = new Map<string, Buffer>();
  /** Requests as `METHOD path`. */
  readonly requests: string[] = [];
  /** Answers the next requests whose line matches with this status. */
  failures: { line: RegExp; status: number; times: number }[] = [];
  readonly token = "hf_right";
  private readonly server = createServer((request, response) => {
    this.answer(request).then(
      ({ status, body }) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(body === undefined ? "" : JSON.stringify(body));
      },
      (error: unknown) => {
        response.writeHead(500);
        response.end(String(error));
      },
    );
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): Promise<unknown> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body?: unknown }> {
    const path = new URL(request.url!, this.url).pathname;
    const line = `${request.method} ${path}`;
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    this.requests.push(line);
    const failure = this.failures.find((entry) => entry.times > 0 && entry.line.test(line));
    if (failure) {
      failure.times--;
      return { status: failure.status, body: { error: "asked for by the test" } };
    }
    const upload = /^PUT \/lfs\/(\w+)$/.exec(line);
    if (upload) {
      if (createHash("sha256").update(body).digest("hex") !== upload[1]) return { status: 400 };
      this.objects.set(upload[1]!, body);
      return { status: 200 };
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) return { status: 401, body: { error: "no" } };
    if (line === "POST /api/repos/create") return this.create(JSON.parse(body.toString()));
    const [, name] =
      /^\w+ (?:\/api\/models)?\/([\w.-]+\/[\w.-]+?)(?:\.git\/|\/(?:preupload|commit|revision|tree)|$)/.exec(line) ?? [];
    const repository = this.repositories.get(name ?? "");
    if (!repository) return { status: 404, body: { error: "Repository not found" } };
    if (line.endsWith("/info/lfs/objects/batch")) return this.batch(JSON.parse(body.toString()));
    if (/\/preupload\//.test(line)) {
      const { files } = JSON.parse(body.toString()) as { files: { path: string; size: number }[] };
      const mode = ({ path }: { path: string }) => (path.endsWith(".safetensors") ? "lfs" : "regular");
      return { status: 200, body: { files: files.map((file) => ({ path: file.path, uploadMode: mode(file) })) } };
    }
    if (/\/commit\//.test(line)) return this.commit(repository, body.toString());
    if (/\/tree\//.test(line)) return { status: 200, body: this.tree(repository.files) };
    return { status: 200, body: { _id: "1", id: name, sha: repository.sha, private: repository.private } };
  }

  private create({ name, organization, private: hidden, visibility }: Record<string, unknown>) {
    const full = `${organization}/${name}`;
    if (this.repositories.has(full)) return { status: 409, body: { error: "exists" } };
    const isPrivate = hidden === true || visibility === "private";
    this.repositories.set(full, { private: isPrivate, files: new Map(), sha: "0".repeat(40) });
    return { status: 200, body: { url: `${this.url}/${full}`, id: "1" } };
  }

  private batch({ objects }: { objects: { oid: string; size: number }[] }) {
    const action = (oid: string) =>
      this.objects.has(oid) ? {} : { actions: { upload: { href: `${this.url}/lfs/${oid}`, header: {} } } };
    return {
      status: 200,
      body: { transfer: "basic", objects: objects.map((object) => ({ ...object, ...action(object.oid) })) },
    };
  }

  private commit(repository: { files: Map<string, Stored>; sha: string }, text: string) {
    for (const line of text.split("\n").filter(Boolean)) {
      const { key, value } = JSON.parse(line) as { key: string; value: Record<string, string> };
      if (key === "file") repository.files.set(value.path!, { bytes: Buffer.from(value.content!, "base64") });
      if (key !== "lfsFile") continue;
      const bytes = this.objects.get(value.oid!);
      if (!bytes) return { status: 400, body: { error: `object ${value.oid} was not sent` } };
      repository.files.set(value.path!, { bytes, lfs: value.oid });
    }
    repository.sha = createHash("sha1").update(text).digest("hex");
    return { status: 200, body: { success: true, commitOid: repository.sha, commitUrl: `${this.url}/c` } };
  }

  private tree(files: Map<string, Stored>) {
    return [...files].map(([path, { bytes, lfs }]) => {
      const oid = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
      return {
        type: "file",
        path,
        size: bytes.length,
        oid,
        ...(lfs ? { lfs: { oid: lfs, size: bytes.length, pointerSize: 134 } } : {}),
      };
    });
  }
}
