import { type Dtype, dtypeNames, tensorBytes } from "./dtypes.ts";
import { SafetensorsError } from "./errors.ts";
import { kindOfFile } from "./file-kind.ts";
import { JsonScanner } from "./json-scanner.ts";
import { quote } from "./json-strings.ts";
import { readExactly, type Source } from "./source.ts";

export interface TensorInfo {
  /** Any text: a key, never a path. */
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Absolute byte offset of the first byte in the file. */
  readonly begin: number;
  /** Absolute byte offset behind the last byte in the file. */
  readonly end: number;
  /** Name of the file that holds the tensor. */
  readonly file: string;
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the header ends and the data begins. */
  readonly dataBegin: number;
  readonly fileSize: number;
}

export interface HeaderOptions {
  /** The largest header to read, never more than the format's 100 MB. Default `headerLimits.browser`. */
  readonly maxHeaderBytes?: number;
}

export interface ParseHeaderOptions extends HeaderOptions {
  readonly file: string;
  /** The size of the whole file; `Infinity` if it is not known, and then what the header says. */
  readonly fileSize: number;
}

/** What each platform should pass as `maxHeaderBytes`: a header of N bytes takes up to 3 N more while it is read. */
export const headerLimits = { node: 100_000_000, browser: 25_000_000, worker: 8_000_000 } as const;

/** The most tensors, and the most metadata entries, of one checkpoint. */
export const MAX_TENSORS = 200_000;
const MAX_RANK = 16;
/** Nesting as deep as the reference accepts it. */
const MAX_DEPTH = 127;
/** Fields of a tensor beside the three of the format, which the reference passes over. */
const MAX_OTHER_FIELDS = 16;
const LENGTH_BYTES = 8;
const LETTER_N = 0x6e;
/** `"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}` and the comma: no more tensors than this allows fit in a header. */
const SHORTEST_TENSOR = 48;

/**
 * Parses the start of a `.safetensors` file: its first 8 + N bytes, or more of it, up to the whole file.
 *
 * Every rule of the format is checked, against `fileSize` too: what it returns can be read without a further check.
 * @throws {SafetensorsError} naming the file, and the tensor if one is to blame
 */
export function parseHeader(bytes: Uint8Array, options: ParseHeaderOptions): SafetensorsHeader {
  const fileSize = bytes.length < LENGTH_BYTES ? bytes.length : options.fileSize;
  const length = headerLength(bytes, { ...options, fileSize });
  const dataBegin = LENGTH_BYTES + length;
  if (bytes.length < dataBegin) failHeaderEnd(options.file, dataBegin, bytes.length);
  return parseJson(bytes, bytes.subarray(LENGTH_BYTES, dataBegin), options.file, fileSize);
}

/**
 * Reads and parses the header of a source: 8 bytes, then N.
 * @throws {SafetensorsError} as `parseHeader`; SourceError as the source throws it; the signal's reason
 */
export async function readHeader(
  source: Source,
  options: HeaderOptions & { readonly file?: string; readonly signal?: AbortSignal } = {},
): Promise<SafetensorsHeader> {
  const { signal, file = source.name } = options;
  signal?.throwIfAborted();
  const prefix =
    source.size < LENGTH_BYTES ? new Uint8Array(source.size) : await readExactly(source, 0, LENGTH_BYTES, signal);
  const length = headerLength(prefix, { ...options, file, fileSize: source.size });
  const json = await readExactly(source, LENGTH_BYTES, length, signal);
  const header = parseJson(prefix, json, file, source.size);
  await source.expectSize?.(header.fileSize, signal);
  return header;
}

/** The N of the first eight bytes. */
function headerLength(bytes: Uint8Array, { file, fileSize, maxHeaderBytes }: ParseHeaderOptions): number {
  if (fileSize < LENGTH_BYTES) {
    const message = `${file}: expected at least ${LENGTH_BYTES} bytes, got ${fileSize}`;
    throw new SafetensorsError("header-too-small", message, { file, expected: LENGTH_BYTES, actual: fileSize });
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  const limit = Math.min(maxHeaderBytes ?? headerLimits.browser, headerLimits.node);
  if (length === 0n) {
    throw new SafetensorsError("header-empty", `${file}: expected a header, got one of 0 bytes`, { file });
  }
  // Compared as it is: a length above 2^32 must not be cut to 32 bits.
  if (!(length <= limit)) {
    refuseOtherKinds(bytes, file);
    const message = `${file}: expected a header of at most ${limit} bytes, got ${length}`;
    throw new SafetensorsError("header-too-large", message, { file, expected: limit, actual: length });
  }
  const end = LENGTH_BYTES + Number(length);
  if (end > fileSize) {
    refuseOtherKinds(bytes, file);
    failHeaderEnd(file, end, fileSize);
  }
  return Number(length);
}

function failHeaderEnd(file: string, end: number, size: number): never {
  const message = `${file}: expected a header that ends at byte ${end}, got a file of ${size} bytes (cut short?)`;
  throw new SafetensorsError("header-past-end", message, { file, expected: end, actual: size });
}

function refuseOtherKinds(bytes: Uint8Array, file: string): void {
  // No header is as long as eight printable characters would say.
  const isText =
    bytes.length >= LENGTH_BYTES && bytes.subarray(0, LENGTH_BYTES).every((byte) => byte > 8 && byte < 127);
  const kind = kindOfFile(bytes) ?? (isText ? "a text file" : undefined);
  if (kind === undefined) return;
  throw new SafetensorsError("not-safetensors", `${file}: expected a safetensors file, got ${kind}`, { file, kind });
}

function parseJson(prefix: Uint8Array, json: Uint8Array, file: string, fileSize: number): SafetensorsHeader {
  // Eight bytes of something else may happen to be a length that fits, but then no object follows.
  const first = json[0];
  if (first !== 0x7b && first !== 0x20) refuseOtherKinds(prefix, file);
  return new HeaderParser(json, file, fileSize).parse();
}

/**
 * Checks all of the JSON, and only then makes the tensors' records: a header that is refused costs little more than the names.
 *
 * A tensor is checked as soon as it is read, the layout of all of them at the end.
 */
class HeaderParser {
  readonly #tensors = new Map<string, TensorInfo | undefined>();
  readonly #metadata = new Map<string, string>();
  /** By the index of the tensor: where its data begins and ends, its dtype, and where in the JSON its shape begins. */
  readonly #begins: Float64Array;
  readonly #ends: Float64Array;
  readonly #dtypes: Uint8Array;
  readonly #shapes: Uint32Array;
  readonly #scanner: JsonScanner;
  readonly #file: string;
  readonly #dataBegin: number;
  readonly #dataSize: number;
  /** What is being read, for messages. */
  #noun = "";
  #name: string | undefined;
  #metadataSeen = false;
  #totalBytes = 0;
  /** The tensor being read. */
  #dtype = -1;
  #shapePosition = -1;
  #rank = 0;
  readonly #axes: number[] = new Array(MAX_RANK).fill(0);
  #offsets = 0;
  #begin = 0;
  #end = 0;
  #otherFields: string[] = [];

  constructor(json: Uint8Array, file: string, fileSize: number) {
    this.#file = file;
    this.#dataBegin = LENGTH_BYTES + json.length;
    this.#dataSize = fileSize - this.#dataBegin;
    const capacity = Math.min(MAX_TENSORS, Math.floor(json.length / SHORTEST_TENSOR));
    this.#begins = new Float64Array(capacity);
    this.#ends = new Float64Array(capacity);
    this.#dtypes = new Uint8Array(capacity);
    this.#shapes = new Uint32Array(capacity);
    this.#scanner = new JsonScanner(json, {
      file,
      base: LENGTH_BYTES,
      maxDepth: MAX_DEPTH,
      error: SafetensorsError,
      where: () => {
        if (this.#name === undefined) return undefined;
        return { text: `${this.#noun} ${quote(this.#name)}`, fields: { [this.#noun]: this.#name } };
      },
    });
  }

  parse(): SafetensorsHeader {
    this.#scanner.document((name) => {
      if (name === "__metadata__") this.#readMetadata();
      else this.#readTensor(name);
      this.#name = undefined;
    });
    const end = this.#checkLayout();
    const [dataBegin, dataSize, metadata] = [this.#dataBegin, this.#dataSize, this.#metadata];
    if (dataSize !== Number.POSITIVE_INFINITY && end !== dataSize) {
      const expected = `a file of ${dataBegin + end} bytes, where its last tensor ends`;
      this.#scanner.fail("trailing-bytes", expected, `${dataBegin + dataSize}`);
    }
    return { tensors: this.#records(), metadata, dataBegin, fileSize: dataBegin + end };
  }

  #records(): ReadonlyMap<string, TensorInfo> {
    const [tensors, dataBegin, file] = [this.#tensors, this.#dataBegin, this.#file];
    let index = 0;
    for (const name of tensors.keys()) {
      this.#scanner.position = this.#shapes[index];
      this.#readAxes();
      tensors.set(name, {
        name,
        dtype: dtypeNames[this.#dtypes[index]],
        shape: this.#axes.slice(0, this.#rank),
        begin: dataBegin + this.#begins[index],
        end: dataBegin + this.#ends[index],
        file,
      });
      index++;
    }
    return tensors as ReadonlyMap<string, TensorInfo>;
  }

  #readMetadata(): void {
    const scanner = this.#scanner;
    if (this.#metadataSeen) scanner.fail("duplicate-metadata", "__metadata__ once", "it again");
    this.#metadataSeen = true;
    // The reference takes null for none.
    if (scanner.peek() === LETTER_N && scanner.scalar() === null) return;
    this.#noun = "metadata";
    scanner.object((key) => {
      this.#name = key;
      if (this.#metadata.has(key)) scanner.fail("duplicate-metadata", "each key once", "it again");
      if (this.#metadata.size === MAX_TENSORS) {
        scanner.fail("too-much-metadata", `at most ${MAX_TENSORS} metadata entries`, "more");
      }
      this.#metadata.set(key, scanner.string());
    });
  }

  #readTensor(name: string): void {
    const scanner = this.#scanner;
    this.#noun = "tensor";
    this.#name = name;
    const index = this.#tensors.size;
    this.#tensors.set(name, undefined);
    if (this.#tensors.size === index) scanner.fail("duplicate-tensor", "each tensor once", "it again");
    if (index === MAX_TENSORS) scanner.fail("too-many-tensors", `at most ${MAX_TENSORS} tensors`, "more");
    this.#dtype = -1;
    this.#shapePosition = -1;
    this.#offsets = 0;
    if (this.#otherFields.length > 0) this.#otherFields = [];
    scanner.object(this.#readField);
    if (this.#dtype < 0) this.#missing("dtype");
    if (this.#shapePosition < 0) this.#missing("shape");
    if (this.#offsets === 0) this.#missing("data_offsets");
    const [dtype, begin, end] = [this.#dtype, this.#begin, this.#end];
    this.#checkSize(dtypeNames[dtype], begin, end);
    this.#begins[index] = begin;
    this.#ends[index] = end;
    this.#dtypes[index] = dtype;
    this.#shapes[index] = this.#shapePosition;
    this.#totalBytes += end - begin;
    // More bytes than there are: two tensors overlap, and a header full of such tensors is not read to its end.
    if (this.#totalBytes > this.#dataSize) this.#checkLayout();
  }

  readonly #readField = (field: string): void => {
    if (field === "dtype") this.#readDtype();
    else if (field === "shape") this.#readShape();
    else if (field === "data_offsets") this.#readOffsets();
    else this.#readOther(field);
  };

  #readDtype(): void {
    if (this.#dtype >= 0) this.#scanner.duplicate("dtype");
    const name = this.#scanner.string();
    this.#dtype = dtypeNames.indexOf(name as Dtype);
    if (this.#dtype < 0) this.#scanner.fail("unknown-dtype", "a dtype of the format", quote(name));
  }

  #readShape(): void {
    if (this.#shapePosition >= 0) this.#scanner.duplicate("shape");
    this.#shapePosition = this.#scanner.position;
    this.#readAxes();
  }

  #readAxes(): void {
    this.#rank = 0;
    this.#scanner.array(this.#readAxis);
  }

  readonly #readAxis = (index: number): void => {
    if (index === MAX_RANK) this.#scanner.fail("rank-too-large", `a shape of at most ${MAX_RANK} axes`, "more");
    this.#axes[index] = this.#scanner.integer();
    this.#rank = index + 1;
  };

  #readOffsets(): void {
    if (this.#offsets > 0) this.#scanner.duplicate("data_offsets");
    this.#scanner.array(this.#readOffset);
    if (this.#offsets !== 2) this.#scanner.fail("bad-offsets", "two data_offsets", `${this.#offsets}`);
  }

  readonly #readOffset = (index: number): void => {
    if (index === 2) this.#scanner.fail("bad-offsets", "two data_offsets", "more");
    if (index === 0) this.#begin = this.#scanner.integer();
    else this.#end = this.#scanner.integer();
    this.#offsets = index + 1;
  };

  /** The reference passes over fields it does not know, so they are checked and passed over. */
  #readOther(field: string): void {
    if (this.#otherFields.includes(field)) this.#scanner.duplicate(field);
    if (this.#otherFields.length === MAX_OTHER_FIELDS) {
      this.#scanner.fail("too-many-fields", `at most ${MAX_OTHER_FIELDS} fields beside those of the format`, "more");
    }
    this.#otherFields.push(field);
    this.#scanner.skip();
  }

  #missing(field: string): never {
    return this.#scanner.fail("missing-field", `the field ${field}`, "none");
  }

  #checkSize(dtype: Dtype, begin: number, end: number): void {
    const scanner = this.#scanner;
    if (begin > end) scanner.fail("bad-offsets", "data_offsets in order", `[${begin}, ${end}]`);
    if (end > this.#dataSize) {
      const expected = `data within the ${this.#dataSize} bytes that follow the header`;
      scanner.fail("past-end", expected, `data up to byte ${end} (file cut short?)`);
    }
    const size = tensorBytes(dtype, this.#axes, this.#rank);
    if (size === end - begin) return;
    const shape = this.#axes.slice(0, this.#rank);
    const shown = `${dtype} of shape [${shape.join(", ")}]`;
    if (size === undefined) scanner.fail("shape-overflow", "a size below 2^53 bytes", shown);
    if (Number.isNaN(size)) scanner.fail("partial-byte", "whole bytes", shown);
    scanner.fail("wrong-size", `${size} bytes for ${shown}`, `${end - begin}`);
  }

  /** Tensors must lie one behind the other from the first byte of the data; gives where the last one ends. */
  #checkLayout(): number {
    const [begins, ends] = [this.#begins, this.#ends];
    const order = new Uint32Array(this.#tensors.size).map((_, index) => index);
    const follows = (index: number) => index === 0 || ends[index - 1] <= begins[index];
    if (!order.every(follows)) order.sort((a, b) => begins[a] - begins[b] || ends[a] - ends[b]);
    let end = 0;
    for (let place = 0; place < order.length; place++) {
      if (begins[order[place]] !== end) this.#failLayout(order[place], order[place - 1]);
      end = ends[order[place]];
    }
    return end;
  }

  #failLayout(index: number, before: number | undefined): never {
    const names = [...this.#tensors.keys()];
    this.#noun = "tensor";
    this.#name = names[index];
    const begin = this.#begins[index];
    const end = before === undefined ? 0 : this.#ends[before];
    const place = before === undefined ? "the data begins" : `tensor ${quote(names[before])} ends`;
    return this.#scanner.fail(
      begin < end ? "overlap" : "hole",
      `data from byte ${end}, where ${place}`,
      `byte ${begin}`,
    );
  }
}
