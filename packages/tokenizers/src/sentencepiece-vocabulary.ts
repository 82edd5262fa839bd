import { mismatch } from "./errors.ts";
import {
  bytePiece,
  controlPiece,
  type SentencePieceFile,
  unknownPiece,
  userDefinedPiece,
} from "./sentencepiece-file.ts";

/** The pieces of a checked `.model` file, ready to look up. */
export interface SentencePieceVocabulary {
  readonly pieces: readonly string[];
  readonly scores: readonly number[];
  readonly types: readonly number[];
  /** Every piece's id; a reserved piece (unknown, control, byte) hides another of the same text. */
  readonly ids: ReadonlyMap<string, number>;
  /** The pieces that text can be made of: normal, user-defined and unused ones. */
  readonly matchable: ReadonlyMap<string, number>;
  /** The length of the longest user-defined piece that a text continues with, or 0. */
  readonly userDefinedAt: (text: string, at: number) => number;
  readonly unkId: number;
  /** The id of each byte where the model falls back to bytes, else empty; and the byte of each such id. */
  readonly byteIds: readonly number[];
  readonly bytes: ReadonlyMap<number, number>;
}

/** Cuts a normalized text into pieces; a character that is no piece has the unknown id. */
export type Segmenter = (text: string) => Piece[];

/** A piece of a text; the pieces in order are the text. */
export interface Piece {
  readonly text: string;
  readonly id: number;
}

/**
 * Checks what SentencePiece checks before it uses a model.
 * @throws {TokenizerError} `code: "vocabulary"`
 * @see sentencepiece src/model_interface.cc, ModelInterface::InitializePieces
 */
export function readVocabulary(file: SentencePieceFile, where: string): SentencePieceVocabulary {
  const { pieces, types } = file;
  const matchable = new Map<string, number>();
  const reserved = new Map<string, number>();
  const bytes = new Map<number, number>();
  const byteIds: number[] = [];
  let unkId = -1;
  for (const [id, piece] of pieces.entries()) {
    const type = types[id];
    const check = (holds: boolean, expected: string): void => {
      if (!holds) throw mismatch("vocabulary", `${where}: piece ${id}`, expected, piece);
    };
    const isReserved = type === unknownPiece || type === controlPiece || type === bytePiece;
    const map = isReserved ? reserved : matchable;
    check(!map.has(piece), "a piece that is new");
    map.set(piece, id);
    if (type === unknownPiece) {
      check(unkId < 0, "one unknown piece");
      unkId = id;
    } else if (type === bytePiece) {
      check(/^<0x[0-9A-F]{2}>$/.test(piece), "a byte from <0x00> to <0xFF>");
      const byte = Number(piece.slice(1, 5));
      bytes.set(id, byte);
      byteIds[byte] = id;
    }
  }
  if (unkId < 0) throw mismatch("vocabulary", where, "an unknown piece", undefined, "none");
  const byteCount = file.byteFallback ? 256 : 0;
  if (bytes.size !== byteCount) throw mismatch("vocabulary", where, `${byteCount} byte pieces`, bytes.size);
  const userDefinedAt = longestOf(pieces.filter((_, id) => types[id] === userDefinedPiece));
  return { ...file, ids: new Map([...matchable, ...reserved]), matchable, userDefinedAt, unkId, byteIds, bytes };
}

function longestOf(pieces: string[]): (text: string, at: number) => number {
  const known = new Set(pieces);
  // The lengths to try, longest first, by the first code unit.
  const lengths = new Map<string, Set<number>>();
  for (const piece of pieces.sort((a, b) => b.length - a.length)) {
    lengths.set(piece[0], (lengths.get(piece[0]) ?? new Set()).add(piece.length));
  }
  return (text, at) => {
    for (const length of lengths.get(text[at]) ?? []) {
      if (at + length <= text.length && known.has(text.slice(at, at + length))) return length;
    }
    return 0;
  };
}
