/** A folder that may be read, and nothing outside of it. */
import {
  closeSync,
  constants,
  type Dirent,
  promises as fs,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
} from "node:fs";
import { join, sep } from "node:path";
import { HttpError } from "../http-error.js";

export interface FoundFile {
  /** Path below the folder, with `/`. */
  id: string;
  bytes: number;
  /** Milliseconds since 1970. */
  modified: number;
}

/** Folders in which nothing is worth showing, and which may be large. */
const SKIPPED = new Set(["node_modules", "checkpoints", "tensorboard", "__pycache__"]);
const MAX_DEPTH = 8;
/** Entries looked at in one walk: a home folder given by mistake must not hang the server. */
const MAX_ENTRIES = 50_000;

export class Folder {
  private readonly root: string;

  /** @param path an existing folder. */
  constructor(path: string) {
    this.root = realpathSync(path);
  }

  /**
   * Real path of something in the folder.
   * @param id path below the folder, with `/`; `.` is the folder itself.
   * @throws HttpError 404 when there is nothing, or when the way to it leads out of the folder.
   */
  resolve(id: string): string {
    // What a system's path rules could read in another way is no id at all.
    const strange = id === "" || id.length > 1024 || /[\0\\]|^[a-z]:/i.test(id);
    if (strange || (id !== "." && id.split("/").some((part) => part === "" || part === "." || part === "..")))
      throw notFound();
    let real: string;
    try {
      real = realpathSync(join(this.root, ...id.split("/")));
    } catch {
      throw notFound();
    }
    // Links are followed first, so a link that leads out is seen here.
    if (real !== this.root && !real.startsWith(this.root.endsWith(sep) ? this.root : this.root + sep)) throw notFound();
    return real;
  }

  /** Where something of this name would be made: a new folder or file right in the folder. */
  place(name: string): string {
    return join(this.root, name);
  }

  /**
   * Text of a file, or its last bytes.
   * @throws HttpError 404 when it is no plain file, 413 when it is larger than `limit` bytes and `tail` is not set.
   */
  read(id: string, limit: number, tail = false): string {
    const path = this.resolve(id);
    let fd: number;
    try {
      // Without waiting: a named pipe would hold the server.
      fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    } catch {
      throw notFound();
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw notFound();
      if (stat.size > limit && !tail) throw new HttpError(413, `the file is larger than ${limit} bytes`);
      const bytes = Buffer.alloc(Math.min(stat.size, limit));
      const read = readSync(fd, bytes, 0, bytes.length, stat.size - bytes.length);
      return bytes.toString("utf8", 0, read);
    } finally {
      closeSync(fd);
    }
  }

  /** Plain files whose names match, in the order of their paths; links are not followed. */
  async find(matches: (name: string) => boolean): Promise<FoundFile[]> {
    const found: FoundFile[] = [];
    let left = MAX_ENTRIES;
    const walk = async (path: string, prefix: string, depth: number): Promise<void> => {
      let entries: Dirent[];
      try {
        entries = await fs.readdir(path, { withFileTypes: true });
      } catch {
        return; // not ours to read, or gone meanwhile
      }
      entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const entry of entries) {
        if (--left < 0) return;
        if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
        const id = prefix + entry.name;
        if (entry.isDirectory()) {
          if (depth < MAX_DEPTH) await walk(join(path, entry.name), `${id}/`, depth + 1);
        } else if (entry.isFile() && matches(entry.name)) {
          const stat = await fs.stat(join(path, entry.name)).catch(() => undefined);
          if (stat) found.push({ id, bytes: stat.size, modified: stat.mtimeMs });
        }
      }
    };
    await walk(this.root, "", 0);
    return found;
  }
}

function notFound(): HttpError {
  return new HttpError(404, "there is no such file or folder here");
}

/** The folder that a file lies in; `.` for one right in the root. */
export function parentOf(id: string): string {
  const cut = id.lastIndexOf("/");
  return cut < 0 ? "." : id.slice(0, cut);
}
