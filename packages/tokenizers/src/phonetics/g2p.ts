import { mismatch } from "../errors.ts";
import { readJson } from "../json.ts";
import { TokenMap } from "../models/token-map.ts";
import { checkOptions, type DecodeStreamOptions, streamChecks } from "../options.ts";
import { checkIds, checkText, type DecodeStream, type PlainEncoding, type TextTokenizer } from "../text-tokenizer.ts";
import { inForm } from "../unicode-forms.ts";
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

/** Characters whose ids are kept. */
const MOST_SPELLED = 4096;

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
 * `<sos>`; phoneme ids out as IPA. A letter whose accent has no token is spelled without it (é as e), a wide or joined
 * one plainly (ﬁ as f, i); any other character that has no token becomes `<unk>`.
 */
export class G2PTokenizer implements TextTokenizer {
  readonly kind = "g2p";
  readonly vocabSize: number;
  readonly maxId: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId?: number;
  readonly unkId?: number;
  /** Whether prompts have the letters last to first, for models that then write one token a letter, first to last. */
  readonly lastLetterFirst: boolean;
  readonly #map: TokenMap;
  /** What `#find` found before. */
  readonly #spelled = new Map<string, number[] | undefined>();

  /**
   * @param vocabulary vocab.json: its bytes, its text, or what was parsed from it
   * @param options `file`: its name, for messages; `lastLetterFirst`: whether prompts have the letters last to first
   * @throws {TokenizerError} `code: "file"` when it is not JSON, `"vocabulary"` when a token or id is wrong
   */
  constructor(
    vocabulary: Uint8Array | string | object,
    options: { readonly file?: string; readonly lastLetterFirst?: boolean } = {},
  ) {
    const where = options.file ?? "vocab.json";
    const isFile = typeof vocabulary === "string" || ArrayBuffer.isView(vocabulary);
    const value = isFile ? readJson(vocabulary as Uint8Array | string, where) : vocabulary;
    if (!isG2PVocabulary(value)) throw mismatch("vocabulary", where, "a token -> id map with <sos> and <eos>", value);
    this.lastLetterFirst = options.lastLetterFirst ?? false;
    this.#map = new TokenMap(value, where);
    this.vocabSize = this.#map.size;
    this.maxId = this.#map.maxId;
    this.bosId = value["<sos>"];
    this.eosId = value["<eos>"];
    this.padId = this.tokenToId("<pad>");
    this.unkId = this.tokenToId("<unk>");
  }

  get description(): string {
    return "letters and jamo to IPA";
  }

  /**
   * The prompt for one word. Offsets are those of the characters that letters come from.
   * @throws {TokenizerError} `code: "unknown"` for a character that has no token where the vocabulary has no `<unk>`
   */
  encode(word: string, options?: { readonly add_special_tokens?: boolean }): PlainEncoding {
    const { add_special_tokens = true, ...others } = options ?? {};
    const [other] = Object.keys(others);
    if (other !== undefined || typeof add_special_tokens !== "boolean") {
      throw mismatch("options", "encode", "add_special_tokens, true or false", other ?? add_special_tokens);
    }
    const ids: number[] = [];
    const offsets: [number, number][] = [];
    // Composed first, so that an accented letter is one character and a syllable is whole.
    for (const { 0: cluster, index } of checkText(word, "encode").matchAll(
      /[^\p{M}\u1160-\u11ff]?[\p{M}\u1160-\u11ff]*/gsu,
    )) {
      for (const character of splitHangul(inForm(cluster, "NFC"))) {
        for (const id of this.#spell(character) ?? [this.unkId]) {
          if (id === undefined) throw mismatch("unknown", "encode", "characters of the vocabulary", word);
          ids.push(id);
          offsets.push([index, index + cluster.length]);
        }
      }
    }
    if (this.lastLetterFirst) {
      ids.reverse();
      offsets.reverse();
    }
    if (add_special_tokens) {
      ids.push(this.bosId);
      offsets.push([0, 0]);
    }
    return { ids, offsets, tokens: ids.map((id) => this.idToToken(id) ?? "") };
  }

  /** @throws {TokenizerError} `code: "ids"` when an id has no token */
  decode(ids: Iterable<number>, options?: DecodeStreamOptions): string {
    const stream = this.decodeStream(options);
    return checkIds(ids).map(stream.push).join("");
  }

  decodeStream(options?: DecodeStreamOptions): DecodeStream {
    const { skip_special_tokens = true } = checkOptions(options, streamChecks, "decode");
    return {
      push: (id) => {
        const token = this.idToToken(id);
        if (token === undefined) throw mismatch("ids", "decode", "an id of the vocabulary", id);
        return skip_special_tokens && /^<[^<>]+>$/.test(token) ? "" : token;
      },
      end: () => "",
    };
  }

  tokenToId(token: string): number | undefined {
    return this.#map.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.#map.idToToken(id);
  }

  /**
   * Cuts a text into words that the model can pronounce and the rest, which passes through unchanged. A word is a run
   * of Latin letters or of Hangul, with its accents, that the vocabulary can spell as a whole; an apostrophe belongs to
   * a word only where the vocabulary has one. The parts in order are the text, with U+FFFD for halves of characters.
   */
  segment(text: string): Segment[] {
    const segments: Mutable<Segment>[] = [];
    const checked = checkText(text, "segment");
    let begin = 0;
    let script: Script = "other";
    const close = (end: number): void => {
      const part = checked.slice(begin, end);
      const isWord = script !== "other" && this.#canSpell(part);
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
        (/['’]/.test(character) &&
          this.tokenToId("'") !== undefined &&
          scriptOf(characterAt(checked, next)) === script);
      const here: Script = joins ? script : scriptOf(character);
      if (here !== script) close(at);
      script = here;
      at = next;
    }
    close(checked.length);
    return segments;
  }

  #canSpell(word: string): boolean {
    return [...splitHangul(inForm(word, "NFC"))].every((character) => this.#spell(character) !== undefined);
  }

  /** The ids of a character: its own, or those of its letters without accents; undefined where one has no token. */
  #spell(character: string): number[] | undefined {
    if (!this.#spelled.has(character)) {
      if (this.#spelled.size >= MOST_SPELLED) this.#spelled.clear();
      this.#spelled.set(character, this.#find(character));
    }
    return this.#spelled.get(character);
  }

  #find(character: string): number[] | undefined {
    const lower = character.toLowerCase().replace("’", "'");
    const plain = compatibilityJamo(lower.normalize("NFKD").replace(/\p{M}/gu, ""));
    for (const spelling of [[lower], [...plain]]) {
      const ids = spelling.map((letter) => this.tokenToId(letter));
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
