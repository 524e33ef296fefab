/**
 * Puts ONNX Runtime into the package, from the `onnxruntime-node` that is installed for development: a folder per
 * platform, each file compressed. Runs before `npm pack` and `npm publish`; `src/runtime/library` unpacks.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { PACKED_INDEX, type PackedFile, type PackedIndex, platformFolder } from "../../src/runtime/library/packed.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCE = join(ROOT, "node_modules", "onnxruntime-node");
const TARGET = join(ROOT, "onnxruntime");
/** Higher qualities take a hundred times as long for 4 % less. */
const COMPRESSION = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS },
};
/** CUDA's parts, where an installation has fetched them: as large as all else. */
const LEFT_OUT = /providers_/;

const NOTICE = `The files beside this one hold ONNX Runtime {version} as the npm package onnxruntime-node distributes it, compressed.

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

Notices of what it contains: https://github.com/microsoft/onnxruntime/blob/v{version}/ThirdPartyNotices.txt
`;

function packPlatform(platform: string, arch: string, version: string): void {
  const from = join(SOURCE, "bin", "napi-v6", platform, arch);
  const folder = join(TARGET, platformFolder(platform, arch));
  mkdirSync(folder, { recursive: true });
  const files: PackedFile[] = [];
  for (const name of readdirSync(from).sort()) {
    if (LEFT_OUT.test(name)) continue;
    const bytes = readFileSync(join(from, name));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const packed = files.find((file) => file.sha256 === sha256)?.packed ?? `${name}.br`;
    files.push({ name, bytes: bytes.length, sha256, packed });
    if (packed === `${name}.br`) writeFileSync(join(folder, packed), brotliCompressSync(bytes, COMPRESSION));
  }
  const index: PackedIndex = { version, files };
  writeFileSync(join(folder, PACKED_INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

const { version } = JSON.parse(readFileSync(join(SOURCE, "package.json"), "utf8")) as { version: string };
rmSync(TARGET, { recursive: true, force: true });
const platforms = join(SOURCE, "bin", "napi-v6");
for (const platform of readdirSync(platforms))
  for (const arch of readdirSync(join(platforms, platform))) packPlatform(platform, arch, version);
// A notice belongs beside each platform's files, as folders are what the package takes.
for (const folder of readdirSync(TARGET))
  writeFileSync(join(TARGET, folder, "LICENSE"), NOTICE.replaceAll("{version}", version));
