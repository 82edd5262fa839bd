import { Tokenizer, TokenizerError, type TokenizerFiles, type TokenizerOptions } from "../src/index.ts";
import { bytePieces } from "./model-file.ts";

/** The text of a tokenizer.json: a model and whatever else it has. */
export function tokenizerJson(model: object, rest: object = {}): string {
  return JSON.stringify({ version: "1.0", model, ...rest });
}

/** Opens a tokenizer.json. */
export function openJson(model: object, rest: object = {}): Tokenizer {
  return Tokenizer.from({ "tokenizer.json": tokenizerJson(model, rest) });
}

/** Ids by tokens: their places in a list. */
export function numbered(tokens: Iterable<string>): Record<string, number> {
  return Object.fromEntries(Array.from(tokens, (token, id) => [token, id]));
}

/** Words between spaces, each a token or the first one. */
export function wordLevel(...tokens: string[]): object {
  return { type: "WordLevel", unk_token: tokens[0], vocab: numbered(tokens) };
}
export const atSpaces = { pre_tokenizer: { type: "WhitespaceSplit" } };

/** Byte-pair encoding over characters and what their merges make. */
export function bpe(characters: string, merges: readonly string[], rest: object = {}): object {
  const tokens = [...characters, ...merges.map((merge) => merge.replace(" ", ""))];
  return { type: "BPE", vocab: numbered(new Set(tokens)), merges, ...rest };
}

/** Llama's kind of tokenizer.json: characters, and the bytes of all others with ids 0 to 255. */
export function byteFallback(...characters: string[]): Tokenizer {
  const vocab = numbered([...bytePieces.map(([piece]) => piece), ...characters]);
  const steps = [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
  ];
  return openJson(
    { type: "BPE", vocab, merges: [], byte_fallback: true },
    {
      normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
      decoder: { type: "Sequence", decoders: steps },
    },
  );
}

/** Runs what must fail, and returns its error's code and message; an error of another class is thrown. */
export function failure(run: () => unknown): [code: string, message: string] {
  try {
    run();
  } catch (error) {
    if (error instanceof TokenizerError) return [error.code, error.message];
    throw error;
  }
  throw new Error("expected an error, got none");
}

/** What is wrong with files. */
export function refusal(files: TokenizerFiles, options?: TokenizerOptions): [code: string, message: string] {
  return failure(() => Tokenizer.from(files, options));
}

/** A small BERT: ids 0 to 3 are [PAD], [UNK], [CLS] and [SEP], then come a, b, c, ##d, ! and 😀. */
export function bertLike(changes: object = {}): Tokenizer {
  const specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)];
  const template = {
    type: "TemplateProcessing",
    single,
    pair: [...single, text("B", 1), special("[SEP]", 1)],
    special_tokens: Object.fromEntries(
      ["[CLS]", "[SEP]"].map((id, index) => [id, { id, ids: [2 + index], tokens: [id] }]),
    ),
  };
  const model = {
    type: "WordPiece",
    vocab: numbered([...specials, "a", "b", "c", "##d", "!", "😀"]),
    unk_token: "[UNK]",
  };
  return openJson(model, {
    normalizer: { type: "BertNormalizer" },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: template,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    added_tokens: specials.map((content, id) => ({ id, content, special: true, normalized: false })),
    ...changes,
  });
}

/**
 * How often as long as a short run a long one takes: the best times of both, again and again until that is at most the
 * limit, as other work on the machine makes single times longer.
 */
export function growth(short: () => unknown, long: () => unknown, limit: number, rounds = 10): number {
  const best = [Infinity, Infinity];
  for (let round = 0; round < rounds && !(round > 1 && best[1] / best[0] < limit); round++) {
    for (const [index, run] of [short, long].entries()) {
      globalThis.gc?.();
      const begin = performance.now();
      run();
      best[index] = Math.min(best[index], performance.now() - begin);
    }
  }
  return best[1] / best[0];
}
