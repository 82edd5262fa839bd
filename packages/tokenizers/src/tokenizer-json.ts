import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { cleanUp, type Decoder } from "./decoders.ts";
import { plainTemplate, type Template, type TemplatePiece } from "./encoding.ts";
import { mismatch } from "./errors.ts";
import type { Model } from "./models/model.ts";
import { inTurn, type Normalizer } from "./normalizers.ts";
import { longestPadded, postProcessor } from "./post-processing.ts";
import { cutterOf, type PreTokenizer } from "./pre-tokenizers.ts";
import { isId, Reader } from "./reader.ts";
import { readAddedToken } from "./settings.ts";
import { windowStream } from "./streams.ts";
import type { TokenizerParts } from "./tokenizer.ts";

/** A model and what the tokenizer has to know of it. */
export interface OpenedModel {
  readonly model: Model;
  /** The id of tokens whose text is the piece of the text itself. */
  readonly surfaceId?: number;
  readonly unk?: string;
}

/** The steps of each kind that a tokenizer.json may name, by name. */
export interface Components {
  readonly normalizers: Readonly<Record<string, (json: Reader) => Normalizer>>;
  readonly preTokenizers: Readonly<Record<string, (json: Reader) => PreTokenizer>>;
  readonly models: Readonly<Record<string, (json: Reader, vocabulary: unknown) => OpenedModel>>;
  readonly decoders: Readonly<Record<string, (json: Reader) => Decoder>>;
  /** Parses the file; the vocabulary apart from the rest where that is faster. */
  readonly parse: (text: string, where: string) => { readonly value: unknown; readonly vocabulary?: unknown };
}

const deepest = 64;

/**
 * The parts of a tokenizer, as a parsed tokenizer.json describes them: every step in its spelling of any release.
 * @param vocabulary that of a Unigram model, where it was read apart
 * @param addedTokens those of other files, where these are not the value's
 * @throws {TokenizerError} `code`: `"file"`, `"vocabulary"` or `"unsupported"`
 * @see tokenizers src/tokenizer/serialization.rs
 */
export function readTokenizerJson(
  value: unknown,
  where: string,
  components: Components,
  vocabulary?: unknown,
  addedTokens?: readonly AddedToken[],
): TokenizerParts {
  const root = new Reader(value, where);
  const modelJson = new Reader(root.any("model"), root.at("model"));
  const modelType = modelJson.text("type") ?? guessModel(modelJson, vocabulary !== undefined);
  const { model, surfaceId, unk } = build(components.models, modelType, modelJson.at("type"))(modelJson, vocabulary);
  const steps = <Step>(name: string, list: string, known: Readonly<Record<string, (json: Reader) => Step>>): Step[] =>
    sequence(root.child(name), list).map((json) => build(known, json.need("type", "string"), json.at("type"))(json));
  const normalizers = steps("normalizer", "normalizers", components.normalizers);
  const decoders = steps("decoder", "decoders", components.decoders);
  const tokens = addedTokens ?? root.list("added_tokens").map((json) => readAddedToken(json));
  // Older files have it in the vocabulary: what is added there has no words.
  const known = addedTokens ? [] : tokens;
  if (unk !== undefined && model.tokenToId(unk) === undefined && !known.some(({ content }) => content === unk)) {
    throw mismatch("vocabulary", modelJson.at("unk_token"), "a token of the vocabulary", unk);
  }
  const padding = root.child("padding");
  const truncation = root.child("truncation");
  checkLengths(truncation, padding);
  const sideOf = (json: Reader | undefined): "left" | "right" =>
    json?.choice("direction", ["right", "left"]) ?? "right";
  const added = new AddedTokens(tokens, model, inTurn(normalizers));
  const decode: TokenizerParts["decode"] = (tokenizer, ids, skips) => {
    const kept = skips ? ids.filter((id) => !added.isSpecial(id)) : ids;
    const texts = kept.map((id) => added.printed(id) ?? tokenizer.idToToken(id) ?? "");
    return root.any("decoder") !== undefined
      ? decoders.reduce((parts, step) => step(parts), texts as readonly string[]).join("")
      : texts.join(" ");
  };
  return {
    kind: "tokenizer.json",
    description: `${where}: ${modelType}`,
    model,
    surfaceId,
    added,
    cutter: cutterOf(steps("pre_tokenizer", "pretokenizers", components.preTokenizers)),
    ...readProcessors(sequence(root.child("post_processor"), "processors"), addedTokens && added),
    decode,
    decodeStream: (tokenizer, skips, prefixIds) => windowStream((ids) => decode(tokenizer, ids, skips), prefixIds),
    cleanUp,
    postProcessor,
    unkId: unk === undefined ? surfaceId : model.tokenToId(unk),
    padId: padding?.count("pad_id"),
    padTypeId: padding?.count("pad_type_id"),
    paddingSide: sideOf(padding),
    truncationSide: sideOf(truncation),
    truncationLength: truncation?.get("max_length", "number"),
    paddingLength: fixedLength(padding),
  };
}

/** Lengths of a file only count where they are asked for; those that nobody can have are refused at once. */
function checkLengths(truncation: Reader | undefined, padding: Reader | undefined): void {
  const most = truncation?.get("max_length", "number") ?? 0;
  const stride = truncation?.get("stride", "number") ?? 0;
  if (truncation && most !== 0 && !(stride < most))
    throw mismatch("file", truncation.at("stride"), `less than the max_length ${most}`, stride);
  if (truncation && !(Number.isInteger(most) && most >= 0))
    throw mismatch("file", truncation.at("max_length"), "a whole number from 0", most);
  for (const length of [fixedLength(padding), padding?.any("pad_to_multiple_of")]) {
    if (padding && length !== undefined && !(isId(length) && length <= longestPadded))
      throw mismatch("file", padding.where, `a length from 0 to ${longestPadded}`, length);
  }
}

/** The length that a file fills up to, if it says one; it is checked with the others. */
function fixedLength(padding: Reader | undefined): number | undefined {
  return Object(padding?.any("strategy")).Fixed;
}

/** The type of a model that an old file does not name. */
function guessModel(json: Reader, isUnigram: boolean): string {
  if (isUnigram) return "Unigram";
  if (json.any("merges") !== undefined) return "BPE";
  return json.any("continuing_subword_prefix") !== undefined ? "WordPiece" : "WordLevel";
}

function build<Factory>(known: Readonly<Record<string, Factory>>, type: string, where: string): Factory {
  if (Object.hasOwn(known, type)) return known[type];
  throw mismatch("unsupported", where, `one of ${Object.keys(known).join(", ")}`, type);
}

/** A step, or the steps of a sequence, of sequences too. */
function sequence(json: Reader | undefined, name: string, where = json?.where ?? "", depth = 0): Reader[] {
  if (!json) return [];
  if (json.text("type") !== "Sequence") return [json];
  if (depth === deepest) throw mismatch("file", where, `sequences at most ${deepest} deep`, undefined, "deeper ones");
  return json.list(name).flatMap((step) => sequence(step, name, where, depth + 1));
}

/**
 * What stands around a text, and whether offsets leave out spaces.
 * @param added has the ids of tokens that come without
 */
function readProcessors(
  processors: readonly Reader[],
  added: AddedTokens | undefined,
): Pick<TokenizerParts, "template" | "trim"> {
  let template: Template = plainTemplate;
  let trim: TokenizerParts["trim"];
  for (const json of processors) {
    const type = json.need("type", "string");
    const trims = type === "ByteLevel" || type === "RobertaProcessing";
    if (trims && json.flag("trim_offsets", true)) {
      trim = { add_prefix_space: json.flag("add_prefix_space", true) };
    }
    if (type === "TemplateProcessing") template = readTemplate(json, added);
    else if (type === "BertProcessing") template = aroundTemplate(json, 1, 1, added);
    else if (type === "RobertaProcessing") template = aroundTemplate(json, 0, 2, added);
    else if (!trims) {
      const known = "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence";
      throw mismatch("unsupported", json.at("type"), `one of ${known}`, type);
    }
  }
  return { template, trim };
}

/** `[CLS] A [SEP] B [SEP]`, as BERT and RoBERTa have it. */
function aroundTemplate(json: Reader, type: number, separators: number, added?: AddedTokens): Template {
  const special = (name: string, type: number): TemplatePiece => {
    const [token, id = added?.tokenToId(token as string)] = json.need(name, "array");
    if (typeof token !== "string" || !isId(id))
      throw mismatch("file", json.at(name), "a token and its id", json.any(name));
    return { ids: [id], tokens: [token], type };
  };
  const single: TemplatePiece[] = [special("cls", 0), { sequence: 0, type: 0 }, special("sep", 0)];
  const between = separators > 1 ? [special("sep", 0)] : [];
  return { single, pair: [...single, ...between, { sequence: 1, type }, special("sep", type)] };
}

function readTemplate(json: Reader, added: AddedTokens | undefined): Template {
  const specials = json.child("special_tokens");
  const read = (name: "single" | "pair"): TemplatePiece[] => {
    json.need(name, "array");
    return json.list(name).map((piece): TemplatePiece => {
      const text = piece.child("Sequence");
      if (text) {
        const id = text.need("id", "string");
        const sequence = id === "B" ? 1 : 0;
        if (id !== "A" && (name === "single" || id !== "B"))
          throw mismatch("file", json.at(name), name === "single" ? "the sequence A alone" : "a sequence A or B", id);
        return { sequence, type: text.count("type_id") ?? 0, laterType: sequence };
      }
      const token = new Reader(piece.any("SpecialToken"), piece.at("SpecialToken"));
      const id = token.need("id", "string");
      const type = token.count("type_id") ?? 0;
      const known = added?.tokenToId(id);
      if (known !== undefined) return { ids: [known], tokens: [id], type };
      const special = specials?.child(id);
      if (!special)
        throw mismatch("file", json.at("special_tokens"), `the token ${id} of the template`, undefined, "none");
      const [ids, tokens] = [special.need("ids", "array"), special.get("tokens", "array") ?? []];
      const wrong = ids.findIndex((id) => !isId(id));
      if (!ids.every(isId)) throw mismatch("vocabulary", `${special.at("ids")}[${wrong}]`, "an id", ids[wrong]);
      if (!tokens.every((text) => typeof text === "string"))
        throw mismatch("file", special.at("tokens"), "texts", tokens);
      return { ids, tokens: ids.map((_, index) => tokens[index] ?? id), type };
    });
  };
  return { single: read("single"), pair: read("pair") };
}
