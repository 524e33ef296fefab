/** How the package carries ONNX Runtime: one folder per platform, each file compressed, with a list of them. */

/** The list's file name in a platform's folder. */
export const PACKED_INDEX = "files.json";

export interface PackedFile {
  /** File name, as the library expects its neighbours to be called. */
  name: string;
  /** Length uncompressed. */
  bytes: number;
  /** Of the uncompressed bytes, in hexadecimal. */
  sha256: string;
  /** File in the same folder that holds the bytes, compressed with Brotli. Equal files share one. */
  packed: string;
}

export interface PackedIndex {
  /** Version of ONNX Runtime. */
  version: string;
  files: PackedFile[];
}

/** Folder of a platform, by Node's names: `linux-x64`. */
export function platformFolder(platform: string = process.platform, arch: string = process.arch): string {
  return `${platform}-${arch}`;
}
