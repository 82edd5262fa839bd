import { Charsmap } from "./charsmap.ts";
import { fairseqIds } from "./fairseq.ts";
import { unigramModel } from "./models/unigram.ts";
import type { SentencePieceParts } from "./sentencepiece.ts";
import { readScore } from "./unigram-json.ts";

/** Everything a `.model` file can ask for beyond Llama's BPE: options of `openSentencePiece`. */
export const sentencePieceParts: SentencePieceParts = {
  unigram(vocabulary, options) {
    // As they would be read from a tokenizer.json that was made of the file.
    if (options.rule === "huggingface") {
      for (let id = 0; id < vocabulary.size; id++) vocabulary.scores[id] = readScore(String(vocabulary.scores[id]));
    }
    return unigramModel(vocabulary, options);
  },
  charsmap: (bytes, where) => new Charsmap(bytes, where),
  fairseq: fairseqIds,
};
