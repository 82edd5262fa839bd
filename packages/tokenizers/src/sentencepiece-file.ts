import { mismatch, show } from "./errors.ts";
import { bytePiece, normalPiece, unknownPiece, userDefinedPiece, Vocabulary } from "./models/vocabulary.ts";
import { ProtobufReader } from "./protobuf.ts";
import { putUnits, utf8 } from "./utf8.ts";

// TrainerSpec.ModelType.
export const unigramType = 1;
export const bpeType = 2;
export const wordType = 3;
export const charType = 4;

/** How text is normalized: NormalizerSpec. */
export interface NormalizerSpec {
  readonly charsmap?: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
}

/** What a checked `.model` file says. */
export interface SentencePieceFile {
  readonly vocabulary: Vocabulary;
  readonly unkId: number;
  readonly userDefined: readonly string[];
  readonly modelType: number;
  readonly isSuffix: boolean;
  readonly byteFallback: boolean;
  readonly unkSurface: string;
  readonly bosPiece: string;
  readonly eosPiece: string;
  readonly padPiece: string;
  readonly normalizer: NormalizerSpec;
  /** What decoded text goes through. */
  readonly denormalizer: NormalizerSpec;
}

/**
 * Reads a SentencePiece `.model` file.
 * @param where the file's name, for messages
 * @throws {TokenizerError} `code: "file"` when the bytes are not such a file or end early, `"vocabulary"` when
 * SentencePiece refuses the pieces
 * @see sentencepiece src/sentencepiece_model.proto; src/model_interface.cc, ModelInterface::InitializePieces
 */
export function readSentencePieceFile(bytes: Uint8Array, where: string): SentencePieceFile {
  // No such file begins with a printable character, but web pages and pointers to files do.
  if (bytes.length === 0 || (bytes[0] > 0x2a && bytes[0] < 0x7f)) {
    throw mismatch("file", where, "a SentencePiece model", utf8.decode(bytes.subarray(0, 40)));
  }
  const vocabulary = new Vocabulary(bytes.length);
  const userDefined: string[] = [];
  let unkId = -1;
  let byteCount = 0;
  const { units } = vocabulary;
  let isInPiece = false;
  const here = (): string => (isInPiece ? `${where}: piece ${vocabulary.size}` : where);
  const file = new ProtobufReader(bytes, here);
  const inner = new ProtobufReader(bytes, here);

  const readPiece = (): void => {
    let length = 0;
    let score = 0;
    let type = normalPiece;
    while (inner.next()) {
      const { field, value, begin, end } = inner;
      if (field === 2) score = value;
      else if (field === 3) type = value;
      else if (field === 1) {
        length = putUnits(bytes, begin, end, units);
        if (length < 0) throw mismatch("file", here(), "UTF-8", bytes[~length]);
      }
    }
    const id = vocabulary.size;
    vocabulary.add(length, score, type);
    const isRare = type !== normalPiece || length === 0 || Number.isNaN(score);
    if (isRare) checkPiece(id);
  };

  const checkPiece = (id: number): void => {
    const piece = vocabulary.idToToken(id) as string;
    const score = vocabulary.scores[id];
    const type = vocabulary.typeOf(id);
    const error = (code: "file" | "vocabulary", expected: string, got = show(piece)): Error =>
      mismatch(code, `${where}: piece ${id}`, expected, piece, got);
    if (piece === "" || Number.isNaN(score) || !(type >= 1 && type <= 6)) {
      throw error("file", "a text, a score and a type from 1 to 6", `${show(piece)}, ${score}, ${type}`);
    }
    if (type === userDefinedPiece) userDefined.push(piece);
    else if (type === unknownPiece) {
      if (unkId >= 0) throw error("vocabulary", "one unknown piece");
      unkId = id;
    } else if (type === bytePiece) {
      if (!/^<0x[0-9A-F]{2}>$/.test(piece)) throw error("vocabulary", "a byte from <0x00> to <0xFF>");
      byteCount++;
    }
  };

  // By field of the file, then of the spec.
  const specs = new Map<number, Map<number, number | Uint8Array>>();
  while (file.next()) {
    const { field } = file;
    isInPiece = field === 1;
    inner.open(file);
    if (isInPiece) readPiece();
    else if (field < 6) {
      const spec = specs.get(field) ?? new Map();
      specs.set(field, spec);
      // Copies: views would keep the whole file.
      while (inner.next()) spec.set(inner.field, inner.begin < 0 ? inner.value : bytes.slice(inner.begin, inner.end));
    }
    isInPiece = false;
  }
  const repeated = vocabulary.index();
  if (repeated >= 0) {
    throw mismatch("vocabulary", `${where}: piece ${repeated}`, "a piece that is new", vocabulary.idToToken(repeated));
  }
  // The specs follow the pieces, so a file without them was cut.
  if (!specs.has(2) || !specs.has(3)) {
    throw mismatch("file", where, "a trainer_spec and a normalizer_spec", undefined, "the file's end");
  }
  // As protobuf does, a field of another type is one that is not there.
  const number = (spec: number, field: number, fallback: number): number => {
    const value = specs.get(spec)?.get(field);
    return typeof value === "number" ? value : fallback;
  };
  const bytesOf = (spec: number, field: number): Uint8Array | undefined => {
    const value = specs.get(spec)?.get(field);
    return typeof value === "number" ? undefined : value;
  };
  const text = (field: number, fallback: string): string => {
    const found = bytesOf(2, field);
    return found ? utf8.decode(found) : fallback;
  };
  const normalizer = (spec: number): NormalizerSpec => ({
    charsmap: bytesOf(spec, 2),
    addDummyPrefix: number(spec, 3, 1) !== 0,
    removeExtraWhitespaces: number(spec, 4, 1) !== 0,
    escapeWhitespaces: number(spec, 5, 1) !== 0,
  });
  const byteFallback = number(2, 35, 0) !== 0;
  const expected = byteFallback ? 256 : 0;
  if (unkId < 0) throw mismatch("vocabulary", where, "an unknown piece", undefined, "none");
  if (byteCount !== expected) throw mismatch("vocabulary", where, `${expected} byte pieces`, byteCount);
  return {
    vocabulary,
    unkId,
    userDefined,
    modelType: number(2, 3, unigramType),
    isSuffix: number(2, 24, 0) !== 0,
    byteFallback,
    unkSurface: text(44, " \u2047 "),
    bosPiece: text(46, "") || "<s>",
    eosPiece: text(47, "") || "</s>",
    padPiece: text(48, "") || "<pad>",
    normalizer: normalizer(3),
    denormalizer: normalizer(5),
  };
}
