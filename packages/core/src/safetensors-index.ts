import { SafetensorsError } from "./errors.ts";
import { kindOfFile } from "./file-kind.ts";
import { JsonScanner } from "./json-scanner.ts";
import { quote } from "./json-strings.ts";
import { type HeaderOptions, headerLimits, MAX_TENSORS } from "./safetensors-header.ts";
import { readAll, type Source } from "./source.ts";

export const INDEX_FILE = "model.safetensors.index.json";

/** Which shard holds which tensor. */
export interface ShardIndex {
  /** Sorted by name. */
  readonly shards: readonly string[];
  readonly shardOf: ReadonlyMap<string, string>;
  readonly totalSize: number | undefined;
}

/** A file beside the index: no folders, no drives, no schemes, no escapes. */
const shardName = /^\w[\w.-]*\.safetensors$/;
const MAX_FIELDS = 1000;
/** Names that Windows gives to devices, whatever follows the point. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)\./i;

/**
 * Reads `model.safetensors.index.json`, with the scanner and the limits of a header.
 * @throws {SafetensorsError} `index-too-large`, `not-json`, `missing-field`, `duplicate-field`, `duplicate-tensor`, `bad-shard-name`,
 *   `too-many-tensors`, and the scanner's codes; SourceError as the source throws it
 */
export async function readIndex(
  source: Source,
  options: HeaderOptions & { readonly signal?: AbortSignal } = {},
): Promise<ShardIndex> {
  const maxBytes = Math.min(options.maxHeaderBytes ?? headerLimits.browser, headerLimits.node);
  const error = (actual: number | string) => {
    const message = `${INDEX_FILE}: expected at most ${maxBytes} bytes, got ${actual}`;
    return new SafetensorsError("index-too-large", message, { file: INDEX_FILE, expected: maxBytes, actual });
  };
  return parseIndex(await readAll(source, { maxBytes, error, signal: options.signal }));
}

function parseIndex(bytes: Uint8Array): ShardIndex {
  const kind = kindOfFile(bytes);
  if (kind) {
    const message = `${INDEX_FILE}: expected a JSON object, got ${kind}`;
    throw new SafetensorsError("not-json", message, { file: INDEX_FILE, kind });
  }
  const shardOf = new Map<string, string>();
  const shards = new Set<string>();
  const seen = new Set<string>();
  let totalSize: number | undefined;
  let tensor: string | undefined;
  const where = () => (tensor === undefined ? undefined : { text: `tensor ${quote(tensor)}`, fields: { tensor } });
  const scanner = new JsonScanner(bytes, { file: INDEX_FILE, error: SafetensorsError, where });
  const readEntry = (name: string) => {
    tensor = name;
    if (shardOf.has(name)) scanner.fail("duplicate-tensor", "each tensor once", "it again");
    if (shardOf.size === MAX_TENSORS) scanner.fail("too-many-tensors", `at most ${MAX_TENSORS} tensors`, "more");
    const shard = scanner.string();
    if (!shards.has(shard) && (!shardName.test(shard) || deviceName.test(shard))) {
      scanner.fail("bad-shard-name", "a plain file name that ends in .safetensors", quote(shard));
    }
    shards.add(shard);
    shardOf.set(name, shard);
  };
  /** Only `total_size` says something, and only about the files, so anything else is passed over. */
  const readMetadata = (key: string) => {
    if (key !== "total_size" || scanner.startsObject() || scanner.startsArray()) {
      scanner.skip();
      return;
    }
    if (totalSize !== undefined) scanner.duplicate(key);
    const size = scanner.scalar();
    if (typeof size === "number") totalSize = size;
  };
  scanner.document((field) => {
    if (seen.has(field)) scanner.duplicate(field);
    if (seen.size === MAX_FIELDS) scanner.fail("too-many-fields", `at most ${MAX_FIELDS} fields`, "more");
    seen.add(field);
    if (field === "weight_map") scanner.object(readEntry);
    else if (field === "metadata" && scanner.startsObject()) scanner.object(readMetadata);
    else scanner.skip();
    tensor = undefined;
  });
  if (!seen.has("weight_map")) scanner.fail("missing-field", "the field weight_map", "none");
  return { shards: [...shards].sort(), shardOf, totalSize };
}
