import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Source, SourceError } from "@kiloformer/core";
import { fileSource } from "@kiloformer/core/node";

/** The files of a folder that a model may need; `close` closes those that were read. */
export interface OpenDirectory {
  /** By their names, and those of folders in it as `folder/name`. */
  readonly files: ReadonlyMap<string, Source>;
  close(): Promise<void>;
}

/** Pickles too, to say that they are no use. */
const wanted = /\.(safetensors|json|model|txt|jinja|bin)$/;

/**
 * Looks at a model's folder; each file is opened when it is first read.
 * @throws {SourceError} `not-found`, `not-a-directory`, `cannot-open`
 */
export async function readDirectory(given: string | URL): Promise<OpenDirectory> {
  const directory = typeof given === "string" ? given : pathOf(given);
  const files = new Map<string, LazyFile>();
  const entries = await list(directory);
  const roots = await rootsOf(directory);
  for (const entry of entries) {
    if (entry.isDirectory() || !wanted.test(entry.name)) continue;
    const path = join(directory, entry.name);
    // Shards are named by a file, which is not to say where on the disk they lie.
    const isShard = entry.name.endsWith(".safetensors") && entry.name !== "model.safetensors";
    const leadsOut = isShard && entry.isSymbolicLink() && !(await liesIn(path, roots));
    // What cannot be looked at cannot be opened either: that has the reason. Of a pickle nothing but its name is wanted.
    const isPickle = entry.name.endsWith(".bin");
    const { size } = await stat(path).catch(() => (isPickle ? { size: 0 } : fileSource(path, entry.name)));
    files.set(entry.name, new LazyFile(path, entry.name, size, leadsOut));
  }
  for (const folder of entries) {
    if (!folder.isDirectory()) continue;
    for (const { name } of await readdir(join(directory, folder.name), { withFileTypes: true }).catch(() => [])) {
      const path = join(directory, folder.name, name);
      if (!wanted.test(name) || !(await liesIn(path, roots))) continue;
      const info = await stat(path);
      const whole = `${folder.name}/${name}`;
      if (info.isFile()) files.set(whole, new LazyFile(path, whole, info.size));
    }
  }
  const close = async () => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  return { files, close };
}

function pathOf(address: URL): string {
  try {
    return fileURLToPath(address);
  } catch (cause) {
    throw new SourceError("not-found", `${address}: expected a file: address of a folder, got another`, {}, { cause });
  }
}

async function list(directory: string): Promise<Dirent[]> {
  const info = await stat(directory).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT" && cause.code !== "ENOTDIR") throw cannotOpen(directory, cause);
    const message = `${directory}: expected a model's folder, got nothing there`;
    throw new SourceError("not-found", message, { directory }, { cause });
  });
  if (!info.isDirectory()) {
    throw new SourceError("not-a-directory", `${directory}: expected a model's folder, got a file`, { directory });
  }
  return readdir(directory, { withFileTypes: true }).catch((cause: Error) => {
    throw cannotOpen(directory, cause);
  });
}

function cannotOpen(directory: string, cause: Error): SourceError {
  const message = `${directory}: expected a folder to read, got an error: ${cause.message}`;
  return new SourceError("cannot-open", message, { directory }, { cause });
}

/** Where links may lead: into the folder, and from a snapshot of huggingface_hub's cache into that model's files. */
async function rootsOf(directory: string): Promise<string[]> {
  const root = await realpath(directory);
  const above = dirname(root);
  return basename(above) === "snapshots" ? [root, join(dirname(above), "blobs")] : [root];
}

async function liesIn(path: string, roots: readonly string[]): Promise<boolean> {
  const real = await realpath(path).catch(() => "");
  return roots.some((root) => real.startsWith(root + sep));
}

/** A file that is opened by its first read. */
class LazyFile implements Source {
  readonly name: string;
  readonly size: number;
  readonly #path: string;
  readonly #leadsOut: boolean;
  #source: Promise<Source> | undefined;

  constructor(path: string, name: string, size: number, leadsOut = false) {
    this.#path = path;
    this.#leadsOut = leadsOut;
    this.name = name;
    this.size = size;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    return (await this.#open()).read(offset, length, signal);
  }

  async readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    return (await this.#open()).readInto!(offset, target, signal);
  }

  async close(): Promise<void> {
    await (await this.#source?.catch(() => undefined))?.close?.();
  }

  #open(): Promise<Source> {
    this.#source ??= this.#first();
    return this.#source;
  }

  async #first(): Promise<Source> {
    if (this.#leadsOut) {
      const message = `${this.name}: expected a file of the folder, got a link out of it`;
      throw new SourceError("outside-folder", message, { file: this.name });
    }
    const source = await fileSource(this.#path, this.name);
    if (source.size === this.size) return source;
    await source.close?.();
    const message = `${this.name}: expected a file of ${this.size} bytes as before, got ${source.size}`;
    throw new SourceError("file-changed", message, { file: this.name, expected: this.size, actual: source.size });
  }
}
