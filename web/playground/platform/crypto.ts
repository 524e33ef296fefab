/** `createHash` of `node:crypto`, for the keys of random streams. */
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { Buffer } from "buffer/";

const kinds = { sha256, sha512 };

class Hash {
  private readonly state;

  constructor(kind: keyof typeof kinds) {
    this.state = kinds[kind].create();
  }

  update(data: string | Uint8Array): this {
    this.state.update(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this;
  }

  digest(encoding?: "hex"): Buffer | string {
    const bytes = Buffer.from(this.state.digest());
    return encoding ? bytes.toString(encoding) : bytes;
  }
}

export const createHash = (kind: keyof typeof kinds): Hash => new Hash(kind);
export const randomUUID = (): string => crypto.randomUUID();
