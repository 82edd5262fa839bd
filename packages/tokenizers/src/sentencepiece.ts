import { mismatch } from "./errors.ts";
import { normalizeSentence, type ReplaceAt } from "./normalizers.ts";
import { bpeSegmenter } from "./sentencepiece-bpe.ts";
import {
  bpeModel,
  controlPiece,
  readSentencePieceFile,
  type SentencePieceFile,
  unigramModel,
  unknownPiece,
} from "./sentencepiece-file.ts";
import { readVocabulary, type Segmenter, type SentencePieceVocabulary } from "./sentencepiece-vocabulary.ts";
import {
  checkText,
  type DecodeOptions,
  type DecodeStream,
  decodeAll,
  type EncodeOptions,
  readFlags,
  type Tokenizer,
} from "./tokenizer.ts";
import { takeCharacters } from "./utf8.ts";

const mark = "\u2581";
const utf8 = new TextEncoder();

/** How a SentencePiece tokenizer is opened. */
export interface SentencePieceOptions extends SentencePieceParts {
  /** The file's name, for messages. */
  readonly file?: string;
  /** `add_bos_token` of tokenizer_config.json; default true where the model has a begin piece, as Llama's. */
  readonly add_bos_token?: boolean;
  /** `add_eos_token` of tokenizer_config.json; default false. */
  readonly add_eos_token?: boolean;
}

/**
 * What some models need and Llama's do not: a page that leaves them out does not carry them, and a file that asks for
 * one is then refused. `sentencePieceParts` is all of them.
 */
export interface SentencePieceParts {
  readonly unigram?: (vocabulary: SentencePieceVocabulary) => Segmenter;
  readonly charsmap?: (bytes: Uint8Array, where: string) => ReplaceAt;
}

/**
 * A SentencePiece `.model` file: ids and text are those of sentencepiece 0.2.2. Llama's BPE needs no option; Unigram
 * models and charsmaps need `sentencePieceParts`.
 * @see sentencepiece src/sentencepiece_processor.cc
 */
export class SentencePieceTokenizer implements Tokenizer {
  readonly kind = "sentencepiece";
  readonly vocabSize: number;
  readonly maxId: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly unkId: number;
  readonly #file: SentencePieceFile;
  readonly #vocabulary: SentencePieceVocabulary;
  readonly #segment: Segmenter;
  readonly #normalize: (text: string) => string;
  readonly #addBos: boolean;
  readonly #addEos: boolean;

  /** @throws {TokenizerError} `code`: `"file"`, `"vocabulary"` or `"unsupported"` */
  constructor(bytes: Uint8Array, options: SentencePieceOptions = {}) {
    const where = options.file ?? "tokenizer.model";
    const file = readSentencePieceFile(bytes, where);
    const vocabulary = readVocabulary(file, where);
    const control = (piece: string, fallback: string): number | undefined => {
      const id = vocabulary.ids.get(piece || fallback);
      return id !== undefined && file.types[id] === controlPiece ? id : undefined;
    };
    const replaceAt = chooseReplacements(file, vocabulary, options, where);
    this.#file = file;
    this.#vocabulary = vocabulary;
    this.#segment = chooseSegmenter(file, vocabulary, options, where);
    this.#normalize = (text) => normalizeSentence(text, file, replaceAt);
    this.vocabSize = file.pieces.length;
    this.maxId = this.vocabSize - 1;
    this.unkId = vocabulary.unkId;
    this.bosId = control(file.bosPiece, "<s>");
    this.eosId = control(file.eosPiece, "</s>");
    this.padId = control(file.padPiece, "<pad>");
    this.#addBos = options.add_bos_token ?? this.bosId !== undefined;
    this.#addEos = options.add_eos_token ?? false;
  }

  encode(text: string, options?: EncodeOptions): number[] {
    const { add_special_tokens: adds = true } = options ?? {};
    const defaults = { add_special_tokens: true, add_bos: adds && this.#addBos, add_eos: adds && this.#addEos };
    const { add_bos, add_eos } = readFlags(options, defaults, "encode");
    const ids = add_bos ? [known(this.bosId, "add_bos")] : [];
    this.#pushIds(ids, this.#normalize(checkText(text, "encode")));
    if (add_eos) ids.push(known(this.eosId, "add_eos"));
    return ids;
  }

  decode(ids: Iterable<number>, options?: DecodeOptions): string {
    return decodeAll(ids, this.decodeStream(options));
  }

  decodeStream(options?: DecodeOptions): DecodeStream {
    const flags = readFlags(options, { skip_special_tokens: true, continuing: false }, "decode");
    const { pieces, types, ids, bytes } = this.#vocabulary;
    const { addDummyPrefix, removeExtraWhitespaces, unkSurface } = this.#file;
    const pending: number[] = [];
    let atStart = !flags.continuing && (addDummyPrefix || removeExtraWhitespaces);
    const surface = (piece: string): string => {
      const type = types[ids.get(piece) as number];
      if (type === controlPiece) return flags.skip_special_tokens ? "" : piece;
      if (type === unknownPiece) return unkSurface;
      const isMarked = atStart && piece.startsWith(mark);
      // The dummy prefix goes once; where extra spaces are removed, every one before the first word does.
      if (isMarked && !removeExtraWhitespaces) atStart = false;
      return (isMarked ? piece.slice(1) : piece).replaceAll(mark, " ");
    };
    const push = (id: number): string => {
      const byte = bytes.get(this.#checkId(id));
      if (byte !== undefined) {
        atStart = false;
        pending.push(byte);
        return takeCharacters(pending, false);
      }
      const text = takeCharacters(pending, true) + surface(pieces[id]);
      if (text !== "") atStart = false;
      return text;
    };
    return { push, end: () => takeCharacters(pending, true) };
  }

  tokenToId(token: string): number | undefined {
    return this.#vocabulary.ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#vocabulary.pieces[id];
  }

  #checkId(id: number): number {
    if (Number.isInteger(id) && id >= 0 && id <= this.maxId) return id;
    throw mismatch("ids", "decode", `an id from 0 to ${this.maxId}`, id);
  }

  #pushIds(ids: number[], normalized: string): void {
    const { unkId, byteIds } = this.#vocabulary;
    let afterUnknown = false;
    for (const { text, id } of this.#segment(normalized)) {
      const isUnknown = id === unkId;
      if (isUnknown && byteIds.length > 0) {
        for (const byte of utf8.encode(text)) ids.push(byteIds[byte]);
      } else if (!isUnknown || !afterUnknown) ids.push(id); // unknown neighbours are one
      afterUnknown = isUnknown;
    }
  }
}

function chooseSegmenter(
  { modelType }: SentencePieceFile,
  vocabulary: SentencePieceVocabulary,
  { unigram }: SentencePieceParts,
  where: string,
): Segmenter {
  if (modelType === bpeModel) return bpeSegmenter(vocabulary);
  if (modelType === unigramModel && unigram) return unigram(vocabulary);
  const name = ["unigram", "bpe", "word", "char"][modelType - 1] ?? modelType;
  throw mismatch("unsupported", where, `a model of type bpe${unigram ? " or unigram" : ""}`, name);
}

/** What the normalizer replaces: user-defined pieces stay as they are, the rest is the charsmap's. */
function chooseReplacements(
  file: SentencePieceFile,
  { userDefinedAt }: SentencePieceVocabulary,
  { charsmap }: SentencePieceParts,
  where: string,
): ReplaceAt {
  const isMapped = file.charsmap.length > 0;
  if (isMapped && !charsmap) throw mismatch("unsupported", where, "no precompiled_charsmap", undefined, "one");
  if (file.denormalizerCharsmap.length > 0)
    throw mismatch("unsupported", where, "no denormalizer_spec", undefined, "one");
  const replaceAt = isMapped ? charsmap?.(file.charsmap, where) : undefined;
  return (text, from) => {
    const length = userDefinedAt(text, from);
    return length > 0 ? { text: text.slice(from, from + length), length } : replaceAt?.(text, from);
  };
}

function known(id: number | undefined, option: string): number {
  if (id === undefined)
    throw mismatch("options", `encode: ${option}`, "a model that has this control piece", undefined, "none");
  return id;
}
