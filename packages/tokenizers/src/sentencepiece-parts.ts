import { charsmap } from "./charsmap.ts";
import { unigramSegmenter } from "./models/unigram.ts";
import type { SentencePieceParts } from "./sentencepiece.ts";

/** Everything a `.model` file can ask for beyond Llama's BPE: options of `SentencePieceTokenizer`. */
export const sentencePieceParts: SentencePieceParts = { unigram: unigramSegmenter, charsmap };
