// Our own grapheme-to-phoneme models (verify/g2p): a prompt is a word, last letter first.
import type { DecoderBatch } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import type { Stretch } from "./layers.ts";

/** A word, last letter first, then a token that ends it, then what is written for its letters, first to last. */
interface LetterOrder {
  /** The token behind the letters. */
  readonly end: number;
  /** From a letter to what writes for it. */
  readonly distance: number;
  /** Position of the last letter, which comes first; positions go down from there. */
  readonly highest: number;
}

/**
 * `letter_distance`: a word's letters stand before `bos_token_id`, and have positions so that what writes a letter's phones is
 * so far behind it in words of any length. Gives the positions of new rows, where the config has it.
 */
export function readLetterOrder(config: ConfigReader, contextLength: number) {
  if (!config.has("letter_distance")) return undefined;
  const distance = config.integer("letter_distance", { max: contextLength });
  const order = { end: config.integer("bos_token_id", { min: 0 }), distance, highest: contextLength - 1 };
  return (batch: DecoderBatch) => stretchesOf(batch, order);
}

function stretchesOf(batch: DecoderBatch, order: LetterOrder): Stretch[] {
  findWords(batch, order);
  return batch.entries.flatMap(({ cache: { length: index, word }, count, reaches }) => {
    const letters = Math.min(count, Math.max(0, (word?.letters ?? Number.POSITIVE_INFINITY) - index));
    const going = Array.from({ length: letters }, (_, at) => {
      return { position: order.highest - index - at, count: 1, reaches };
    });
    if (letters === count) return going;
    return [...going, { position: index + letters + word!.shift, count: count - letters, reaches }];
  });
}

/** Looks for the ends of words among the new rows of sequences that did not have one yet. */
function findWords({ ids, entries }: DecoderBatch, { end, distance, highest }: LetterOrder): void {
  let row = 0;
  for (const { cache, count } of entries) {
    if (!cache.word || cache.word.letters >= cache.length) {
      const index = ids.subarray(row, row + count).indexOf(end);
      const letters = cache.length + index;
      // The end is `distance` behind the first letter, the one before it.
      cache.word = index < 0 ? undefined : { letters, shift: highest + 1 + distance - 2 * letters };
    }
    row += count;
  }
}
