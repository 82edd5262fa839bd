import type { BigIntStats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { SourceError } from "../errors.ts";
import { checkRead, failShortRead, failSource, guarded, type Source } from "../source-base.ts";

/** Reads are split, so that an abort between two of them takes effect and none exceeds what the system reads at once. */
const READ_BYTES = 16 * 2 ** 20;

/**
 * A file on disk, of any size, read where and when it is asked for.
 *
 * Each read checks that size and modification time are still those of the first look: a file that is written meanwhile is
 * an error, not a mixture. The caller closes it.
 * @throws {SourceError} `cannot-open`, `not-a-file`
 */
export async function fileSource(path: string | URL, name = String(path)): Promise<Source> {
  const handle = await open(path, "r").catch((cause: Error) => {
    const message = `${name}: expected a file to read, got an error: ${cause.message}`;
    throw new SourceError("cannot-open", message, { file: name, actual: cause.message }, { cause });
  });
  const stats = await handle.stat({ bigint: true });
  if (stats.isFile()) return new FileSource(name, handle, stats);
  await handle.close();
  return failSource("not-a-file", name, "a file", stats.isDirectory() ? "a directory" : "something else");
}

class FileSource implements Source {
  readonly name: string;
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #stats: BigIntStats;

  constructor(name: string, handle: FileHandle, stats: BigIntStats) {
    this.name = name;
    this.size = Number(stats.size);
    this.#handle = handle;
    this.#stats = stats;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkRead(this, offset, length, signal);
    const bytes = new Uint8Array(length);
    await this.readInto(offset, bytes, signal);
    return bytes;
  }

  async readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkRead(this, offset, target.length, signal);
    await guarded(this.name, signal, async () => {
      let filled = 0;
      while (filled < target.length) {
        signal?.throwIfAborted();
        const length = Math.min(READ_BYTES, target.length - filled);
        const { bytesRead } = await this.#handle.read(target, filled, length, offset + filled);
        if (bytesRead === 0) failShortRead(this.name, offset, target.length, filled);
        filled += bytesRead;
      }
      signal?.throwIfAborted();
      await this.#checkUnchanged();
    });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #checkUnchanged(): Promise<void> {
    const { size, mtimeNs } = await this.#handle.stat({ bigint: true });
    const { name } = this;
    const stats = this.#stats;
    if (size !== stats.size) failSource("file-changed", name, `a file of ${stats.size} bytes as before`, `${size}`);
    if (mtimeNs === stats.mtimeNs) return;
    const expected = `the modification time as before, ${time(stats.mtimeNs)}`;
    failSource("file-changed", name, expected, time(mtimeNs));
  }
}

function time(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString();
}
