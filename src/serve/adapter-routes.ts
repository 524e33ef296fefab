/** POST /v1/load_lora_adapter and /v1/unload_lora_adapter, as vLLM has them; only where the server was started for it. */
import { realpathSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { UsageError } from "../errors.js";
import type { ServeBackend } from "./backend.js";
import { HttpError } from "./http-error.js";
import { check } from "./wire-request.js";

const name = z.string().regex(/^[\w.:/@+-]{1,200}$/, { error: "letters, digits and . : / @ + - _ are expected" });
const loadSchema = z.object({ lora_name: name, lora_path: z.string().min(1) });
const unloadSchema = z.object({ lora_name: name });

export class AdapterRoutes {
  private last: Promise<unknown> = Promise.resolve();

  /** @param folder all adapters that may be loaded lie in it; none may be without. */
  constructor(
    private readonly backend: ServeBackend,
    private readonly folder: string | undefined,
  ) {}

  /** @throws HttpError 403 where loading is off, 400 for a path outside the folder or an adapter that does not fit. */
  load(body: unknown): Promise<string> {
    this.refuseUnlessAllowed();
    const { lora_name, lora_path } = check(loadSchema, body);
    const path = this.inside(lora_path);
    return this.inTurn(async () => {
      if (this.backend.models.some(({ id }) => id === lora_name))
        throw new HttpError(400, `there is a model ${lora_name} already`, { param: "lora_name" });
      await this.backend.loadAdapter(lora_name, path);
      return `Success: LoRA adapter '${lora_name}' added successfully.`;
    });
  }

  /** Answers that are being written with it go on. @throws HttpError 403 where loading is off, 404 without such an adapter. */
  unload(body: unknown): Promise<string> {
    this.refuseUnlessAllowed();
    const { lora_name } = check(unloadSchema, body);
    return this.inTurn(async () => {
      if (!this.backend.unloadAdapter(lora_name))
        throw new HttpError(404, `there is no loaded adapter ${lora_name}`, { param: "lora_name" });
      return `Success: LoRA adapter '${lora_name}' removed successfully.`;
    });
  }

  private refuseUnlessAllowed(): void {
    if (this.folder === undefined)
      throw new HttpError(403, "this server loads no adapters; start it with --adapters-from FOLDER");
  }

  /** The real place of a path, which may lead nowhere but into the folder. */
  private inside(path: string): string {
    const folder = realpathSync(this.folder!);
    let real: string;
    try {
      real = realpathSync(resolve(folder, path));
    } catch {
      throw new HttpError(400, "there is no such adapter", { param: "lora_path" });
    }
    const within = relative(folder, real);
    if (within === "" || within === ".." || within.startsWith(`..${sep}`) || isAbsolute(within))
      throw new HttpError(400, "there is no such adapter", { param: "lora_path" });
    return real;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work).catch((error: unknown) => {
      // A message may name files of this machine.
      if (error instanceof UsageError) throw new HttpError(400, "that is no adapter of this model");
      throw error;
    });
    this.last = result.catch(() => {});
    return result;
  }
}
