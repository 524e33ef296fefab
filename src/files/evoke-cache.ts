import { homedir } from "node:os";
import { join } from "node:path";

/** Where evoke keeps what it fetched: `EVOKE_CACHE`, else `~/.cache/evoke`. */
export function evokeCache(): string {
  return process.env.EVOKE_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "evoke");
}
