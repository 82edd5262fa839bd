const signatures: readonly (readonly [prefix: string, kind: string])[] = [
  ["version ", "a Git LFS pointer (run `git lfs pull`, or download the file itself)"],
  ["# xet ve", "a Xet pointer (download the file itself)"],
  ["\x1f\x8b", "a gzip archive"],
  ["\x28\xb5\x2f\xfd", "a zstd archive"],
  ["PK\x03\x04", "a zip archive (PyTorch's .bin and .pt files are)"],
  ["PK\x05\x06", "an empty zip archive"],
  ["\x80\x02", "a Python pickle"],
  ["\x80\x03", "a Python pickle"],
  ["\x80\x04", "a Python pickle"],
  ["\x80\x05", "a Python pickle"],
  ["GGUF", "a GGUF file"],
  ["\x89HDF", "an HDF5 file"],
];

/** What a file that is not the expected one really is, judged by its first eight bytes; `undefined` when they say nothing. */
export function kindOfFile(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 8));
  for (const [prefix, kind] of signatures) if (start.startsWith(prefix)) return kind;
  const text = start.replace(/^\xef\xbb\xbf/, "").trimStart();
  if (text.startsWith("<?xml")) return "an XML page (often a server's error message)";
  if (/^<[!a-z]/i.test(text)) return "an HTML page (often a server's error or login page)";
  return undefined;
}
