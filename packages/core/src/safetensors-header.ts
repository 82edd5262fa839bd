import { type Dtype, dtypeNames, tensorBytes } from "./dtypes.ts";
import { SafetensorsError } from "./errors.ts";
import { kindOfFile } from "./file-kind.ts";
import { JsonScanner } from "./json-scanner.ts";
import { quote } from "./json-strings.ts";
import { readExactly, type Source } from "./source.ts";

/** A tensor of a file, as its header has it. */
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

/** What the header of a `.safetensors` file says. */
export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the header ends and the data begins. */
  readonly dataBegin: number;
  readonly fileSize: number;
}

/** Options of whatever reads a header. */
export interface HeaderOptions {
  /** The largest header to read, never more than the format's 100 MB. Default `headerLimits.browser`. */
  readonly maxHeaderBytes?: number;
}

/** Options of `parseHeader`. */
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
  const isText = bytes.subarray(0, LENGTH_BYTES).every((byte) => byte > 8 && byte < 127);
  const kind = kindOfFile(bytes) ?? (isText ? "a text file" : undefined);
  if (kind === undefined) return;
  throw new SafetensorsError("not-safetensors", `${file}: expected a safetensors file, got ${kind}`, { file, kind });
}

function parseJson(prefix: Uint8Array, json: Uint8Array, file: string, fileSize: number): SafetensorsHeader {
  // Eight bytes of something else may happen to be a length that fits, but then no object follows.
  const first = json[0];
  if (first !== 0x7b && first !== 0x20) refuseOtherKinds(prefix, file);
  return parseObject(json, file, fileSize);
}

/**
 * Checks all of the JSON, and only then makes the tensors' records: a header that is refused costs little more than the names.
 *
 * A tensor is checked as soon as it is read, the layout of all of them at the end.
 */
function parseObject(json: Uint8Array, file: string, fileSize: number): SafetensorsHeader {
  const tensors = new Map<string, TensorInfo | undefined>();
  const metadata = new Map<string, string>();
  const dataBegin = LENGTH_BYTES + json.length;
  const dataSize = fileSize - dataBegin;
  const capacity = Math.min(MAX_TENSORS, Math.floor(json.length / SHORTEST_TENSOR));
  // By the index of the tensor: where its data begins and ends, its dtype, and where in the JSON its shape begins.
  const begins = new Float64Array(capacity);
  const ends = new Float64Array(capacity);
  const dtypes = new Uint8Array(capacity);
  const shapes = new Uint32Array(capacity);
  let totalBytes = 0;
  let metadataSeen = false;
  // What is being read, for messages.
  let noun = "";
  let subject: string | undefined;
  // The tensor being read.
  let dtype = -1;
  let shapePosition = -1;
  let rank = 0;
  const axes: number[] = new Array(MAX_RANK).fill(0);
  let offsets = 0;
  let begin = 0;
  let end = 0;
  const otherFields: string[] = [];

  const where = () =>
    subject === undefined ? undefined : { text: `${noun} ${quote(subject)}`, fields: { [noun]: subject } };
  const scanner = new JsonScanner(json, {
    file,
    base: LENGTH_BYTES,
    maxDepth: MAX_DEPTH,
    error: SafetensorsError,
    where,
  });
  scanner.document((name) => {
    if (name === "__metadata__") readMetadata();
    else readTensor(name);
    subject = undefined;
  });
  const dataEnd = checkLayout();
  if (dataSize !== Number.POSITIVE_INFINITY && dataEnd !== dataSize) {
    const expected = `a file of ${dataBegin + dataEnd} bytes, where its last tensor ends`;
    scanner.fail("trailing-bytes", expected, `${dataBegin + dataSize}`);
  }
  return { tensors: records(), metadata, dataBegin, fileSize: dataBegin + dataEnd };

  function records(): ReadonlyMap<string, TensorInfo> {
    let index = 0;
    for (const name of tensors.keys()) {
      scanner.position = shapes[index];
      readAxes();
      tensors.set(name, {
        name,
        dtype: dtypeNames[dtypes[index]],
        shape: axes.slice(0, rank),
        begin: dataBegin + begins[index],
        end: dataBegin + ends[index],
        file,
      });
      index++;
    }
    return tensors as ReadonlyMap<string, TensorInfo>;
  }

  function readMetadata(): void {
    if (metadataSeen) scanner.fail("duplicate-metadata", "__metadata__ once", "it again");
    metadataSeen = true;
    // The reference takes null for none.
    if (scanner.peek() === LETTER_N && scanner.scalar() === null) return;
    noun = "metadata";
    scanner.object((key) => {
      subject = key;
      if (metadata.has(key)) scanner.fail("duplicate-metadata", "each key once", "it again");
      if (metadata.size === MAX_TENSORS) {
        scanner.fail("too-much-metadata", `at most ${MAX_TENSORS} metadata entries`, "more");
      }
      metadata.set(key, scanner.string());
    });
  }

  function readTensor(name: string): void {
    noun = "tensor";
    subject = name;
    const index = tensors.size;
    tensors.set(name, undefined);
    if (tensors.size === index) scanner.fail("duplicate-tensor", "each tensor once", "it again");
    if (index === MAX_TENSORS) scanner.fail("too-many-tensors", `at most ${MAX_TENSORS} tensors`, "more");
    dtype = shapePosition = -1;
    offsets = 0;
    otherFields.length = 0;
    scanner.object(readField);
    if (dtype < 0) missing("dtype");
    if (shapePosition < 0) missing("shape");
    if (offsets === 0) missing("data_offsets");
    checkSize();
    begins[index] = begin;
    ends[index] = end;
    dtypes[index] = dtype;
    shapes[index] = shapePosition;
    totalBytes += end - begin;
    // More bytes than there are: two tensors overlap, and a header full of such tensors is not read to its end.
    if (totalBytes > dataSize) checkLayout();
  }

  function readField(field: string): void {
    if (field === "dtype") readDtype();
    else if (field === "shape") readShape();
    else if (field === "data_offsets") readOffsets();
    else readOther(field);
  }

  function readDtype(): void {
    if (dtype >= 0) scanner.duplicate("dtype");
    const name = scanner.string();
    dtype = dtypeNames.indexOf(name as Dtype);
    if (dtype < 0) scanner.fail("unknown-dtype", "a dtype of the format", quote(name));
  }

  function readShape(): void {
    if (shapePosition >= 0) scanner.duplicate("shape");
    shapePosition = scanner.position;
    readAxes();
  }

  function readAxes(): void {
    rank = 0;
    scanner.array(readAxis);
  }

  function readAxis(index: number): void {
    if (index === MAX_RANK) scanner.fail("rank-too-large", `a shape of at most ${MAX_RANK} axes`, "more");
    axes[index] = scanner.integer();
    rank = index + 1;
  }

  function readOffsets(): void {
    if (offsets > 0) scanner.duplicate("data_offsets");
    scanner.array(readOffset);
    if (offsets !== 2) scanner.fail("bad-offsets", "two data_offsets", `${offsets}`);
  }

  function readOffset(index: number): void {
    if (index === 2) scanner.fail("bad-offsets", "two data_offsets", "more");
    if (index === 0) begin = scanner.integer();
    else end = scanner.integer();
    offsets = index + 1;
  }

  /** The reference passes over fields it does not know, so they are checked and passed over. */
  function readOther(field: string): void {
    if (otherFields.includes(field)) scanner.duplicate(field);
    if (otherFields.length === MAX_OTHER_FIELDS) {
      scanner.fail("too-many-fields", `at most ${MAX_OTHER_FIELDS} fields beside those of the format`, "more");
    }
    otherFields.push(field);
    scanner.skip();
  }

  function missing(field: string): never {
    return scanner.fail("missing-field", `the field ${field}`, "none");
  }

  function checkSize(): void {
    if (begin > end) scanner.fail("bad-offsets", "data_offsets in order", `[${begin}, ${end}]`);
    if (end > dataSize) {
      const expected = `data within the ${dataSize} bytes that follow the header`;
      scanner.fail("past-end", expected, `data up to byte ${end} (file cut short?)`);
    }
    const size = tensorBytes(dtypeNames[dtype], axes, rank);
    if (size === end - begin) return;
    const shown = `${dtypeNames[dtype]} of shape [${axes.slice(0, rank).join(", ")}]`;
    if (size === undefined) scanner.fail("shape-overflow", "a size below 2^53 bytes", shown);
    if (Number.isNaN(size)) scanner.fail("partial-byte", "whole bytes", shown);
    scanner.fail("wrong-size", `${size} bytes for ${shown}`, `${end - begin}`);
  }

  /** Tensors must lie one behind the other from the first byte of the data; gives where the last one ends. */
  function checkLayout(): number {
    const order = new Uint32Array(tensors.size).map((_, index) => index);
    const follows = (index: number) => index === 0 || ends[index - 1] <= begins[index];
    if (!order.every(follows)) order.sort((a, b) => begins[a] - begins[b] || ends[a] - ends[b]);
    let reached = 0;
    for (let place = 0; place < order.length; place++) {
      if (begins[order[place]] !== reached) failLayout(order[place], order[place - 1]);
      reached = ends[order[place]];
    }
    return reached;
  }

  function failLayout(index: number, before: number | undefined): never {
    const names = [...tensors.keys()];
    noun = "tensor";
    subject = names[index];
    const reached = before === undefined ? 0 : ends[before];
    const place = before === undefined ? "the data begins" : `tensor ${quote(names[before])} ends`;
    const code = begins[index] < reached ? "overlap" : "hole";
    return scanner.fail(code, `data from byte ${reached}, where ${place}`, `byte ${begins[index]}`);
  }
}
