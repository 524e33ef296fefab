import {
  closeSync,
  existsSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { FailureError, UsageError } from "../errors.js";
import { fsyncFolder, naming } from "../files/atomic-write.js";
import { acquireLock, type RunLock } from "../files/run-lock.js";

const READ_BYTES = 1 << 20;

interface Entry {
  key: string;
  value: unknown;
}

const open = new Map<string, JournalFile>();

/**
 * An append-only file of finished calls, one `{"key", "value"}` a line. A torn last line (the process was killed while
 * writing it) is dropped on opening; a damaged line further up is ignored, so its call is made again. One process writes
 * at a time (`<path>.lock`); within a process all users of a path share one file.
 */
export class JournalFile {
  private readonly values = new Map<string, unknown>();
  private users = 0;
  private syncing: Promise<void> | undefined;
  private dirty = false;
  /** Why nothing can be written any more. */
  private failure: FailureError | undefined;

  private constructor(
    readonly path: string,
    private readonly fd: number,
    private readonly lock: RunLock,
  ) {}

  /** @throws FailureError when another process writes this journal. */
  static open(path: string): JournalFile {
    const full = resolve(path);
    let journal = open.get(full);
    if (!journal) {
      mkdirSync(dirname(full), { recursive: true });
      const lock = acquireLock(`${full}.lock`, full);
      try {
        const isNew = !existsSync(full);
        if (!isNew && !statSync(full).isFile()) throw new UsageError(`${full}: is no regular file`);
        journal = new JournalFile(full, openSync(full, "a+"), lock);
        if (isNew) fsyncFolder(dirname(full));
        journal.load();
      } catch (error) {
        lock.release();
        throw error;
      }
      open.set(full, journal);
    }
    journal.users++;
    return journal;
  }

  get size(): number {
    return this.values.size;
  }

  /** The value of a key; one that has not the shape of a result (an edited file, another version) is none. */
  get<T>(key: string, hasShape: (value: unknown) => value is T): T | undefined {
    const value = this.values.get(key);
    if (value === undefined || hasShape(value)) return value;
    this.values.delete(key);
    return undefined;
  }

  /**
   * Writes an entry at once, so that it outlives this process; `settle` waits until it outlives the machine, too.
   * @throws FailureError naming the file when it cannot be written; from then on every call does.
   */
  add(key: string, value: unknown): void {
    this.check();
    if (this.values.has(key)) return;
    const bytes = Buffer.from(`${JSON.stringify({ key, value } satisfies Entry)}\n`);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at);
    } catch (error) {
      this.fail(error);
    }
    this.values.set(key, value);
    this.dirty = true;
  }

  /** @throws FailureError once the file could not be written. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  private fail(error: unknown): never {
    // Half a line would be taken for the beginning of the next: the file ends with it, and opening it drops it.
    throw (this.failure ??= journalFailure(this.path, error));
  }

  /** Resolves when everything added so far is on the disk; calls made together share one flush. */
  async settle(): Promise<void> {
    while (this.dirty || this.syncing) {
      this.syncing ??= this.flush();
      await this.syncing.catch((error: unknown) => this.fail(error));
    }
    this.check();
  }

  private async flush(): Promise<void> {
    this.dirty = false;
    try {
      await new Promise<void>((done, fail) => fsync(this.fd, (error) => (error ? fail(error) : done())));
    } finally {
      this.syncing = undefined;
    }
  }

  close(): void {
    if (--this.users > 0) return;
    open.delete(this.path);
    try {
      if (this.dirty) naming(this.path, () => fsyncSync(this.fd));
    } finally {
      closeSync(this.fd);
      this.lock.release();
    }
  }

  private load(): void {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let pieces: Buffer[] = [];
    let good = 0; // bytes up to the last line end
    let size = 0;
    for (
      let n = readSync(this.fd, buffer, 0, READ_BYTES, size);
      n > 0;
      n = readSync(this.fd, buffer, 0, READ_BYTES, size)
    ) {
      let start = 0;
      for (let end = buffer.indexOf(10); end >= 0 && end < n; end = buffer.indexOf(10, start)) {
        this.take(Buffer.concat([...pieces, buffer.subarray(start, end)]).toString("utf8"));
        pieces = [];
        start = end + 1;
        good = size + start;
      }
      if (start < n) pieces.push(Buffer.from(buffer.subarray(start, n)));
      size += n;
    }
    if (good < size) ftruncateSync(this.fd, good);
  }

  private take(line: string): void {
    let entry: Partial<Entry> | null;
    try {
      entry = JSON.parse(line) as Partial<Entry> | null;
    } catch {
      return;
    }
    if (typeof entry?.key === "string" && entry.value !== undefined) this.values.set(entry.key, entry.value);
  }
}

/** Puts what a full disk or a lost mount says about the journal into one line. */
function journalFailure(path: string, error: unknown): FailureError {
  const reason = (error as Error).message;
  return new FailureError(`${path}: the journal cannot be written (${reason}); finished calls are kept`, {
    cause: error,
  });
}
