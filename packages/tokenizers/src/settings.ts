import type { AddedToken } from "./added-tokens.ts";
import { mismatch } from "./errors.ts";
import { readJson } from "./json.ts";
import { isId, Reader } from "./reader.ts";

/** Longer than any model takes: `transformers` writes 1e30 where there is no limit. */
const noLimit = 1e12;

/** What the small files beside a tokenizer say of it: tokenizer_config.json and special_tokens_map.json. */
export class Settings {
  readonly config: Reader;
  readonly #map: Reader;
  readonly #sentence: Reader;

  constructor(files: ReadonlyMap<string, Uint8Array | string>) {
    const read = (name: string): Reader =>
      new Reader(files.has(name) ? readJson(files.get(name) as string, name) : {}, name);
    this.config = read("tokenizer_config.json");
    this.#map = read("special_tokens_map.json");
    this.#sentence = read("sentence_bert_config.json");
  }

  flag(name: string, otherwise: boolean): boolean {
    return this.config.get(name, "boolean") ?? otherwise;
  }

  text(name: string): string | undefined {
    return this.config.get(name, "string");
  }

  /** The token for a role, as in `role("pad_token")`. */
  role<Otherwise extends string | undefined>(name: string, otherwise: Otherwise): string | Otherwise {
    for (const reader of [this.config, this.#map]) {
      const value = reader.any(name);
      if (typeof value === "string") return value;
      if (value !== undefined) return new Reader(value, reader.at(name)).need("content", "string");
    }
    return otherwise;
  }

  /** How many tokens the model takes: what sentence-transformers says goes first. */
  get maxLength(): number | undefined {
    const length = this.#sentence.get("max_seq_length", "number") ?? this.config.get("model_max_length", "number");
    return length !== undefined && length >= 0 && length < noLimit ? length : undefined;
  }

  side(name: "padding_side" | "truncation_side"): "left" | "right" | undefined {
    const side = this.text(name);
    if (side === undefined || side === "left" || side === "right") return side;
    throw mismatch("file", this.config.at(name), '"left" or "right"', side);
  }

  /** `added_tokens_decoder`: tokens with their ids. */
  get addedTokens(): AddedToken[] {
    const tokens = this.config.child("added_tokens_decoder");
    return Object.keys(tokens?.value ?? {}).map((key) => {
      const id = Number(key);
      const json = new Reader(tokens?.any(key), this.config.at(`added_tokens_decoder: ${key}`));
      if (!isId(id)) throw mismatch("vocabulary", json.where, "an id", key);
      return { ...readAddedToken(json), id };
    });
  }
}

/** A token of `added_tokens`. */
export function readAddedToken(json: Reader): AddedToken {
  const id = json.any("id");
  if (id !== undefined && !isId(id)) throw mismatch("vocabulary", json.at("id"), "a whole number from 0", id);
  const special = json.get("special", "boolean") ?? false;
  return {
    content: json.need("content", "string"),
    single_word: json.get("single_word", "boolean"),
    lstrip: json.get("lstrip", "boolean"),
    rstrip: json.get("rstrip", "boolean"),
    normalized: json.get("normalized", "boolean") ?? !special,
    special,
  };
}
