import {
  assemble,
  type Encoding,
  type EncodingView,
  piecesOf,
  type Range,
  type Template,
  type TemplatePiece,
} from "./encoding.ts";
import { mismatch } from "./errors.ts";
import type { EncodeOptions } from "./options.ts";
import type { Part } from "./part.ts";
import type { PostProcessor, Tokenizer } from "./tokenizer.ts";

/** A text is filled up to so many tokens at most, */
export const longestPadded = 2 ** 24;
// and a batch with so many, or its windows have so many, as engines hold no more.
const mostTokens = 2 ** 27;

/** Cuts to length and fills up, as Hugging Face's tokenizers do. */
export const postProcessor: PostProcessor = { arrange, pad };

/**
 * One text or a pair, cut to length before special tokens come around it.
 * @throws {TokenizerError} `code: "options"` when a text cannot be cut as asked
 * @see tokenizers src/tokenizer/mod.rs, post_process
 */
function arrange(
  parts: readonly Part[],
  tokenizer: Tokenizer,
  template: Template,
  options: EncodeOptions,
  view: EncodingView,
): Encoding {
  const { add_special_tokens: adds } = options;
  const pieces = piecesOf(template, parts.length, adds);
  const windows = truncate(parts, countSpecial(pieces), countSpecial(piecesOf(template, 1)), tokenizer, options);
  const first = windows.map((ranges) => ranges[0]);
  const encoding = assemble(parts, template, adds, view, first);
  const overflowing = options.return_overflowing_tokens ? windows : [];
  const longest = overflowing.reduce((sum, [[begin, end]]) => sum + end - begin, 0);
  const tokens = overflowing.reduce((product, { length }) => product * length, longest);
  if (tokens > mostTokens)
    throw mismatch("options", "encode: stride", `windows of at most ${mostTokens} tokens together`, tokens);
  for (const ranges of options.return_overflowing_tokens ? overflows(windows, pieces) : []) {
    encoding.overflowing.push(assemble(parts, template, adds, view, ranges));
  }
  return encoding;
}

function countSpecial(pieces: readonly TemplatePiece[]): number {
  return pieces.reduce((sum, piece) => sum + ("ids" in piece ? piece.ids.length : 0), 0);
}

/** The windows that did not fit, in the reference's order: every later window of one text with all of the other. */
function overflows(windows: readonly Range[][], pieces: readonly TemplatePiece[]): Range[][] {
  const [first, second] = windows;
  if (!second) return first.slice(1).map((range) => [range]);
  const isSwapped = pieces.find((piece) => "sequence" in piece)?.sequence === 1;
  const [outer, inner] = isSwapped ? [second, first] : [first, second];
  return [...outer.slice(1), outer[0]].flatMap((range) =>
    inner.slice(range === outer[0] ? 1 : 0).map((other) => (isSwapped ? [other, range] : [range, other])),
  );
}

/**
 * Which tokens of each text stay, and the windows after those.
 * @param added how many special tokens come around the texts, and `framed` around one
 */
function truncate(
  parts: readonly Part[],
  added: number,
  framed: number,
  tokenizer: Tokenizer,
  options: EncodeOptions,
): Range[][] {
  const { truncation = options.max_length !== undefined && !options.padding, stride = 0 } = options;
  const lengths = parts.map(({ length }) => length);
  let limits = [...lengths];
  if (truncation) {
    const most = lengthOf(tokenizer, options, "truncation") - added;
    const excess = lengths.reduce((sum, length) => sum + length, 0) - most;
    const which = truncation === "only_second" ? 1 : 0;
    if (most < 0) throw mismatch("options", "encode: max_length", `at least ${added}`, most + added);
    const room = most + added - framed;
    if (room >= 0 && room < stride)
      throw mismatch("options", "encode: stride", `at most ${room}, the room for one text`, stride);
    if (excess > 0) {
      if (most === 0) limits.fill(0);
      else if (truncation === true || truncation === "longest_first") limits = shortenLongest(lengths, most);
      else if (limits[which] > excess) limits[which] -= excess;
      else
        throw mismatch(
          "options",
          `encode: truncation ${truncation}`,
          `a text of more than ${excess} tokens`,
          limits[which],
        );
    }
  }
  const isLeft = (options.truncation_side ?? tokenizer.parts.truncationSide) === "left";
  return lengths.map((length, which) => windowsOf(length, limits[which], stride, isLeft));
}

function lengthOf({ maxLength, parts }: Tokenizer, options: EncodeOptions, option: "truncation" | "padding"): number {
  const { max_length = maxLength ?? parts[`${option}Length`] } = options;
  if (max_length !== undefined) return max_length;
  throw mismatch("options", `encode: ${option}`, "a max_length, here or in the files", max_length);
}

/** Two lengths, cut to a sum: the longer one first, then both to halves. */
function shortenLongest([first, second]: readonly number[], most: number): number[] {
  if (second === undefined) return [most];
  const short = Math.min(first, second, Math.floor(most / 2));
  return first > second ? [most - short, short] : [short, most - short];
}

function windowsOf(length: number, most: number, stride: number, isLeft: boolean): Range[] {
  if (most >= length) return [[0, length]];
  if (most === 0)
    return [
      [0, 0],
      [0, length, true],
    ];
  if (stride >= most) throw mismatch("options", "encode: stride", `less than the ${most} tokens of a window`, stride);
  const windows: Range[] = [];
  for (let from = 0; from + stride < length; from += most - stride) {
    const end = Math.min(from + most, length);
    windows.push(isLeft ? [length - end, length - from, from > 0] : [from, end, from > 0]);
  }
  return windows;
}

/** Fills up encodings, and their windows, to one length. */
function pad(encodings: Encoding[], tokenizer: Tokenizer, options: EncodeOptions): Encoding[] {
  const { padding, pad_to_multiple_of: multiple = 0, padding_side: side = tokenizer.parts.paddingSide } = options;
  const { pad_id: id = tokenizer.padId, pad_type_id: type = tokenizer.parts.padTypeId ?? 0 } = options;
  if (!padding) return encodings;
  if (id === undefined) throw mismatch("options", "encode: padding", "a tokenizer with a pad token, or a pad_id", id);
  const token = options.pad_token ?? tokenizer.idToToken(id) ?? "";
  let target =
    padding === "max_length"
      ? lengthOf(tokenizer, options, "padding")
      : encodings.reduce((longest, { length }) => Math.max(longest, length), 0);
  if (multiple > 0) target = Math.ceil(target / multiple) * multiple;
  const added = encodings
    .flatMap((encoding) => [encoding, ...encoding.overflowing])
    .reduce((sum, { length }) => sum + Math.max(target - length, 0), 0);
  if (added > 0 && target > longestPadded)
    throw mismatch("options", "encode: padding", `at most ${longestPadded} tokens to fill up to`, target);
  if (added > mostTokens)
    throw mismatch("options", "encode: padding", `at most ${mostTokens} tokens that fill up a batch`, added);
  const fill = (encoding: Encoding): Encoding => {
    const missing = target - encoding.length;
    const filled = missing > 0 ? encoding.filled(missing, id, token, type, side === "left") : encoding;
    filled.overflowing = encoding.overflowing.map(fill);
    return filled;
  };
  return encodings.map(fill);
}
