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
  return new IndexParser(await readAll(source, { maxBytes, error, signal: options.signal })).parse();
}

class IndexParser {
  readonly #shardOf = new Map<string, string>();
  readonly #seen = new Set<string>();
  readonly #shards = new Set<string>();
  readonly #scanner: JsonScanner;
  #totalSize: number | undefined;
  #tensor: string | undefined;

  constructor(bytes: Uint8Array) {
    const kind = kindOfFile(bytes);
    if (kind) {
      const message = `${INDEX_FILE}: expected a JSON object, got ${kind}`;
      throw new SafetensorsError("not-json", message, { file: INDEX_FILE, kind });
    }
    this.#scanner = new JsonScanner(bytes, {
      file: INDEX_FILE,
      error: (code, message, fields) => new SafetensorsError(code, message, fields),
      where: () => {
        if (this.#tensor === undefined) return undefined;
        return { text: `tensor ${quote(this.#tensor)}`, fields: { tensor: this.#tensor } };
      },
    });
  }

  parse(): ShardIndex {
    const [scanner, seen, shardOf] = [this.#scanner, this.#seen, this.#shardOf];
    scanner.document((field) => {
      if (seen.has(field)) scanner.fail("duplicate-field", "each field once", `${quote(field)} again`);
      if (seen.size === MAX_FIELDS) scanner.fail("too-many-fields", `at most ${MAX_FIELDS} fields`, "more");
      seen.add(field);
      if (field === "weight_map") scanner.object((name) => this.#readEntry(name));
      else if (field === "metadata" && scanner.startsObject()) scanner.object((key) => this.#readMetadata(key));
      else scanner.skip();
      this.#tensor = undefined;
    });
    if (!seen.has("weight_map")) scanner.fail("missing-field", "the field weight_map", "none");
    return { shards: [...this.#shards].sort(), shardOf, totalSize: this.#totalSize };
  }

  #readEntry(name: string): void {
    const [scanner, shardOf] = [this.#scanner, this.#shardOf];
    this.#tensor = name;
    if (shardOf.has(name)) scanner.fail("duplicate-tensor", "each tensor once", "it again");
    if (shardOf.size === MAX_TENSORS) scanner.fail("too-many-tensors", `at most ${MAX_TENSORS} tensors`, "more");
    const shard = scanner.string();
    if (!this.#shards.has(shard)) {
      const plain = shardName.test(shard) && !deviceName.test(shard);
      if (!plain) scanner.fail("bad-shard-name", "a plain file name that ends in .safetensors", quote(shard));
      this.#shards.add(shard);
    }
    shardOf.set(name, shard);
  }

  /** Only `total_size` says something, and only about the files, so anything else is passed over. */
  #readMetadata(key: string): void {
    const scanner = this.#scanner;
    if (key !== "total_size" || scanner.startsObject() || scanner.startsArray()) {
      scanner.skip();
      return;
    }
    if (this.#totalSize !== undefined) scanner.fail("duplicate-field", "each field once", `${quote(key)} again`);
    const size = scanner.scalar();
    if (typeof size === "number") this.#totalSize = size;
  }
}
