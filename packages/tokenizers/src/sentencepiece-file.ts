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
const defaults = {
  modelType: unigramModel as number,
  treatWhitespaceAsSuffix: false,
  byteFallback: false,
  unkSurface: " \u2047 ",
  bosPiece: "<s>",
  eosPiece: "</s>",
  padPiece: "<pad>",
  charsmap: new Uint8Array(),
  addDummyPrefix: true,
  removeExtraWhitespaces: true,
  escapeWhitespaces: true,
  denormalizerCharsmap: new Uint8Array(),
};
const pieceDefaults = { piece: "", score: 0, type: normalPiece as number };
const pieceFields = { 1: "piece", 2: "score", 3: "type" } as const;

// By field number of ModelProto: TrainerSpec, NormalizerSpec, and the NormalizerSpec of decoded text.
const specs: Readonly<Record<number, Readonly<Record<number, keyof typeof defaults>>>> = {
  2: {
    3: "modelType",
    24: "treatWhitespaceAsSuffix",
    35: "byteFallback",
    44: "unkSurface",
    46: "bosPiece",
    47: "eosPiece",
    48: "padPiece",
  },
  3: { 2: "charsmap", 3: "addDummyPrefix", 4: "removeExtraWhitespaces", 5: "escapeWhitespaces" },
  5: { 2: "denormalizerCharsmap" },
};

/** What a `.model` file says: its pieces by id, and its flags. */
export interface SentencePieceFile extends Readonly<typeof defaults> {
  readonly pieces: readonly string[];
  readonly scores: readonly number[];
  readonly types: readonly number[];
}

/**
 * Reads a SentencePiece `.model` file.
 * @param where the file's name, for messages
 * @throws {TokenizerError} `code: "file"` when the bytes are not such a file or end early
 * @see sentencepiece src/sentencepiece_model.proto
 */
export function readSentencePieceFile(bytes: Uint8Array, where: string): SentencePieceFile {
  // No such file begins with a printable character, but web pages and pointers to files do.
  if (bytes.length === 0 || (bytes[0] > 0x2a && bytes[0] < 0x7f)) {
    throw mismatch("file", where, "a SentencePiece model", new TextDecoder().decode(bytes.subarray(0, 40)));
  }
  const pieces: string[] = [];
  const scores: number[] = [];
  const types: number[] = [];
  const seen = new Set<number>();
  let flags = defaults;
  for (const { number, value } of readMessage(bytes, where)) {
    seen.add(number);
    if (number === 1) {
      const at = `${where}: piece ${pieces.length}`;
      const { piece, score, type } = readFields(value, pieceFields, pieceDefaults, at);
      if (piece === "" || Number.isNaN(score) || type < 1 || type > 6) {
        throw mismatch(
          "file",
          at,
          "a text, a score and a type from 1 to 6",
          undefined,
          `${show(piece)}, ${score}, ${type}`,
        );
      }
      pieces.push(piece);
      scores.push(score);
      types.push(type);
    } else if (specs[number]) flags = readFields(value, specs[number], flags, where);
  }
  // The specs follow the pieces, so a file without them was cut.
  if (!seen.has(2) || !seen.has(3)) {
    throw mismatch("file", where, "a trainer_spec and a normalizer_spec", undefined, "the file's end");
  }
  return { ...flags, pieces, scores, types };
}
