import { mismatch, show } from "../errors.ts";
import { readJson } from "../json.ts";
import {
  checkText,
  type DecodeOptions,
  type DecodeStream,
  decodeAll,
  type EncodeOptions,
  readFlags,
  type Tokenizer,
} from "../tokenizer.ts";
import { compatibilityJamo, splitHangul } from "./jamo.ts";

/** A part of a text: a word that the vocabulary can spell, or whatever stands between words. */
export interface Segment {
  readonly kind: "word" | "other";
  /** The script of a word; `"other"` where the kind is. */
  readonly script: Script;
  readonly text: string;
  /** Where it begins in the text, in UTF-16 code units. */
  readonly begin: number;
  /** Where it ends, exclusive. */
  readonly end: number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A script that words are written in. */
export type Script = "latin" | "hangul" | "other";

/** Whether a parsed vocab.json is a G2P's: a plain token -> id map that holds `<sos>` and `<eos>`. */
export function isG2PVocabulary(value: unknown): value is Record<string, number> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return ["<sos>", "<eos>"].every((token) => Object.hasOwn(value, token));
}

/**
 * The text side of a grapheme-to-phoneme Llama: a word in, one id per lower-case letter or compatibility jamo and then
 * `<sos>`; phoneme ids out as IPA.
 */
export class G2PTokenizer implements Tokenizer {
  readonly kind = "g2p";
  readonly vocabSize: number;
  readonly maxId: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId?: number;
  readonly unkId?: number;
  readonly #ids = new Map<string, number>();
  readonly #tokens = new Map<number, string>();

  /**
   * @param vocabulary vocab.json: its bytes, its text, or what was parsed from it
   * @throws {TokenizerError} `code: "file"` when it is not JSON, `"vocabulary"` when a token or id is wrong
   */
  constructor(vocabulary: Uint8Array | string | object, options: { readonly file?: string } = {}) {
    const where = options.file ?? "vocab.json";
    const isFile = typeof vocabulary === "string" || ArrayBuffer.isView(vocabulary);
    const value = isFile ? readJson(vocabulary as Uint8Array | string, where) : vocabulary;
    if (!isG2PVocabulary(value)) throw mismatch("vocabulary", where, "a token -> id map with <sos> and <eos>", value);
    let maxId = 0;
    for (const [token, id] of Object.entries(value)) {
      const isId = Number.isInteger(id) && id >= 0 && id < 2 ** 32;
      if (!isId) throw mismatch("vocabulary", `${where}: ${show(token)}`, "an id from 0 to 4294967295", id);
      this.#ids.set(token, id);
      // Of two tokens with one id, the first is printed.
      if (!this.#tokens.has(id)) this.#tokens.set(id, token);
      maxId = Math.max(maxId, id);
    }
    this.vocabSize = this.#ids.size;
    this.maxId = maxId;
    this.bosId = value["<sos>"];
    this.eosId = value["<eos>"];
    this.padId = this.#ids.get("<pad>");
    this.unkId = this.#ids.get("<unk>");
  }

  /**
   * The prompt for one word. A letter whose accent has no token is spelled without it (é as e), a wide or joined one
   * plainly (ﬁ as f, i); any other character that has no token becomes `<unk>`.
   * @throws {TokenizerError} `code: "unknown"` for such a character where the vocabulary has no `<unk>` either
   */
  encode(word: string, options?: EncodeOptions): number[] {
    const { add_special_tokens } = readFlags(options, { add_special_tokens: true }, "encode");
    const ids = this.#spellings(checkText(word, "encode")).flatMap((spelling) => {
      const known = spelling ?? this.unkId;
      if (known === undefined) throw mismatch("unknown", "encode", "characters of the vocabulary", word);
      return known;
    });
    if (add_special_tokens) ids.push(this.bosId);
    return ids;
  }

  decode(ids: Iterable<number>, options?: DecodeOptions): string {
    return decodeAll(ids, this.decodeStream(options));
  }

  decodeStream(options?: DecodeOptions): DecodeStream {
    const { skip_special_tokens } = readFlags(options, { skip_special_tokens: true, continuing: false }, "decode");
    return {
      push: (id) => {
        const token = this.#tokens.get(id);
        if (token === undefined) throw mismatch("ids", "decode", "an id of the vocabulary", id);
        return skip_special_tokens && /^<[^<>]+>$/.test(token) ? "" : token;
      },
      end: () => "",
    };
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  /**
   * Cuts a text into words that the model can pronounce and the rest, which passes through unchanged. A word is a run
   * of Latin letters or of Hangul, with its accents, that the vocabulary can spell as a whole; an apostrophe belongs to
   * a word only where the vocabulary has one. The parts in order are the text.
   */
  segment(text: string): Segment[] {
    const segments: Mutable<Segment>[] = [];
    const checked = checkText(text, "segment");
    let begin = 0;
    let script: Script = "other";
    const close = (end: number): void => {
      const part = checked.slice(begin, end);
      const isWord = script !== "other" && !this.#spellings(part).includes(undefined);
      const last = segments[segments.length - 1];
      if (!isWord && last?.kind === "other") {
        last.text += part;
        last.end = end;
      } else if (part !== "") {
        segments.push({ kind: isWord ? "word" : "other", script: isWord ? script : "other", text: part, begin, end });
      }
      begin = end;
    };
    for (let at = 0; at < checked.length; ) {
      const character = characterAt(checked, at);
      const next = at + character.length;
      // Combining marks stay with the letter before them, an apostrophe between two letters.
      const joins: boolean =
        /\p{M}/u.test(character) ||
        (/['’]/.test(character) && this.#ids.has("'") && scriptOf(characterAt(checked, next)) === script);
      const here: Script = joins ? script : scriptOf(character);
      if (here !== script) close(at);
      script = here;
      at = next;
    }
    close(checked.length);
    return segments;
  }

  /** The ids of each letter or jamo; undefined where one has no token. */
  #spellings(word: string): (number[] | undefined)[] {
    // Composed first, so that an accented letter is one character and a syllable is whole.
    return Array.from(splitHangul(word.normalize("NFC")), (character) => this.#spell(character));
  }

  /** The ids of a character: its own, or those of its letters without accents; undefined where one has no token. */
  #spell(character: string): number[] | undefined {
    const lower = character.toLowerCase().replace("’", "'");
    const plain = compatibilityJamo(lower.normalize("NFKD").replace(/\p{M}/gu, ""));
    for (const spelling of [[lower], [...plain]]) {
      const ids = spelling.map((letter) => this.#ids.get(letter));
      if (!ids.includes(undefined)) return ids as number[];
    }
    return undefined;
  }
}

function characterAt(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at) as number) : "";
}

function scriptOf(character: string): Script {
  if (/^(?=\p{L})\p{Script=Latin}/u.test(character)) return "latin";
  return /^(?=\p{L})\p{Script=Hangul}/u.test(character) ? "hangul" : "other";
}
