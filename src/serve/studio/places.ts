/** The given folders by name, and what in them a training can be made of. */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { HttpError } from "../http-error.js";
import { Folder } from "./folder.js";
import type { Choice } from "./wire.js";

export class Places {
  private readonly folders = new Map<string, Folder>();

  /** @param paths folders; a name that is taken gets a number. Those that do not exist are left out. */
  constructor(paths: readonly string[]) {
    for (const path of new Set(paths.map((each) => resolve(each)))) {
      if (!existsSync(path)) continue;
      const wanted = basename(path) || "files";
      let name = wanted;
      for (let n = 2; this.folders.has(name); n++) name = `${wanted}-${n}`;
      this.folders.set(name, new Folder(path));
    }
  }

  get names(): string[] {
    return [...this.folders.keys()];
  }

  /** Real path of `NAME/PATH`. @throws HttpError 404. */
  resolve(id: string): string {
    const cut = id.indexOf("/");
    const folder = cut < 0 ? undefined : this.folders.get(id.slice(0, cut));
    if (!folder) throw new HttpError(404, "there is no such file or folder here");
    return folder.resolve(id.slice(cut + 1));
  }

  /** Files whose names end so, by place and path. */
  async find(endings: readonly string[], most = 500): Promise<Choice[]> {
    const found: Choice[] = [];
    for (const [name, folder] of this.folders)
      for (const { id } of await folder.find((file) => endings.some((ending) => file.endsWith(ending))))
        if (found.length < most) found.push({ id: `${name}/${id}`, label: `${name}/${id}` });
    return found;
  }
}
