import { bytesSource, kindOf, OptionError, readAll, type Source, toSource } from "@kiloformer/core";
import { show } from "../config.ts";

/** What a file of a model may be given as. */
export type FileLike = Parameters<typeof toSource>[1];
/** File name -> file, as a model's folder has them. */
export type ModelFiles = Readonly<Record<string, FileLike>> | ReadonlyMap<string, FileLike>;

/** Config and tokenizer files are read whole; the largest tokenizers published are about 40 MB. */
const SMALL_FILE_BYTES = 256 * 2 ** 20;

/**
 * @param made where sources go that are not the caller's own
 * @throws {OptionError} `bad-files`
 */
export function toSources(files: ModelFiles, made: Source[] = []): Map<string, Source> {
  if (typeof files !== "object" || files === null || ArrayBuffer.isView(files)) {
    throw new OptionError("bad-files", `files: expected an object of file names and contents, got ${show(files)}`);
  }
  const entries = kindOf(files) === "Map" ? [...(files as ReadonlyMap<string, FileLike>)] : Object.entries(files);
  const sources = new Map<string, Source>();
  for (const [name, value] of entries) {
    if (value === undefined || value === null) continue;
    const source = toSource(name, value);
    sources.set(name, source);
    if (source !== value) made.push(source);
  }
  return sources;
}

/** Runs something with the sources of files, and then closes those that were made for it: streams that were not read are cancelled. */
export async function withSources<T>(files: ModelFiles, use: (sources: Map<string, Source>) => Promise<T>): Promise<T> {
  const made: Source[] = [];
  try {
    return await use(toSources(files, made));
  } finally {
    closeSources(made);
  }
}

/** Closes sources that were made of files. Nobody waits for it: the end of a clone's stream is that of the other one. */
export function closeSources(made: readonly Source[]): void {
  for (const source of made) source.close?.().catch(() => {});
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

/** Gives the file that stands under "tokenizer" the name that a model's folder would have for it: content decides. */
export async function nameTokenizer(sources: Map<string, Source>, signal?: AbortSignal): Promise<void> {
  const file = await readSmallFile(sources, "tokenizer", signal);
  if (!file) return;
  sources.delete("tokenizer");
  const name = tokenizerName(new TextDecoder().decode(file.subarray(0, 4096)));
  sources.set(name, bytesSource(name, file));
}

/** @param head how it begins */
function tokenizerName(head: string): string {
  if (head.startsWith("\n")) return "tokenizer.model";
  if (!head.trimStart().startsWith("{")) return "vocab.txt";
  return /"model"\s*:\s*\{|"added_tokens"/.test(head) ? "tokenizer.json" : "vocab.json";
}
