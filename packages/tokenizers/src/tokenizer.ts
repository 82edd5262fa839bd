import type { Section } from "./added-tokens.ts";
import { type Aligned, beginOf, endOf } from "./aligned.ts";
import type { JinjaModule } from "./chat-template.ts";
import { assemble, type Encoding, type EncodingView, type Template } from "./encoding.ts";
import { mismatch } from "./errors.ts";
import type { Model, Tokens } from "./models/model.ts";
import { normalizeInChunks, type StepwiseNormalizer } from "./normalizers.ts";
import {
  checkOptions,
  type DecodeOptions,
  type DecodeStreamOptions,
  decodeChecks,
  type EncodeOptions,
  encodeChecks,
  streamChecks,
} from "./options.ts";
import { fields, Part, PieceTokens, type TokenSink } from "./part.ts";
import { type KeptTokens, PieceCache } from "./piece-cache.ts";
import type { Cutter } from "./pre-tokenizers.ts";
import { drain, drainInTurns } from "./steps.ts";
import { checkIds, checkText, type DecodeStream, type SpecialIds, type TextTokenizer } from "./text-tokenizer.ts";

/** Tokens that are found in the text before the model sees it; `AddedTokens` is the one there is. */
export interface AddedVocabulary {
  readonly size: number;
  readonly maxId: number;
  /** Those that are found before a text is normalized. */
  readonly raw: readonly string[];
  /** The parts of a text in order, or a pause; `splits` says whether special tokens are cut like other text. */
  sections(input: Aligned, splits: boolean): Generator<Section | undefined>;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  isSpecial(id: number): boolean;
}

/** Cuts encodings to length and fills them up; `postProcessor` is the one there is. */
export interface PostProcessor {
  arrange(
    parts: readonly Part[],
    tokenizer: Tokenizer,
    template: Template,
    options: EncodeOptions,
    view: EncodingView,
  ): Encoding;
  pad(encodings: Encoding[], tokenizer: Tokenizer, options: EncodeOptions): Encoding[];
}

/** What a tokenizer is made of: the steps from text to ids, and back. Steps that most do not need are given as values. */
export interface TokenizerParts extends SpecialIds {
  /** The way it was published: `"tokenizer.json"`, `"sentencepiece"`, `"wordpiece"`, `"bpe"`, `"tiktoken"`, `"g2p"`. */
  readonly kind: string;
  /** What was chosen, in words: the file, the model, settings that files did not say. */
  readonly description: string;
  readonly model: Model;
  readonly added?: AddedVocabulary;
  readonly normalize?: StepwiseNormalizer;
  readonly cutter?: Cutter;
  readonly template: Template;
  readonly trim?: EncodingView["trim"];
  /** The id of tokens whose text is the piece of the text itself. */
  readonly surfaceId?: number;
  /** Text from ids one by one, special tokens left out where `skips` says so. */
  readonly decodeStream: (tokenizer: Tokenizer, skips: boolean, prefixIds: readonly number[]) => DecodeStream;
  /** Text from ids, where that is not what the stream gives. */
  readonly decode?: (tokenizer: Tokenizer, ids: readonly number[], skips: boolean) => string;
  readonly cleanUp?: (text: string) => string;
  /** What tokenizer_config.json says of `clean_up_tokenization_spaces`. */
  readonly cleansUp?: boolean;
  readonly postProcessor?: PostProcessor;
  readonly maxLength?: number;
  /** The lengths of a tokenizer.json, for calls that ask for one where nothing else names it. */
  readonly truncationLength?: number;
  readonly paddingLength?: number;
  readonly truncationSide?: "left" | "right";
  readonly paddingSide?: "left" | "right";
  readonly padTypeId?: number;
  /** Whether special tokens that a text spells are cut like other text unless asked otherwise. */
  readonly splitsSpecialTokens?: boolean;
  /** Renders a conversation by the model's template. */
  readonly renderChat?: (messages: readonly unknown[], options: ChatOptions) => string;
}

/** Options of `applyChatTemplate`; further ones are variables of the template. */
export interface ChatOptions {
  /** The module `@huggingface/jinja`, which this package does not bring. */
  readonly jinja: JinjaModule;
  /** The name of a template, or a template itself. */
  readonly chat_template?: string;
  readonly tools?: readonly unknown[] | null;
  readonly documents?: readonly unknown[] | null;
  /** Whether the text ends with what opens the model's answer; default false. */
  readonly add_generation_prompt?: boolean;
  /** Whether the text ends within the last message, which the model is to continue: in its `content`, or in the field of this name. */
  readonly continue_final_message?: boolean | string;
  /** Whether ids come back instead of text; default false. */
  readonly tokenize?: boolean;
  /** As `encode` has them; with `tokenize` only. */
  readonly padding?: EncodeOptions["padding"];
  readonly truncation?: EncodeOptions["truncation"];
  readonly max_length?: EncodeOptions["max_length"];
  readonly [variable: string]: unknown;
}

// A longer piece of a text is worked on in parts.
const longPiece = 16_384;
const largestBatch = 2 ** 18;

/** Text in, token ids out and back. */
export class Tokenizer implements TextTokenizer {
  readonly kind: string;
  readonly description: string;
  /** How many tokens there are, added ones included. */
  readonly vocabSize: number;
  /** The largest id; an embedding needs at least one row more. */
  readonly maxId: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly unkId?: number;
  readonly maskId?: number;
  /** How many tokens the model takes, where the files say so; special ones included. */
  readonly maxLength?: number;
  readonly parts: TokenizerParts;
  /** What pieces become: inside a text, and at its begin. */
  readonly #cache = new PieceCache();
  readonly #firstCache = new PieceCache();

  constructor(parts: TokenizerParts) {
    const { model, added } = parts;
    this.kind = parts.kind;
    this.description = parts.description;
    this.bosId = parts.bosId;
    this.eosId = parts.eosId;
    this.padId = parts.padId;
    this.unkId = parts.unkId;
    this.maskId = parts.maskId;
    this.maxLength = parts.maxLength;
    this.vocabSize = model.size + (added?.size ?? 0);
    this.maxId = Math.max(model.maxId, added?.maxId ?? 0);
    this.parts = parts;
  }

  /**
   * The tokens of a text.
   * @throws {TokenizerError} `code: "text"` when it is not a string, `"options"` for an option, `"unknown"` for a
   * character that has no token where the vocabulary has none for the unknown
   */
  encode(text: string, options?: EncodeOptions): Encoding {
    return this.#pad([drain(this.#encode(text, checkOptions(options, encodeChecks, "encode")))], options)[0];
  }

  /**
   * The same in steps of some 16 ms, between which timers run. With texts of many megabytes some steps take longer: joining a text, one
   * match that is all of it, one letter with millions of marks that stay where they are, one word whose characters are tokens by where they stand.
   */
  async encodeAsync(text: string, options?: EncodeOptions): Promise<Encoding> {
    const steps = this.#encode(text, checkOptions(options, encodeChecks, "encode"));
    return this.#pad([await drainInTurns(steps)], options)[0];
  }

  /**
   * The tokens of several texts, or pairs of texts; `padding` fills them up to the longest.
   * @throws {TokenizerError} as `encode` does, and for more than 262,144 texts
   */
  encodeBatch(texts: readonly (string | readonly [string, string])[], options?: EncodeOptions): Encoding[] {
    const checked = checkOptions(options, encodeChecks, "encode");
    if (!Array.isArray(texts) || texts.length > largestBatch) {
      throw mismatch("text", "encodeBatch", `a list of at most ${largestBatch} texts`, texts);
    }
    const encodings = Array.from(texts, (item) => {
      const [text, text_pair, ...others] = Array.isArray(item) ? item : [item, checked.text_pair];
      if (others.length > 0) throw mismatch("text", "encodeBatch", "a text or a pair", item);
      return drain(this.#encode(text, { ...checked, text_pair }));
    });
    return this.#pad(encodings, options);
  }

  /**
   * The text of ids.
   * @throws {TokenizerError} `code: "ids"` when an id has no token
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string {
    const { skip_special_tokens: skips = true, clean_up_tokenization_spaces } = checkOptions(
      options,
      decodeChecks,
      "decode",
    );
    const list = checkIds(ids);
    for (const id of list) this.checkId(id);
    const { decode, decodeStream, cleanUp } = this.parts;
    const stream = decode ? undefined : decodeStream(this, skips, []);
    const text = stream
      ? list.map((id) => stream.push(id)).join("") + stream.end()
      : (decode?.(this, list, skips) ?? "");
    if (!clean_up_tokenization_spaces) return text;
    if (!cleanUp)
      throw mismatch("options", "decode: clean_up_tokenization_spaces", "a tokenizer that has it", this.kind);
    return cleanUp(text);
  }

  decodeStream(options?: DecodeStreamOptions): DecodeStream {
    const { skip_special_tokens = true, prefix_ids = [] } = checkOptions(options, streamChecks, "decodeStream");
    const prefix = checkIds(prefix_ids).map((id) => this.checkId(id));
    const stream = this.parts.decodeStream(this, skip_special_tokens, prefix);
    return { push: (id) => stream.push(this.checkId(id)), end: () => stream.end() };
  }

  /**
   * The prompt for a conversation, by the template that the model was published with.
   * @param messages each with `role` and `content`, and whatever else the template reads
   * @throws {TokenizerError} `code: "options"` without a template, `"template"` when it fails
   */
  applyChatTemplate(messages: readonly unknown[], options: ChatOptions & { readonly tokenize: true }): Encoding;
  applyChatTemplate(messages: readonly unknown[], options: ChatOptions): string;
  applyChatTemplate(messages: readonly unknown[], options: ChatOptions): string | Encoding {
    const { padding, truncation, max_length, ...rest } = options ?? {};
    const text = this.parts.renderChat?.(messages, rest as ChatOptions);
    if (text === undefined) throw mismatch("options", "applyChatTemplate", "a tokenizer with templates", this.kind);
    const lengths = Object.entries({ padding, truncation, max_length }).filter(([, value]) => value !== undefined);
    if (rest.tokenize) {
      const given = Object.fromEntries(lengths);
      return this.encode(text, { ...given, add_special_tokens: false, split_special_tokens: false });
    }
    const [[name, value] = []] = lengths;
    if (name) throw mismatch("options", `applyChatTemplate: ${name}`, "tokenize beside it", value);
    return text;
  }

  tokenToId(token: string): number | undefined {
    if (typeof token !== "string") return undefined;
    return this.parts.added?.tokenToId(token) ?? this.parts.model.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.parts.added?.idToToken(id) ?? this.parts.model.idToToken(id);
  }

  /** Whether an id is of an added token that `skip_special_tokens` leaves out. */
  isSpecial(id: number): boolean {
    return this.parts.added?.isSpecial(id) ?? false;
  }

  /** @throws {TokenizerError} `code: "ids"` when it has no token */
  checkId(id: number): number {
    if (Number.isInteger(id) && this.idToToken(id) !== undefined) return id;
    throw mismatch("ids", "decode", "an id of the vocabulary", id);
  }

  *#encode(text: string, options: EncodeOptions): Generator<undefined, Encoding> {
    const { template, trim, postProcessor } = this.parts;
    const parts: Part[] = [];
    const texts: string[] = [];
    for (const item of [text, options.text_pair]) {
      if (item === undefined && texts.length > 0) break;
      texts.push(checkText(item, "encode"));
      parts.push(yield* this.#tokenize(texts[texts.length - 1], options));
    }
    const idToToken = (id: number): string | undefined => this.idToToken(id);
    const view = { idToToken, trim, texts, countsCodePoints: options.offsets === "code_points" };
    if (postProcessor) return postProcessor.arrange(parts, this, template, options, view);
    const lacking = Object.keys(options).find((name) => /trunc|pad|length|stride|overflow/.test(name));
    if (lacking) throw mismatch("options", "encode", "a format that was given a postProcessor", lacking);
    return assemble(parts, template, options.add_special_tokens, view);
  }

  *#tokenize(
    text: string,
    { split_special_tokens: splits = this.parts.splitsSpecialTokens ?? false }: EncodeOptions,
  ): Generator<undefined, Part> {
    const { added, normalize, cutter } = this.parts;
    const part = new Part(text.length >> 1);
    const whole = { text, at: 0 };
    const normal = normalize ? yield* normalize(whole) : whole;
    for (const section of added ? added.sections(normal, splits) : [normal as Section]) {
      yield;
      if (!section) continue;
      const { id } = section;
      if (id !== undefined) {
        part.setText(part.length, section.text);
        part.push(id, beginOf(section, 0), endOf(section, section.text.length - 1), part.wordCount++);
        continue;
      }
      const prepared = cutter?.prepare ? yield* normalizeInChunks(cutter.prepare, section) : section;
      for (const pieces of cutter?.cut(prepared) ?? [[prepared]]) {
        for (const piece of pieces) {
          // What a piece becomes is kept by its text, unless it is cut again and several of its units are the text's first character.
          const isOdd = cutter && piece.begins !== undefined && piece.text.length > 1 && beginOf(piece, 1) === 0;
          if (!isOdd && this.#pushPiece(part, piece)) continue;
          if (piece.text.length > longPiece) yield* this.#pushLong(part, piece);
          else this.#pushWords(part, piece);
          yield;
        }
        yield;
      }
    }
    return part;
  }

  /** Appends the tokens of what the first pre-tokenizer cut off, unless it is not worth keeping. */
  #pushPiece(part: Part, piece: Aligned): boolean {
    const { text } = piece;
    const isFirst = beginOf(piece, 0) === 0;
    const cache = isFirst ? this.#firstCache : this.#cache;
    let tokens = cache.get(text);
    if (tokens === null) return false;
    if (tokens === undefined) {
      tokens = this.#tokensOf({ text, at: isFirst ? 0 : 1 });
      cache.set(text, tokens);
    }
    if (typeof tokens === "number") {
      part.push(tokens, beginOf(piece, 0), endOf(piece, text.length - 1), part.wordCount++);
      return true;
    }
    if (tokens.texts) {
      for (const [index, found] of tokens.texts) part.setText(part.length + index, found);
    }
    // A loop of its own, as engines run faster what always sees the same kinds of objects.
    const { numbers } = tokens;
    for (let at = 0; at < numbers.length; at += fields) {
      const [begin, end] = [numbers[at + 1], numbers[at + 2]];
      const from = beginOf(piece, begin);
      const to = end > begin ? endOf(piece, end - 1) : from;
      part.push(numbers[at], from, to, part.wordCount + numbers[at + 3]);
    }
    part.wordCount += tokens.wordCount;
    return true;
  }

  /** What the further pre-tokenizers and the model make of a piece; `at` only says whether a text begins with it. */
  #tokensOf(piece: Aligned): KeptTokens {
    const tokens = new PieceTokens();
    this.#pushWords(tokens, piece, piece.at);
    const { length, numbers, wordCount, texts } = tokens;
    const isOne = length === 1 && numbers[1] === 0 && numbers[2] === piece.text.length && wordCount === 1;
    if (isOne && !texts) return numbers[0];
    // A list that grew has room for more.
    tokens.numbers = numbers.slice();
    return tokens;
  }

  /** The same for a piece that is not kept; all places are less `offset`. */
  #pushWords(part: TokenSink, piece: Aligned, offset = 0): void {
    for (const word of this.parts.cutter?.words(piece) ?? [piece]) this.#pushWord(part, word, offset);
  }

  /** The same for a long one, a part of its tokens at a time. */
  *#pushLong(part: TokenSink, piece: Aligned): Generator<undefined> {
    const { model, cutter, surfaceId } = this.parts;
    for (const words of cutter?.someWords(piece) ?? [[piece]]) {
      for (const word of words ?? []) {
        const { text } = word;
        const steps = text.length > longPiece && model.tokenizeLong?.(text);
        if (steps) {
          for (const tokens of steps) {
            if (tokens) pushTokens(part, word, tokens, 0, surfaceId);
            yield;
          }
          part.wordCount++;
        } else this.#pushWord(part, word, 0);
        yield;
      }
      yield;
    }
  }

  #pushWord(part: TokenSink, word: Aligned, offset: number): void {
    if (word.text === "") return;
    const { model, surfaceId } = this.parts;
    pushTokens(part, word, model.tokenize(word.text), offset, surfaceId);
    part.wordCount++;
  }

  /** Fills up a batch, where that is asked for. */
  #pad(encodings: Encoding[], options: EncodeOptions = {}): Encoding[] {
    return this.parts.postProcessor?.pad(encodings, this, options) ?? encodings;
  }
}

/**
 * Appends tokens of a piece, with their places in the piece turned into those in the text, less `offset`.
 * @param surfaceId the id of tokens whose text is the piece of the text itself
 */
function pushTokens(
  part: TokenSink,
  piece: Aligned,
  { ids, begins, ends }: Tokens,
  offset: number,
  surfaceId = -1,
): void {
  for (let at = 0; at < ids.length; at++) {
    const [id, begin, end] = [ids[at], begins[at], ends[at]];
    const from = beginOf(piece, begin);
    const to = end > begin ? endOf(piece, end - 1) : from;
    if (id === surfaceId) part.setText(part.length, piece.text.slice(begin, end));
    part.push(id, from - offset, to - offset, part.wordCount);
  }
}
