import { OptionError, readAll, type Source, toSource } from "@kiloformer/core";
import { show } from "../config.ts";

/** What a file of a model may be given as. */
export type FileLike = Parameters<typeof toSource>[1];
/** File name -> file, as a model's folder has them. */
export type ModelFiles = Readonly<Record<string, FileLike>> | ReadonlyMap<string, FileLike>;

/** Config and tokenizer files are read whole; the largest tokenizers published are about 40 MB. */
const SMALL_FILE_BYTES = 256 * 2 ** 20;

/** @throws {OptionError} `bad-files` */
export function toSources(files: ModelFiles): Map<string, Source> {
  if (typeof files !== "object" || files === null) {
    throw new OptionError("bad-files", `files: expected an object of file names and contents, got ${show(files)}`);
  }
  const entries = files instanceof Map ? [...files] : Object.entries(files);
  const sources = new Map<string, Source>();
  for (const [name, value] of entries) {
    if (value === undefined || value === null) continue;
    sources.set(name, toSource(name, value));
  }
  return sources;
}

/** Reads a small file whole, or gives undefined where it is absent. */
export async function readSmallFile(
  sources: ReadonlyMap<string, Source>,
  name: string,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const source = sources.get(name);
  return source && readAll(source, { maxBytes: SMALL_FILE_BYTES, signal });
}

/** Gives unnamed bytes the names that a model's folder would have: content decides. */
export function nameTokenizerFiles(tokenizer: FileLike, merges: FileLike | undefined): Record<string, FileLike> {
  if (merges !== undefined) return { "vocab.json": tokenizer, "merges.txt": merges };
  const head = headOf(tokenizer);
  if (head === undefined) return { "tokenizer.model": tokenizer };
  const first = head.trimStart()[0];
  if (first === "{")
    return /"model"\s*:\s*\{/.test(head) || /"added_tokens"/.test(head)
      ? { "tokenizer.json": tokenizer }
      : { "vocab.json": tokenizer };
  return head.startsWith("\n") ? { "tokenizer.model": tokenizer } : { "vocab.txt": tokenizer };
}

/** The beginning of a text, or undefined when it is not one. */
function headOf(file: FileLike): string | undefined {
  if (typeof file === "string") return file.slice(0, 4096);
  const bytes = file instanceof ArrayBuffer ? new Uint8Array(file) : file instanceof Uint8Array ? file : undefined;
  if (!bytes) return undefined;
  return new TextDecoder().decode(bytes.subarray(0, 4096));
}
