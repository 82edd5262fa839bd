import { type Source, SourceError } from "@kiloformer/core";

/** Where there is no file system, folders cannot be opened. */
export function readDirectory(
  directory: string | URL,
): Promise<{ files: ReadonlyMap<string, Source>; close(): Promise<void> }> {
  const message = `${directory}: expected a runtime with a file system, got none; use fromFiles with Blobs, bytes or responses`;
  return Promise.reject(new SourceError("no-file-system", message, { directory: String(directory) }));
}
