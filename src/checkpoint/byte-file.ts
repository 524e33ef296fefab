import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { FailureError, UsageError } from "../errors.js";

/** A file read by position, never whole. */
export class ByteFile {
  readonly size: number;
  #fd: number | undefined;

  /** @throws UsageError when there is no such file. */
  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new UsageError(
        code === "ENOENT" ? `${path}: no such file` : `${path}: cannot be opened (${code ?? message})`,
      );
    }
    const stat = fstatSync(this.#fd);
    if (!stat.isFile()) {
      this.close();
      throw new UsageError(`${path}: is not a file`);
    }
    this.size = stat.size;
  }

  /** Fills `into` from byte `position`. @throws FailureError when the file ends before. */
  read(position: number, into: Uint8Array): void {
    if (this.#fd === undefined) throw new FailureError(`${this.path}: was closed`);
    for (let done = 0; done < into.byteLength; ) {
      const n = readSync(this.#fd, into, done, Math.min(into.byteLength - done, 1 << 30), position + done);
      if (n === 0) throw new FailureError(`${this.path}: the file ends at byte ${position + done}, it is truncated`);
      done += n;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Whether a name read from a file can be shown in a message of one line. */
export function isShowable(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return name.length <= 512 && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name);
}

/** The bytes behind a typed array, without a copy. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
