import { charLength } from "../aligned.ts";
import { mismatch } from "../errors.ts";
import { drain } from "../steps.ts";
import { utf8Length } from "../utf8.ts";
import { byteTokens, spell } from "./byte-tokens.ts";
import { mergeSteps } from "./merge-steps.ts";
import { MergeTable } from "./merge-table.ts";
import { allTokens, appendTokens, type Model, noTokens, oneToken, type Tokens } from "./model.ts";
import { TokenHashes } from "./token-hashes.ts";
import { TokenMap } from "./token-map.ts";

/** Settings of a byte-pair model, as tokenizer.json names them. */
export interface BpeOptions {
  readonly unk_token?: string;
  readonly continuing_subword_prefix?: string;
  readonly end_of_word_suffix?: string;
  readonly fuse_unk?: boolean;
  readonly byte_fallback?: boolean;
  readonly ignore_merges?: boolean;
}

/** A number below 2^18 for the characters before and after a place; pairs that share one only make chunks longer. */
function pairHash(text: string, at: number): number {
  return Math.imul(text.charCodeAt(at - 1) * 31 + text.charCodeAt(at), 0x9e3779b1) >>> 14;
}

/** Where the two tokens of a merge are: a text and where the first ends, a text and where the second begins. */
function partsOf(merge: unknown): readonly [left: string, end: number, right: string, begin: number] {
  if (typeof merge === "string") {
    const space = merge.indexOf(" ");
    if (space > 0 && !merge.includes(" ", space + 1)) return [merge, space, merge, space + 1];
  } else if (Array.isArray(merge) && merge.length === 2) {
    const [left, right] = merge;
    if (typeof left === "string" && typeof right === "string") return [left, left.length, right, 0];
  }
  return ["", 0, "", 0];
}

/** The same as `Tokens` in numbers that stay where they are, for words of millions of characters. */
type Symbols = { readonly [key in keyof Tokens]: number[] | Int32Array };

// A word that is longer may be cut into chunks.
const shortWord = 24;
// So many symbols are merged where the numbers of others do not matter: here, by symbol, the next one and the rank.
const fewSymbols = 128;
const nexts = new Int32Array(fewSymbols);
const ranks = new Uint32Array(fewSymbols);
// The symbols of least rank of so many in a row, 2 to the power of this.
const rowBits = 4;
const leasts = new Int32Array(fewSymbols >> rowBits);
const noRank = 0xffffffff;
// A longer chunk is merged in steps, of so many symbols.
const longChunk = 16_384;
const batchSize = 8192;
// Characters that are looked at before other work may have its turn.
const scanned = 2 ** 16;
// The rows of the table are 32-bit numbers: no token with a larger id merges.
const largestId = 2 ** 31 - 1;

/** Of a row of symbols, of which there are so many in all: the first of least rank. */
function leastOf(row: number, length: number): number {
  let best = row << rowBits;
  const end = Math.min(best + (1 << rowBits), length);
  for (let at = best + 1; at < end; at++) if (ranks[at] < ranks[best]) best = at;
  return best;
}

/**
 * Byte-pair encoding with ranked merges: a word's characters, and then always the pair of lowest rank, the leftmost
 * first, becomes one.
 * @see tokenizers src/models/bpe/model.rs
 */
export class Bpe extends TokenMap implements Model {
  readonly mergesPairs = true;
  readonly continuingPrefix: string;
  readonly #options: BpeOptions;
  readonly #merges: MergeTable;
  readonly #unk: number | undefined;
  readonly #byteIds: readonly (number | undefined)[];
  /** Whether no character is unknown, as its bytes are tokens. */
  readonly #hasAllBytes: boolean;
  /** Whether nothing is put before or after characters. */
  readonly #isPlain: boolean;
  #neighbours?: Uint8Array;
  readonly #chunks = new Map<string, Tokens>();
  /** The ids of tokens that are one code unit; negative where there is none, or a larger one than fits. */
  readonly #unitIds = new Int32Array(65536).fill(-1);

  /**
   * @param vocabulary an id by each token
   * @param merges pairs of tokens, or texts with a space between the two, the first to be merged first; of equal pairs the last counts. Without
   *   them any two tokens merge that make a third, by its id as the rank
   * @throws {TokenizerError} `code: "vocabulary"` when one is something else, or a part or what a merge makes is no token
   */
  constructor(vocabulary: object, merges: readonly unknown[] | undefined, options: BpeOptions, where: string) {
    super(vocabulary, where);
    this.#options = options;
    const {
      unk_token,
      continuing_subword_prefix: prefix = "",
      end_of_word_suffix: suffix = "",
      byte_fallback,
    } = options;
    this.continuingPrefix = prefix;
    this.#isPlain = prefix === "" && suffix === "";
    this.#unk = unk_token === undefined ? undefined : this.ids.get(unk_token);
    this.#merges = merges ? this.#listedMerges(merges, prefix, where) : this.#allMerges(where);
    for (const [token, id] of this.ids) if (token.length === 1) this.#unitIds[token.charCodeAt(0)] = id;
    this.#byteIds = byte_fallback ? byteTokens((token) => this.ids.get(token)) : [];
    this.#hasAllBytes = this.#byteIds.length > 0 && !this.#byteIds.includes(undefined);
  }

  #listedMerges(merges: readonly unknown[], prefix: string, where: string): MergeTable {
    const table = new MergeTable(merges.length);
    const tokens = new TokenHashes(this.ids);
    const wrong = (rank: number, expected: string, actual: unknown) =>
      mismatch("vocabulary", `${where}: merges[${rank}]`, expected, actual);
    for (let rank = 0; rank < merges.length; rank++) {
      const merge = merges[rank];
      const [left, leftEnd, right, rightBegin] = partsOf(merge);
      if (leftEnd === 0 || rightBegin === right.length) throw wrong(rank, "two tokens", merge);
      if (!right.startsWith(prefix, rightBegin))
        throw wrong(rank, `a second part that begins with ${prefix}`, right.slice(rightBegin));
      const rightId = tokens.find(right, rightBegin, right.length);
      const leftId = tokens.find(left, 0, leftEnd);
      const id = tokens.findLonger(right, rightBegin + prefix.length, right.length);
      if (leftId < 0 || rightId < 0 || id < 0 || Math.max(leftId, rightId, id) > largestId) {
        const parts = [left.slice(0, leftEnd), right.slice(rightBegin)];
        const all = [parts[0] + parts[1].slice(prefix.length), ...parts];
        const token = all.find((token) => !((this.ids.get(token) ?? Infinity) <= largestId)) as string;
        const isToken = this.ids.has(token);
        throw wrong(rank, `tokens of the vocabulary${isToken ? ` with ids up to ${largestId}` : ""}`, token);
      }
      table.set(leftId, rightId, rank, id);
    }
    return table;
  }

  #allMerges(where: string): MergeTable {
    if (this.maxId > largestId) throw mismatch("vocabulary", where, `ids up to ${largestId}`, this.maxId);
    const tokens = new TokenHashes(this.ids);
    const merges: number[] = [];
    // Of one token: where others end that it begins with, and their ids.
    const lefts: [end: number, id: number][] = [];
    for (const [token, id] of this.ids) {
      lefts.length = 0;
      for (let at = 1; at < token.length; at++) {
        const left = at === 1 ? tokens.find(token, 0, 1) : tokens.findLonger(token, at - 1, at);
        if (left >= 0) lefts.push([at, left]);
      }
      for (const [at, left] of lefts) {
        const right = tokens.find(token, at, token.length);
        if (right >= 0) merges.push(left, right, id);
      }
    }
    const table = new MergeTable(merges.length / 3);
    for (let at = 0; at < merges.length; at += 3) table.set(merges[at], merges[at + 1], merges[at + 2], merges[at + 2]);
    return table;
  }

  tokenize(word: string): Tokens {
    const whole = this.#whole(word);
    if (whole) return whole;
    return word.length > shortWord && this.#canCut(word)
      ? allTokens(this.tokenizeLong(word))
      : this.#merge(this.#symbols(word));
  }

  /** The token that a word is, where that counts more than merges. */
  #whole(word: string): Tokens | undefined {
    const id = this.#options.ignore_merges ? this.ids.get(word) : undefined;
    return id === undefined ? undefined : oneToken(id, word);
  }

  /** The tokens of a long word in chunks: no merge crosses a place between two characters that are side by side in no token. */
  *tokenizeLong(word: string): Generator<Tokens | undefined> {
    const whole = this.#whole(word);
    if (whole) yield whole;
    if (whole) return;
    let canCut = true;
    for (let from = 0; canCut && from < word.length; from += scanned) {
      canCut = this.#canCut(word, from, from + scanned);
      if (from > 0) yield;
    }
    this.#neighbours ??= this.#findNeighbours();
    const neighbours = this.#neighbours;
    const isKnown = (at: number): boolean => this.#unitIds[word.charCodeAt(at)] >= 0;
    let tokens = noTokens();
    for (let begin = 0; begin < word.length; ) {
      let end = canCut ? begin + 1 : word.length;
      while (end < word.length) {
        if (neighbours[pairHash(word, end)] === 0 && isKnown(end - 1) && isKnown(end)) break;
        if (++end % scanned === 0) yield;
      }
      const chunk = word.slice(begin, end);
      if (chunk.length > longChunk) {
        for (const found of this.#mergeLong(yield* this.#symbolsLong(chunk, canCut))) {
          if (found) appendTokens(tokens, found, begin);
          yield found && tokens;
          if (found) tokens = noTokens();
        }
      } else {
        let found = this.#chunks.get(chunk);
        if (!found) {
          found = this.#merge(this.#symbols(chunk));
          if (this.#chunks.size > 10_000) this.#chunks.clear();
          if (chunk.length < 13) this.#chunks.set(chunk, found);
        }
        appendTokens(tokens, found, begin);
      }
      begin = end;
      if (tokens.ids.length < batchSize) continue;
      yield tokens;
      tokens = noTokens();
    }
    yield tokens;
  }

  /** Whether a word can be cut into chunks: nothing is put around its characters, and none vanishes. */
  #canCut(word: string, from = 0, to = word.length): boolean {
    if (!this.#isPlain || this.#unk !== undefined) return this.#isPlain;
    const end = Math.min(to, word.length);
    for (let at = from; at < end; at++) if (this.#unitIds[word.charCodeAt(at)] < 0) return false;
    return true;
  }

  #findNeighbours(): Uint8Array {
    const pairs = new Uint8Array(2 ** 18);
    for (const token of this.ids.keys()) {
      for (let at = 1; at < token.length; at++) pairs[pairHash(token, at)] = 1;
    }
    return pairs;
  }

  /**
   * The characters of a word as tokens.
   * @param allLengths takes the lengths of all in bytes, where places are made of those afterwards
   */
  #symbols(word: string, allLengths?: number[]): Tokens {
    const { continuing_subword_prefix: prefix = "", end_of_word_suffix: suffix = "", fuse_unk } = this.#options;
    const isPlain = this.#isPlain;
    const tokens = noTokens();
    // The length of each token in bytes, where those are not the places in the word.
    const lengths: number[] = [];
    let isOdd = false;
    const push = (id: number, begin: number, end: number, length: number): void => {
      tokens.ids.push(id);
      tokens.begins.push(begin);
      tokens.ends.push(end);
      lengths.push(length);
    };
    // An unknown run that has not been pushed yet.
    let unknownBegin = -1;
    let unknownEnd = -1;
    let unknownLength = 0;
    const flush = (): void => {
      if (unknownBegin >= 0) push(this.#unk as number, unknownBegin, unknownEnd, unknownLength);
      unknownBegin = -1;
      unknownLength = 0;
    };
    for (let at = 0; at < word.length; ) {
      const length = charLength(word, at);
      const end = at + length;
      let symbol = "";
      let id: number | undefined = isPlain && length === 1 ? this.#unitIds[word.charCodeAt(at)] : -1;
      if (id < 0) {
        symbol = (at > 0 ? prefix : "") + word.slice(at, end) + (end === word.length ? suffix : "");
        id = isPlain && length === 1 && this.maxId <= largestId ? undefined : this.ids.get(symbol);
      }
      const bytesLength = utf8Length(word.codePointAt(at) as number);
      if (id !== undefined) {
        flush();
        push(id, at, end, bytesLength);
      } else {
        const bytes = spell(symbol, this.#byteIds);
        if (bytes) {
          isOdd ||= unknownBegin >= 0;
          for (const byte of bytes) push(byte, at, end, 1);
        } else if (this.#unk === undefined) {
          if (this.#options.unk_token !== undefined) {
            throw mismatch("unknown", "encode", "characters of a vocabulary that lacks its unk_token", symbol);
          }
          isOdd = true;
        } else {
          if (!fuse_unk) flush();
          if (unknownBegin < 0) unknownBegin = at;
          unknownEnd = end;
          unknownLength += bytesLength;
        }
      }
      at = end;
    }
    flush();
    if (allLengths) for (const length of lengths) allLengths.push(length);
    else if (isOdd) drain(this.#sumLengths(word, tokens, lengths));
    return tokens;
  }

  /**
   * Where characters vanish (they have no token, and there is no unknown one), or bytes come before an unknown run that
   * they follow, the reference's offsets are the sums of the tokens' lengths in bytes.
   */
  *#sumLengths(word: string, { begins, ends }: Symbols, lengths: readonly number[]): Generator<undefined> {
    // The character that a byte is part of, and the bytes up to its end.
    let at = 0;
    let bytes = utf8Length(word.codePointAt(0) as number);
    const characterOf = (byte: number): number => {
      while (byte >= bytes && at + charLength(word, at) < word.length) {
        at += charLength(word, at);
        bytes += utf8Length(word.codePointAt(at) as number);
      }
      return at;
    };
    let byte = 0;
    for (const [index, length] of lengths.entries()) {
      begins[index] = characterOf(byte);
      byte += length;
      const last = characterOf(byte - 1);
      ends[index] = last + charLength(word, last);
      if (index % batchSize === batchSize - 1) yield;
    }
  }

  #merge(symbols: Tokens): Tokens {
    if (symbols.ids.length <= fewSymbols) return this.#mergeShort(symbols);
    return allTokens(this.#mergeLong(symbols));
  }

  /** The characters of a long word, a part at a time: a part ends behind a character that is known, so that no unknown run crosses. */
  *#symbolsLong(word: string, canCut: boolean): Generator<undefined, Symbols> {
    if (!this.#isPlain) return this.#symbols(word);
    // At most as many as there are code units, or bytes of those: three for each.
    const ids = new Int32Array((this.#byteIds.length > 0 ? 3 : 1) * word.length);
    const [begins, ends] = [new Int32Array(ids.length), new Int32Array(ids.length)];
    const lengths: number[] = [];
    let count = 0;
    for (let begin = 0; begin < word.length; yield) {
      let end = Math.min(begin + longChunk, word.length);
      while (end < word.length && !this.#isSeam(word, end)) end++;
      const part = this.#symbols(word.slice(begin, end), canCut ? undefined : lengths);
      ids.set(part.ids, count);
      for (let at = 0; at < part.ids.length; at++) {
        begins[count] = begin + part.begins[at];
        ends[count++] = begin + part.ends[at];
      }
      begin = end;
    }
    if (!canCut) yield* this.#sumLengths(word, { ids, begins, ends }, lengths);
    return { ids: ids.subarray(0, count), begins, ends };
  }

  /** Whether no unknown run, and no character, goes on across a place. */
  #isSeam(word: string, at: number): boolean {
    if (this.#unitIds[word.charCodeAt(at - 1)] >= 0) return true;
    return (this.#hasAllBytes || this.#unk === undefined) && charLength(word, at - 1) === 1;
  }

  /** Merges many symbols, and gives the tokens a part at a time, or a pause. */
  *#mergeLong({ ids, begins, ends }: Symbols): Generator<Tokens | undefined> {
    const merges = this.#merges;
    const next = yield* mergeSteps(ids.length, {
      rank: (left, right) => merges.rank(ids[left], ids[right]),
      merge: (left, right) => {
        ids[left] = merges.merged(ids[left], ids[right]);
        ends[left] = ends[right];
      },
    });
    for (let symbol = 0; symbol < ids.length; ) {
      const tokens = noTokens();
      for (; symbol < ids.length && tokens.ids.length < batchSize; symbol = next[symbol]) {
        tokens.ids.push(ids[symbol] >>> 0);
        tokens.begins.push(begins[symbol]);
        tokens.ends.push(ends[symbol]);
      }
      yield tokens;
    }
  }

  /** The same for a few symbols, where looking at all of them each time is the fastest. */
  #mergeShort(tokens: Tokens): Tokens {
    const { ids, begins, ends } = tokens;
    const { length } = ids;
    const merges = this.#merges;
    if (length === 0) return tokens;
    const rankAt = (left: number): number =>
      (nexts[left] < length ? merges.rank(ids[left], ids[nexts[left]]) : -1) >>> 0;
    for (let at = 0; at < length; at++) {
      nexts[at] = at + 1;
      ranks[at] = rankAt(at);
    }
    const lastRow = (length - 1) >> rowBits;
    let row = 0;
    let end = lastRow;
    for (;;) {
      for (; row <= end; row++) leasts[row] = leastOf(row, length);
      let best = leasts[0];
      for (let at = 1; at <= lastRow; at++) if (ranks[leasts[at]] < ranks[best]) best = leasts[at];
      if (ranks[best] === noRank) break;
      const right = nexts[best];
      ids[best] = merges.merged(ids[best], ids[right]);
      nexts[best] = nexts[right];
      nexts[right] = -1;
      ranks[right] = noRank;
      ranks[best] = rankAt(best);
      let before = best - 1;
      while (before >= 0 && nexts[before] !== best) before--;
      if (before >= 0) ranks[before] = rankAt(before);
      row = Math.max(before, 0) >> rowBits;
      end = right >> rowBits;
    }
    let count = 0;
    for (let at = 0; at < length; at = nexts[at]) {
      ids[count] = ids[at];
      begins[count] = begins[at];
      ends[count++] = ends[nexts[at] - 1];
    }
    ids.length = begins.length = ends.length = count;
    return tokens;
  }
}
