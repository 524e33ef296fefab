/** The tab's files: in memory, under the names and with the calls of `node:fs` that the engine uses. */
const files = new Map<string, Uint8Array>();

interface Open {
  path: string;
  at: number;
}
const open = new Map<number, Open>();
let next = 3;

export const constants = { O_RDONLY: 0, O_NONBLOCK: 0 };

export class MissingFile extends Error {
  readonly code = "ENOENT";
}

const folderOf = (path: string): string => (path.endsWith("/") ? path : `${path}/`);
const isFolder = (path: string): boolean => [...files.keys()].some((name) => name.startsWith(folderOf(path)));

function bytes(path: string): Uint8Array {
  const found = files.get(path);
  if (!found) throw new MissingFile(`${path}: no such file`);
  return found;
}

function stat(path: string) {
  const found = files.get(path);
  if (!found && !isFolder(path)) return undefined;
  return { size: found?.length ?? 0, isFile: () => found !== undefined, isDirectory: () => found === undefined };
}

export const existsSync = (path: string): boolean => stat(path) !== undefined;

export function statSync(path: string, options: { throwIfNoEntry?: boolean } = {}) {
  const found = stat(path);
  if (!found && options.throwIfNoEntry !== false) throw new MissingFile(`${path}: no such file`);
  return found;
}

export function openSync(path: string, flags: string | number = "r"): number {
  if (typeof flags === "string" && flags.startsWith("w")) files.set(path, new Uint8Array(0));
  else if (!isFolder(path)) bytes(path);
  open.set(next, { path, at: 0 });
  return next++;
}

export const closeSync = (fd: number): void => void open.delete(fd);
export const fsyncSync = (): void => {};
export const mkdirSync = (): void => {};
export const fstatSync = (fd: number) => statSync(open.get(fd)!.path);

/** Names of what lies in a folder. */
export function readdirSync(folder: string, options: { withFileTypes?: boolean } = {}): unknown[] {
  const prefix = folderOf(folder);
  const inside = [...files.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const names = [...new Set(inside.map((name) => name.split("/")[0]!))];
  if (!options.withFileTypes) return names;
  return names.map((name) => ({
    name,
    isFile: () => files.has(prefix + name),
    isDirectory: () => !files.has(prefix + name),
    isSymbolicLink: () => false,
  }));
}

export function readSync(
  fd: number,
  into: Uint8Array,
  offset = 0,
  length = into.length,
  position?: number | null,
): number {
  const file = open.get(fd)!;
  const from = position ?? file.at;
  const part = bytes(file.path).subarray(from, from + length);
  into.set(part, offset);
  if (position === undefined || position === null) file.at += part.length;
  return part.length;
}

export function writeSync(fd: number, data: Uint8Array, offset = 0, length = data.length - offset): number {
  const file = open.get(fd)!;
  const before = bytes(file.path);
  const after = new Uint8Array(before.length + length);
  after.set(before);
  after.set(data.subarray(offset, offset + length), before.length);
  files.set(file.path, after);
  return length;
}

export function readFileSync(file: string | number, encoding?: string): Uint8Array | string {
  const data = bytes(typeof file === "number" ? open.get(file)!.path : file);
  return encoding ? new TextDecoder().decode(data) : data;
}

export function writeFileSync(path: string, data: string | Uint8Array): void {
  files.set(path, typeof data === "string" ? new TextEncoder().encode(data) : data);
}

/** Of a file, or of a folder with all that lies in it. */
export function renameSync(from: string, to: string): void {
  const moved = [...files].filter(([name]) => name === from || name.startsWith(folderOf(from)));
  if (moved.length === 0) throw new MissingFile(`${from}: no such file`);
  for (const [name, data] of moved) {
    files.set(to + name.slice(from.length), data);
    files.delete(name);
  }
}

export function rmSync(path: string): void {
  for (const name of [...files.keys()]) if (name === path || name.startsWith(folderOf(path))) files.delete(name);
}

export const unlinkSync = rmSync;
