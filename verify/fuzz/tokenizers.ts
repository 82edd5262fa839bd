import fc from "fast-check";
import { type EncodeOptions, type Encoding, Tokenizer, TokenizerError } from "../../packages/tokenizers/src/index.ts";
import type { Outcome } from "./safetensors.ts";
import { leastMs } from "./timing.ts";
import { drawFrom, generateFiles, texts } from "./tokenizer-files.ts";

type Files = Parameters<typeof Tokenizer.from>[0];

const options: readonly EncodeOptions[] = [
  { offsets: "code_points" },
  { text_pair: "b a", max_length: 6, stride: 1, truncation: true, return_overflowing_tokens: true, padding: true },
  { add_special_tokens: false, split_special_tokens: true },
];

/** Runs something that may fail as it should. */
function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof TokenizerError) return undefined;
    throw error;
  }
}

/** Reads all of an encoding and takes it back to text. */
function use(tokenizer: Tokenizer, encoding: Encoding): void {
  const { ids, tokens, offsets, length } = encoding;
  if (tokens.length !== length || offsets.length !== length) throw new Error("lists of several lengths");
  attempt(() => tokenizer.decode(ids));
  attempt(() => tokenizer.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: true }));
  attempt(() => {
    const stream = tokenizer.decodeStream();
    for (const id of ids) stream.push(id);
    stream.end();
  });
}

/**
 * What becomes of some files: "accepted" or the code of the error; anything else that is thrown is a failure.
 * @param choice which texts and options an accepted tokenizer is used with
 */
export function verdict(files: Files, choice: number): string {
  let tokenizer: Tokenizer;
  try {
    tokenizer = Tokenizer.from(files);
  } catch (error) {
    if (error instanceof TokenizerError) return error.code;
    throw error;
  }
  for (const index of [choice % texts.length, (choice >> 4) % texts.length]) {
    // A G2P's tokenizer has other options.
    const own = "parts" in tokenizer ? options[choice % options.length] : undefined;
    const encoding =
      attempt(() => tokenizer.encode(texts[index], own)) ?? attempt(() => tokenizer.encode(texts[index]));
    if (encoding) use(tokenizer, encoding);
  }
  attempt(() => tokenizer.decode([0, 1, 2, tokenizer.maxId]));
  return "accepted";
}

/**
 * Opens so many generated sets of files, and uses what is accepted: each must give a tokenizer or a typed error, within
 * the limit.
 */
export function run(count: number, seed: number, limitMs: number): Outcome {
  const counts = new Map<string, number>();
  let slowestMs = 0;
  const property = fc.property(fc.array(fc.nat(0xffff), { maxLength: 240, size: "max" }), (numbers) => {
    const draw = drawFrom(numbers);
    const choice = draw(2 ** 16);
    const files = generateFiles(draw);
    let code = "";
    let bestMs = 0;
    try {
      bestMs = leastMs(limitMs, () => {
        code = verdict(files, choice);
      });
      if (bestMs > limitMs) throw new Error(`took ${bestMs.toFixed(1)} ms`);
    } catch (cause) {
      throw new Error(`${cause} for ${print(files)}`, { cause });
    }
    slowestMs = Math.max(slowestMs, bestMs);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  });
  fc.assert(property, { numRuns: count, seed });
  return { counts, slowestMs };
}

/** Files as a message prints them: JSON as it is, bytes in base64. */
function print(files: Files): string {
  const shown = Object.entries(files).map(([name, file]) => {
    const text = typeof file === "string" ? file : `base64 ${Buffer.from(file as Uint8Array).toString("base64")}`;
    return `${name}: ${text.slice(0, 3000)}`;
  });
  return shown.join("\n");
}
