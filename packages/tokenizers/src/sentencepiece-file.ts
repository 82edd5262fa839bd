import { mismatch, show } from "./errors.ts";
import { readFields, readMessage } from "./protobuf.ts";

// ModelProto.SentencePiece.Type: what a piece is for.
export const normalPiece = 1;
export const unknownPiece = 2;
export const controlPiece = 3;
export const userDefinedPiece = 4;
export const unusedPiece = 5;
export const bytePiece = 6;

// TrainerSpec.ModelType.
export const unigramModel = 1;
export const bpeModel = 2;

// What the proto says of a field that a file leaves out.
const trainerDefaults = {
  modelType: unigramModel as number,
  treatWhitespaceAsSuffix: false,
  byteFallback: false,
  unkSurface: " \u2047 ",
  bosPiece: "<s>",
  eosPiece: "</s>",
  padPiece: "<pad>",
};
const trainerFields = {
  3: "modelType",
  24: "treatWhitespaceAsSuffix",
  35: "byteFallback",
  44: "unkSurface",
  46: "bosPiece",
  47: "eosPiece",
  48: "padPiece",
} as const;
const normalizerDefaults = {
  charsmap: new Uint8Array(),
  addDummyPrefix: true,
  removeExtraWhitespaces: true,
  escapeWhitespaces: true,
};
const normalizerFields = {
  2: "charsmap",
  3: "addDummyPrefix",
  4: "removeExtraWhitespaces",
  5: "escapeWhitespaces",
} as const;

/** What a `.model` file says: its pieces by id, its flags, its normalizer. */
export interface SentencePieceFile {
  readonly pieces: readonly string[];
  readonly scores: readonly number[];
  readonly types: readonly number[];
  readonly trainer: typeof trainerDefaults;
  readonly normalizer: typeof normalizerDefaults;
}

/**
 * Reads a SentencePiece `.model` file.
 * @param where the file's name, for messages
 * @throws {TokenizerError} `code: "file"` when the bytes are not such a file or end early, `"unsupported"` when the file
 *   rewrites decoded text
 * @see sentencepiece src/sentencepiece_model.proto
 */
export function readSentencePieceFile(bytes: Uint8Array, where: string): SentencePieceFile {
  const pieces: string[] = [];
  const scores: number[] = [];
  const types: number[] = [];
  let trainer: typeof trainerDefaults | undefined;
  let normalizer: typeof normalizerDefaults | undefined;
  for (const { number, value } of readMessage(checkBinary(bytes, where), where)) {
    if (number > 3 && number !== 5) continue;
    if (typeof value !== "object") throw mismatch("file", `${where}: field ${number}`, "bytes", value);
    if (number === 1) {
      const piece = readPiece(value, `${where}: piece ${pieces.length}`);
      pieces.push(piece.piece);
      scores.push(piece.score);
      types.push(piece.type);
    } else if (number === 2) trainer = readFields(value, trainerFields, trainer ?? trainerDefaults, where);
    else if (number === 3) normalizer = readFields(value, normalizerFields, normalizer ?? normalizerDefaults, where);
    else if (readFields(value, normalizerFields, normalizerDefaults, where).charsmap.length > 0) {
      throw mismatch("unsupported", where, "no denormalizer_spec", "one with a charsmap");
    }
  }
  // The specs follow the pieces, so a file without them was cut.
  if (!trainer || !normalizer) throw mismatch("file", where, "a trainer_spec and a normalizer_spec", "the file's end");
  return { pieces, scores, types, trainer, normalizer };
}

const pieceFields = { 1: "piece", 2: "score", 3: "type" } as const;
const pieceDefaults = { piece: "", score: 0, type: normalPiece as number };

function readPiece(bytes: Uint8Array, where: string): typeof pieceDefaults {
  const piece = readFields(bytes, pieceFields, pieceDefaults, where);
  if (piece.piece === "") throw mismatch("file", where, "a text that is not empty", "");
  if (Number.isNaN(piece.score)) throw mismatch("file", `${where} ${show(piece.piece)}`, "a score", piece.score);
  if (piece.type < 1 || piece.type > 6) {
    throw mismatch("file", `${where} ${show(piece.piece)}`, "a type from 1 to 6", piece.type);
  }
  return piece;
}

/** The bytes, unless they are text: no `.model` begins with a printable character, but web pages and pointers do. */
function checkBinary(bytes: Uint8Array, where: string): Uint8Array {
  if (bytes.length > 0 && (bytes[0] < 0x2b || bytes[0] > 0x7e)) return bytes;
  const head = new TextDecoder().decode(bytes.subarray(0, 40));
  throw mismatch("file", where, "a SentencePiece model", bytes.length > 0 ? head : "an empty file");
}
