import type { Charsmap, Replacement } from "./charsmap.ts";
import { mismatch } from "./errors.ts";
import { LongestMatch } from "./longest-match.ts";
import type { Model } from "./models/model.ts";
import { type PieceOptions, pieceModel, type Rule } from "./models/pieces.ts";
import { bytePiece, controlPiece, unknownPiece, type Vocabulary } from "./models/vocabulary.ts";
import type { StepwiseNormalizer } from "./normalizers.ts";
import { bpeCut, charCut, type Pieces, wordCut } from "./sentencepiece-bpe.ts";
import {
  bpeType,
  charType,
  type NormalizerSpec,
  readSentencePieceFile,
  type SentencePieceFile,
  unigramType,
  wordType,
} from "./sentencepiece-file.ts";
import { sentenceNormalizer } from "./sentencepiece-normalizer.ts";
import { drain } from "./steps.ts";
import { takeCharacters } from "./utf8.ts";

/** How a `.model` file is opened. */
export interface SentencePieceOptions extends SentencePieceParts {
  /** The file's name, for messages. */
  readonly file?: string;
  /** Whose rules charsmaps and Unigram sums follow; default `"sentencepiece"`. */
  readonly rule?: Rule;
  /** Whether the space that files put before a text is put behind added tokens, too; default true. */
  readonly legacy?: boolean;
}

/**
 * What some models need and Llama's do not: a page that leaves them out does not carry them, and a file that asks for
 * one is then refused. `sentencePieceParts` is all of them.
 */
export interface SentencePieceParts {
  readonly unigram?: (vocabulary: Vocabulary, options: PieceOptions) => Model;
  readonly charsmap?: (bytes: Uint8Array, where: string) => Charsmap;
  /** The ids of XLM-R. */
  readonly fairseq?: (opened: SentencePiece, where: string) => SentencePiece;
}

/** Text from ids one by one: all parts together are the text of all ids. */
export interface PieceStream {
  /** The text that is certain now: "" while a character is unfinished. */
  push(id: number): string;
  /** The same for a token that is no piece, and is printed as it is. */
  write(token: string): string;
  /** Makes what came so far a prefix, of which `end` gives nothing. */
  begin(): void;
  /** What was held back. */
  end(): string;
}

/** The steps of a `.model` file from text to ids and back. */
export interface SentencePiece {
  readonly kind: "sentencepiece";
  /** What cuts a normalized text; the whole text is one word. */
  readonly model: Model;
  readonly normalize: StepwiseNormalizer;
  /**
   * Text from ids of the model.
   * @param skips whether control pieces print nothing
   */
  readonly decodeStream: (skips: boolean) => PieceStream;
  readonly unkId: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
}

/**
 * Opens a SentencePiece `.model` file: ids, offsets and text are those of sentencepiece 0.2.2. Llama's BPE needs no
 * option; Unigram models and charsmaps need `sentencePieceParts`.
 * @throws {TokenizerError} `code`: `"file"`, `"vocabulary"` or `"unsupported"`
 * @see sentencepiece src/sentencepiece_processor.cc
 */
export function openSentencePiece(bytes: Uint8Array, options: SentencePieceOptions = {}): SentencePiece {
  const { file: where = "tokenizer.model", rule = "sentencepiece", unigram } = options;
  const file = readSentencePieceFile(bytes, where);
  const { vocabulary, unkId, userDefined, modelType, byteFallback } = file;
  const openCharsmap = ({ charsmap }: NormalizerSpec): Charsmap | undefined => {
    if (!charsmap?.length) return undefined;
    if (!options.charsmap) throw mismatch("unsupported", where, "no precompiled_charsmap", undefined, "one");
    return options.charsmap(charsmap, where);
  };
  const control = (piece: string): number | undefined => {
    const id = vocabulary.tokenToId(piece);
    return id !== undefined && vocabulary.typeOf(id) === controlPiece ? id : undefined;
  };
  const whole = new LongestMatch(userDefined);
  const cut = cuts[modelType]?.({ vocabulary, unkId, whole });
  if (!cut && !(modelType === unigramType && unigram)) {
    const expected = `a model of type bpe, word, char${unigram ? " or unigram" : ""}`;
    throw mismatch("unsupported", where, expected, modelType === unigramType ? "unigram" : modelType);
  }
  return {
    kind: "sentencepiece",
    model: cut
      ? {
          ...pieceModel(vocabulary, { rule: "sentencepiece", unkId, byteFallback }, cut),
          mergesPairs: modelType === bpeType,
        }
      : (unigram as NonNullable<typeof unigram>)(vocabulary, { rule, unkId, byteFallback }),
    normalize: openNormalizer(file, whole, openCharsmap(file.normalizer), rule, options.legacy),
    decodeStream: openDecoder(file, openCharsmap(file.denormalizer)),
    unkId,
    bosId: control(file.bosPiece),
    eosId: control(file.eosPiece),
    padId: control(file.padPiece),
  };
}

const cuts: Readonly<Record<number, typeof bpeCut>> = { [bpeType]: bpeCut, [wordType]: wordCut, [charType]: charCut };

function openNormalizer(
  { normalizer, isSuffix }: SentencePieceFile,
  whole: Pieces["whole"],
  charsmap: Charsmap | undefined,
  rule: Rule,
  legacy?: boolean,
): SentencePiece["normalize"] {
  // Hugging Face normalizes all of a text before it looks at spaces.
  const isBefore = rule === "huggingface";
  const during = isBefore ? undefined : charsmap;
  const replacementAt = (text: string, at: number): Replacement | undefined => {
    // User-defined pieces stay as they are.
    const length = whole.lengthAt(text, at);
    return length > 0 ? { text: text.slice(at, at + length), length } : during?.at(text, at);
  };
  const normalize = sentenceNormalizer(normalizer, isSuffix, replacementAt, legacy);
  return function* (input) {
    const mapped = isBefore && charsmap ? yield* charsmap.normalizeSteps(input, rule) : input;
    return yield* normalize(mapped);
  };
}

function openDecoder(file: SentencePieceFile, charsmap: Charsmap | undefined): SentencePiece["decodeStream"] {
  const { vocabulary, unkSurface } = file;
  const { addDummyPrefix, removeExtraWhitespaces } = file.normalizer;
  const steps = charsmap && sentenceNormalizer(file.denormalizer, false, (text, at) => charsmap.at(text, at));
  const denormalize = steps && ((text: string): string => drain(steps({ text, at: 0 })).text);
  return (skips) => {
    const bytes: number[] = [];
    let atStart = addDummyPrefix || removeExtraWhitespaces;
    let held = "";
    let prefixLength = 0;
    // Bytes of the prefix that are no character yet: they are not printed alone.
    let prefixBytes = 0;
    const taken = (isLast: boolean): string => {
      if (bytes.length === 0) return "";
      const isReplacement = prefixBytes > 0 && bytes.slice(0, 3).join() === "239,191,189";
      const text = takeCharacters(bytes, isLast);
      if (text === "" || prefixBytes === 0) return text;
      const own = isReplacement ? text : text.replace(new RegExp(`^\ufffd{0,${prefixBytes}}`), "");
      prefixBytes = 0;
      return own;
    };
    /** What is printed now; but rules for decoded text apply to all of it. */
    const print = (text: string): string => {
      if (text !== "") atStart = false;
      if (!denormalize) return text;
      held += text;
      return "";
    };
    const surface = (piece: string, type: number): string => {
      if (type === controlPiece) return skips ? "" : piece;
      if (type === unknownPiece) return unkSurface;
      const isMarked = atStart && piece.startsWith("\u2581");
      // The dummy prefix goes once; where extra spaces are removed, every one before the first word does.
      if (isMarked && !removeExtraWhitespaces) atStart = false;
      return (isMarked ? piece.slice(1) : piece).replaceAll("\u2581", " ");
    };
    return {
      push(id) {
        const piece = vocabulary.idToToken(id);
        if (piece === undefined) throw mismatch("ids", "decode", `an id from 0 to ${vocabulary.size - 1}`, id);
        const type = vocabulary.typeOf(vocabulary.tokenToId(piece) as number);
        if (type !== bytePiece) {
          const text = print(taken(true));
          return text + print(surface(piece, type));
        }
        atStart = false;
        bytes.push(Number(piece.slice(1, 5)));
        return print(taken(false));
      },
      write: (token) => print(taken(true)) + print(token),
      begin() {
        prefixLength = held.length;
        prefixBytes = bytes.length;
      },
      end() {
        const text = print(taken(true));
        if (!denormalize) return text;
        const [all, prefix] = [denormalize(held), denormalize(held.slice(0, prefixLength))];
        return all.startsWith(prefix) ? all.slice(prefix.length) : denormalize(held.slice(prefixLength));
      },
    };
  };
}
