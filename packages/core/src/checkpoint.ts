import { SafetensorsError } from "./errors.ts";
import { listNames, quote } from "./json-strings.ts";
import { type HeaderOptions, readHeader, type SafetensorsHeader, type TensorInfo } from "./safetensors-header.ts";
import { INDEX_FILE, readIndex, type ShardIndex } from "./safetensors-index.ts";
import { readExactly, type Source } from "./source.ts";

const SINGLE_FILE = "model.safetensors";
/** Headers are read this many at a time: over a network, one after the other would take a round trip each. */
const HEADERS_AT_ONCE = 8;

/** Options of `Checkpoint.open`. */
export interface CheckpointOptions extends HeaderOptions {
  readonly signal?: AbortSignal;
  /** Told about files that are passed over and a wrong `total_size`. */
  readonly onWarning?: (message: string) => void;
}

/** Tensors by name, and the bytes of one. */
export interface TensorReader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  read(name: string, signal?: AbortSignal): Promise<Uint8Array>;
}

/** The weights of one model: one `.safetensors` file, or an index and its shards. */
export class Checkpoint implements TensorReader {
  /** Every tensor of every weight file, by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The metadata of all weight files; where they differ, of the first. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The weight files in use, sorted by name. */
  readonly files: readonly string[];
  readonly #sources: ReadonlyMap<string, Source>;

  private constructor(sources: ReadonlyMap<string, Source>, headers: ReadonlyMap<string, SafetensorsHeader>) {
    const all = [...headers.values()];
    this.tensors = all.length === 1 ? all[0].tensors : new Map(all.flatMap(({ tensors }) => [...tensors]));
    this.metadata = new Map(all.flatMap(({ metadata }) => [...metadata]).reverse());
    this.files = [...headers.keys()];
    this.#sources = new Map(this.files.map((file) => [file, sources.get(file)!]));
  }

  /**
   * Opens the weights among a model's files, by file name, and reads their headers only.
   *
   * As transformers does, it takes `model.safetensors` first, then `model.safetensors.index.json` with its shards; then the
   * only `.safetensors` file there is.
   * @throws {SafetensorsError} `no-weights`, `several-weights`, `shard-missing`, `tensor-missing-from-shard`,
   *   `tensor-in-two-shards`, `tensor-not-in-index`, and the codes of `readHeader` and of the index; SourceError as a source
   *   throws it; the signal's reason
   */
  static async open(files: ReadonlyMap<string, Source>, options: CheckpointOptions = {}): Promise<Checkpoint> {
    const weights = [...files.keys()].filter((name) => name.endsWith(".safetensors")).sort();
    const indexSource = files.get(INDEX_FILE);
    if (indexSource && !files.has(SINGLE_FILE)) return Checkpoint.#openShards(files, indexSource, weights, options);
    const file = files.has(SINGLE_FILE) ? SINGLE_FILE : onlyOne(weights, files);
    const unused = [...weights.filter((name) => name !== file), ...(indexSource ? [INDEX_FILE] : [])];
    warnUnused(unused, `${file} is there`, options);
    return new Checkpoint(files, await readHeaders(files, [file], options));
  }

  static async #openShards(
    files: ReadonlyMap<string, Source>,
    indexSource: Source,
    weights: readonly string[],
    options: CheckpointOptions,
  ): Promise<Checkpoint> {
    const index = await readIndex(indexSource, options);
    const missing = index.shards.filter((shard) => !files.has(shard));
    refuseAll("shard-missing", "every shard it names", "no", missing);
    const unused = weights.filter((name) => !index.shards.includes(name));
    const headers = await readHeaders(files, index.shards, options);
    compare(index, headers);
    warnUnused(unused, `${INDEX_FILE} does not name them`, options);
    warnTotalSize(index, headers, options);
    return new Checkpoint(files, headers);
  }

  /**
   * The source of one of `files`.
   * @throws {SafetensorsError} `unknown-file`
   */
  source(file: string): Source {
    const source = this.#sources.get(file);
    if (source) return source;
    const message = `checkpoint: expected one of its files ${listNames(this.files)}, got ${quote(file)}`;
    throw new SafetensorsError("unknown-file", message, { file });
  }

  /**
   * Reads the bytes of one tensor of any dtype.
   * @throws {SafetensorsError} `unknown-tensor`; SourceError as the source throws it; the signal's reason
   */
  async read(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    const info = this.tensors.get(name);
    if (!info) {
      const message = `${this.files.join(", ")}: expected a tensor of the file, got ${quote(name)}`;
      throw new SafetensorsError("unknown-tensor", message, { tensor: name });
    }
    return readExactly(this.source(info.file), info.begin, info.end - info.begin, signal);
  }

  /** Closes the sources of `files`. */
  async close(): Promise<void> {
    await Promise.all([...this.#sources.values()].map((source) => source.close?.()));
  }
}

function onlyOne(weights: readonly string[], files: ReadonlyMap<string, Source>): string {
  if (weights.length === 1) return weights[0];
  const names = weights.length > 0 ? weights : [...files.keys()];
  const code = weights.length > 0 ? "several-weights" : "no-weights";
  const expected = `${SINGLE_FILE}, ${INDEX_FILE} or one other .safetensors file`;
  const got = names.length > 0 ? listNames(names) : "no files";
  const pickle = names.find((name) => /\.(bin|pth?|ckpt)$/.test(name));
  const hint = pickle ? `; ${quote(pickle)} is a Python pickle, which transformers' save_pretrained writes anew` : "";
  throw new SafetensorsError(code, `checkpoint: expected ${expected}, got ${got}${hint}`, { names });
}

async function readHeaders(
  files: ReadonlyMap<string, Source>,
  names: readonly string[],
  options: CheckpointOptions,
): Promise<Map<string, SafetensorsHeader>> {
  const headers = new Map<string, SafetensorsHeader>();
  for (let begin = 0; begin < names.length; begin += HEADERS_AT_ONCE) {
    const batch = names.slice(begin, begin + HEADERS_AT_ONCE);
    const results = await Promise.allSettled(batch.map((file) => readHeader(files.get(file)!, { ...options, file })));
    for (const [index, result] of results.entries()) {
      if (result.status === "rejected") throw result.reason;
      headers.set(batch[index], result.value);
    }
  }
  return headers;
}

/** The index and the shards must name the same tensors, each in the same one shard. */
function compare({ shardOf }: ShardIndex, headers: ReadonlyMap<string, SafetensorsHeader>): void {
  const holds = (shard: string, name: string) => headers.get(shard)!.tensors.has(name);
  const missing = [...shardOf].filter(([name, shard]) => !holds(shard, name)).map(([name]) => name);
  refuseAll("tensor-missing-from-shard", "every tensor in the shard it names", "none there for", missing);
  const twice: string[] = [];
  const unlisted: string[] = [];
  for (const [shard, { tensors }] of headers) {
    for (const name of tensors.keys()) {
      const owner = shardOf.get(name);
      if (owner === undefined) unlisted.push(name);
      else if (owner !== shard) twice.push(name);
    }
  }
  refuseAll("tensor-in-two-shards", "every tensor in one shard", "two for", twice);
  refuseAll("tensor-not-in-index", "every tensor of its shards in it", "shards that also hold", unlisted);
}

function refuseAll(code: string, expected: string, got: string, names: readonly string[]): void {
  if (names.length === 0) return;
  const message = `${INDEX_FILE}: expected ${expected}, got ${got} ${listNames(names)}`;
  throw new SafetensorsError(code, message, { file: INDEX_FILE, names });
}

/** The same weights once more: as others than transformers name them, or in another precision. */
const copies = /^(consolidated[\w.-]*|model\.(fp16|fp32|bf16|float16|float32|bfloat16)[\w.-]*)\.safetensors$/;

function warnUnused(all: readonly string[], reason: string, { onWarning }: CheckpointOptions): void {
  const names = all.filter((name) => !copies.test(name));
  if (names.length > 0) onWarning?.(`checkpoint: ${listNames(names)} not read: ${reason}`);
}

function warnTotalSize(
  { totalSize }: ShardIndex,
  headers: ReadonlyMap<string, SafetensorsHeader>,
  { onWarning }: CheckpointOptions,
): void {
  const actual = [...headers.values()].reduce((sum, header) => sum + header.fileSize - header.dataBegin, 0);
  if (totalSize === undefined || totalSize === actual) return;
  onWarning?.(`${INDEX_FILE}: expected a total_size of ${actual}, got ${totalSize}`);
}
