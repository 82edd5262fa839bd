import type { AddedToken } from "./added-tokens.ts";
import { mismatch } from "./errors.ts";
import { readJson } from "./json.ts";
import { isId, Reader } from "./reader.ts";

/** Longer than any model takes: `transformers` writes 1e30 where there is no limit. */
const noLimit = 1e12;

/** The names of the tokens with a meaning. */
export const roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((name) => `${name}_token`);

type Files = ReadonlyMap<string, Uint8Array | string>;

/** A small JSON file; one that is not there says nothing. */
function readSmall(files: Files, name: string): Reader {
  return new Reader(files.has(name) ? readJson(files.get(name) as string, name) : {}, name);
}

/** What the small files beside a tokenizer say of it: tokenizer_config.json, special_tokens_map.json, added_tokens.json; read as the first. */
export class Settings extends Reader {
  readonly #map: Reader;
  readonly #added: Reader;
  readonly #sentence: Reader;
  readonly #config: Reader;

  constructor(files: Files) {
    const { value, where } = readSmall(files, "tokenizer_config.json");
    super(value, where);
    this.#map = readSmall(files, "special_tokens_map.json");
    this.#added = readSmall(files, "added_tokens.json");
    this.#sentence = readSmall(files, "sentence_bert_config.json");
    this.#config = readSmall(files, "config.json");
  }

  /** The class that reads the tokenizer in `transformers`, without its ending; "" where no file names one. */
  get className(): string {
    const [, name = ""] = this.naming;
    return name.replace(/Tokenizer(Fast)?$/, "");
  }

  /** The class as tokenizer_config.json names it, else config.json, and where; without one, where the model's type is. */
  get naming(): readonly [where: string, name: string | undefined] {
    const key = "tokenizer_class";
    const reader = this.any(key) ? this : this.#config;
    const name = reader.text(key);
    return [reader.at(name ? key : "model_type"), name];
  }

  /** The model's type, by config.json; "" without one. */
  get modelType(): string {
    const type = this.#config.any("model_type");
    return typeof type === "string" ? type : "";
  }

  /** The token for a role, as in `role("pad_token")`. */
  role<Otherwise extends string | undefined>(name: string, otherwise: Otherwise): string | Otherwise {
    return this.roleToken(name)[0]?.content ?? otherwise;
  }

  /** What counts beside tokenizer_config.json: nothing where that lists the added tokens, as releases do that read it alone. */
  #older(reader: Reader): readonly Reader[] {
    return this.any("added_tokens_decoder") === undefined ? [reader] : [];
  }

  /** What the files say of a role, if they do; special_tokens_map.json goes first where an old release wrote them. */
  roleToken(name: string, otherwise?: string): AddedToken[] {
    const readers = [...this.#older(this.#map), this];
    const found = readers.flatMap((reader) => specialToken(reader.any(name), reader.at(name)));
    return [...found, ...specialToken(otherwise, name)].slice(0, 1);
  }

  /**
   * The tokens that these files add to a vocabulary, in the order in which new ones get their ids.
   * @param usual those that have roles where no file says it
   */
  tokens(usual: Readonly<Record<string, string>> = {}): AddedToken[] {
    const lists = ["additional_special_tokens", "extra_special_tokens"].flatMap((name) => {
      const list: unknown = this.any(name) ?? this.#older(this.#map)[0]?.any(name);
      return Object.values(Object(list)).flatMap((token) => specialToken(token, this.at(name)));
    });
    const named = roles.flatMap((name) => this.roleToken(name, usual[name]));
    const [ofRoles, special] = [named, [...named, ...lists]].map((all) => new Set(all.map(({ content }) => content)));
    const added = this.#older(this.#added)
      .flatMap((reader) =>
        Object.entries(reader.value as object).map(([content, id]) => {
          if (!isId(id)) throw mismatch("vocabulary", reader.at(content), "an id", id);
          return { content, id, special: special.has(content), normalized: !special.has(content) };
        }),
      )
      // Older releases wrote them by their names.
      .sort((a, b) => a.id - b.id);
    const numbered = [...this.addedTokens, ...added].map((token) => {
      return { ...token, id: undefined, special: token.special || ofRoles.has(token.content) };
    });
    return [...numbered, ...named, ...lists];
  }

  /** How many tokens the model takes: what sentence-transformers says goes first. */
  get maxLength(): number | undefined {
    const own = this.get("model_max_length", "number") ?? this.get("max_len", "number");
    const length = this.#sentence.get("max_seq_length", "number") ?? own;
    return length !== undefined && length >= 0 && length < noLimit ? length : undefined;
  }

  side(name: "padding_side" | "truncation_side"): "left" | "right" | undefined {
    const side = this.text(name);
    if (side === undefined || side === "left" || side === "right") return side;
    throw mismatch("file", this.at(name), '"left" or "right"', side);
  }

  /** `added_tokens_decoder`: tokens with their ids. */
  get addedTokens(): AddedToken[] {
    const tokens = this.child("added_tokens_decoder");
    return Object.keys(tokens?.value ?? {}).map((key) => {
      const id = Number(key);
      const json = new Reader(tokens?.any(key), this.at(`added_tokens_decoder: ${key}`));
      if (!isId(id)) throw mismatch("vocabulary", json.where, "an id", key);
      return { ...readAddedToken(json), id };
    });
  }
}

/** A token that decoding may skip: its text, or that and how it is found; none where nothing is given. */
export function specialToken(value: unknown, where: string): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [{ content: value, special: true }];
  return [readAddedToken(new Reader(value, where), true)];
}

/** A token of `added_tokens`. */
export function readAddedToken(json: Reader, special = json.flag("special", false)): AddedToken {
  const id = json.any("id");
  if (id !== undefined && !isId(id)) throw mismatch("vocabulary", json.at("id"), "a whole number from 0", id);
  return {
    content: json.need("content", "string"),
    single_word: json.flag("single_word"),
    lstrip: json.flag("lstrip"),
    rstrip: json.flag("rstrip"),
    normalized: json.flag("normalized", !special),
    special,
  };
}
