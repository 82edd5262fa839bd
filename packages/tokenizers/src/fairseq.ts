import { mismatch } from "./errors.ts";
import type { Model, Tokens } from "./models/model.ts";
import type { SentencePiece } from "./sentencepiece.ts";

// By the id of the first three pieces, `<unk>`, `<s>` and `</s>`; all others are one more, as `<pad>` is 1.
const firstIds = [3, 0, 2];
const firstPieces = [1, undefined, 2, 0];
const idOf = (piece: number): number => firstIds[piece] ?? piece + 1;
const pieceOf = (id: number): number | undefined => (id < firstPieces.length ? firstPieces[id] : id - 1);

/**
 * A `.model` file whose pieces are numbered as fairseq did, which XLM-R was trained with. `<mask>` comes last, and is none of the model's.
 * @throws {TokenizerError} `code: "vocabulary"` when `<unk>`, `<s>` and `</s>` are not the first pieces
 */
export function fairseqIds(opened: SentencePiece, where: string): SentencePiece {
  const { model, unkId, bosId, eosId, decodeStream } = opened;
  if (unkId !== 0 || bosId !== 1 || eosId !== 2)
    throw mismatch("vocabulary", where, "<unk>, <s> and </s> as the first pieces", model.idToToken(0));
  const numbered = (tokens: Tokens): Tokens => ({ ...tokens, ids: tokens.ids.map(idOf) });
  const { tokenizeLong } = model;
  const renumbered: Model = {
    size: model.size + 1,
    maxId: model.size,
    tokenToId(token) {
      const piece = model.tokenToId(token);
      return token === "<pad>" ? 1 : piece === undefined ? undefined : idOf(piece);
    },
    idToToken(id) {
      const piece = pieceOf(id);
      return piece === undefined ? "<pad>" : model.idToToken(piece);
    },
    tokenize: (word) => numbered(model.tokenize(word)),
    *tokenizeLong(word) {
      for (const tokens of tokenizeLong?.(word) ?? [model.tokenize(word)]) yield tokens && numbered(tokens);
    },
  };
  return {
    ...opened,
    model: renumbered,
    unkId: 3,
    bosId: 0,
    eosId: 2,
    padId: 1,
    decodeStream(skips) {
      const stream = decodeStream(skips);
      return {
        ...stream,
        push(id) {
          const piece = pieceOf(id);
          if (piece !== undefined && piece > 0) return stream.push(piece);
          return skips ? "" : stream.write(renumbered.idToToken(id) ?? "");
        },
      };
    },
  };
}
