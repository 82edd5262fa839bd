import type { GenerationOptions } from "../src/generation/options.ts";

// What transformers 5.18.0 (PyTorch 2.13.0) generates with a model whose logits are `fakeLogits`.

export interface Vector {
  readonly prompt: readonly number[];
  readonly options: GenerationOptions;
  /**
   * New ids of each text, "." for an end-of-text id, and beams' `sequences_scores`; of a distribution its ids with their log
   * probabilities.
   */
  readonly expected: readonly string[] | string;
}

/** Texts of the ids. */
// biome-ignore format: a table
export const pieces: readonly string[] = ["abcdef", "a", "b", "c", "d", "e", "ab", "ba", "ca", "dd", "abc", "cab", "eb", "dea", "bad", "cede", "ace", "bee", "dab", "ebb", "add", "aa", "bb", "cc", "ee", " a", " b", " c", "é"];

/** The likeliest ids under each option. */
// biome-ignore format: one line for each case
export const greedyVectors: readonly Vector[] = [
  {"prompt": [1, 2], "options": {"max_new_tokens": 12}, "expected": ["13 18 5 2 13 24 1 14 0 5 9 15"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12}, "expected": ["19 18 10 16 9 25 10 9 1 1 25 21"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "repetition_penalty": 1.7}, "expected": ["13 18 5 23 3 4 12 26 21 10 22 25"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "repetition_penalty": 1.7}, "expected": ["19 18 10 16 22 20 23 12 0 26 17 24"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "repetition_penalty": 0.6}, "expected": ["13 18 13 28 18 2 13 13 2 25 22 13"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "repetition_penalty": 0.6}, "expected": ["19 18 19 7 7 5 5 7 5 19 16 7"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 24, "no_repeat_ngram_size": 1}, "expected": ["13 18 5 23 3 4 12 26 21 10 22 25 24 20 28 16 11 14 27 19 7 9 6 17"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 24, "no_repeat_ngram_size": 1}, "expected": ["19 18 10 16 22 20 23 12 0 26 17 24 28 15 27 11 21 6 8 13 3 25 1 2"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 40, "no_repeat_ngram_size": 2}, "expected": ["13 18 5 2 0 15 3 14 23 2 24 22 14 5 14 7 6 1 0 1 27 20 12 16 21 24 12 3 16 8 14 12 11 1 20 0 11 3 11 18"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 40, "no_repeat_ngram_size": 2}, "expected": ["19 18 10 16 9 25 10 9 1 1 25 21 4 21 12 19 9 2 9 8 24 13 15 0 4 13 14 5 14 7 6 1 0 1 27 20 12 16 21 24"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 40, "no_repeat_ngram_size": 3}, "expected": ["13 18 5 2 13 24 1 14 0 5 9 15 12 25 9 12 18 26 13 3 3 13 19 20 24 1 10 25 6 14 3 5 25 23 26 6 6 19 26 2"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 40, "no_repeat_ngram_size": 3}, "expected": ["19 18 10 16 9 25 10 9 1 1 25 21 4 21 12 19 9 2 9 8 24 13 15 0 4 13 14 5 14 7 6 1 0 1 27 20 12 16 21 24"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]], "eos_token_id": 3}, "expected": ["20 7 25 14 1 25 23 7 26 17 20 2"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]], "eos_token_id": 3}, "expected": ["19 26 14 2 17 26 19 6 4 9 21 6"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "eos_token_id": [5, 10, 9]}, "expected": ["13 18 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "eos_token_id": [5, 10, 9]}, "expected": ["19 18 ."]},
  {"prompt": [20], "options": {"max_new_tokens": 12, "eos_token_id": [5, 10, 9]}, "expected": ["28 11 ."]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "min_new_tokens": 6, "eos_token_id": [5, 10, 9]}, "expected": ["13 18 0 25 14 3 13 27 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "min_new_tokens": 6, "eos_token_id": [5, 10, 9]}, "expected": ["19 18 8 20 11 24 24 11 23 0 28 18"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "min_length": 7, "eos_token_id": [5, 10, 9]}, "expected": ["13 18 0 25 14 3 13 27 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "min_length": 7, "eos_token_id": [5, 10, 9]}, "expected": ["19 18 ."]},
  {"prompt": [1, 2], "options": {"max_length": 9}, "expected": ["13 18 5 2 13 24 1"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_length": 9}, "expected": ["19 18 10 16"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 4, "forced_eos_token_id": 3, "eos_token_id": 3}, "expected": ["13 18 5 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 4, "forced_eos_token_id": 3, "eos_token_id": 3}, "expected": ["19 18 10 ."]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 4, "forced_eos_token_id": [6, 3], "eos_token_id": [3, 6]}, "expected": ["13 18 5 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 4, "forced_eos_token_id": [6, 3], "eos_token_id": [3, 6]}, "expected": ["19 18 10 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 4, "forced_bos_token_id": 17}, "expected": ["19 18 10 16"]},
  {"prompt": [20], "options": {"max_new_tokens": 4, "forced_bos_token_id": 17}, "expected": ["17 6 5 14"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "suppress_tokens": [13, 19, 28, 2, 16, 14]}, "expected": ["20 7 25 17 23 12 0 26 7 22 24 9"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "suppress_tokens": [13, 19, 28, 2, 16, 14]}, "expected": ["10 20 27 15 12 22 26 15 25 3 9 17"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "begin_suppress_tokens": [13, 19, 28]}, "expected": ["20 7 25 14 1 25 23 7 26 17 20 2"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "begin_suppress_tokens": [13, 19, 28]}, "expected": ["2 10 1 24 24 20 3 4 26 19 1 28"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 4, "forced_bos_token_id": 17, "begin_suppress_tokens": [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28]}, "expected": ["19 18 10 16"]},
  {"prompt": [20], "options": {"max_new_tokens": 4, "forced_bos_token_id": 17, "begin_suppress_tokens": [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28]}, "expected": ["17 19 22 5"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 12, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]], "min_new_tokens": 5, "suppress_tokens": [8, 21], "begin_suppress_tokens": [19], "forced_eos_token_id": 3, "eos_token_id": [3, 14]}, "expected": ["20 7 25 17 23 12 0 26 18 15 19 ."]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 12, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]], "min_new_tokens": 5, "suppress_tokens": [8, 21], "begin_suppress_tokens": [19], "forced_eos_token_id": 3, "eos_token_id": [3, 14]}, "expected": ["2 10 1 24 6 12 ."]},
];

/** Beam search. */
// biome-ignore format: one line for each case
export const beamVectors: readonly Vector[] = [
  {"prompt": [1, 2], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 4}, "expected": ["13 22 13 26 28 10 1 22 (-1.5148)", "13 18 5 2 0 15 3 14 (-1.5252)", "13 22 13 26 15 3 5 18 (-1.5378)", "13 22 13 26 28 10 1 16 (-1.5398)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 4}, "expected": ["19 18 8 20 11 20 7 22 (-1.2686)", "19 18 8 20 11 20 7 23 (-1.2695)", "19 18 8 20 11 24 24 11 (-1.2815)", "19 18 8 20 11 24 24 16 (-1.2924)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [4, 18], "early_stopping": false, "length_penalty": 0.5}, "expected": ["13 . (-2.3197)", "13 22 13 26 15 3 5 . (-4.3494)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [4, 18], "early_stopping": true, "length_penalty": 0.5}, "expected": ["13 . (-2.3197)", "13 22 13 26 15 3 5 . (-4.3494)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [4, 18], "early_stopping": "never", "length_penalty": 0.5}, "expected": ["13 . (-2.3197)", "13 22 13 26 15 3 5 . (-4.3494)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [5, 16], "early_stopping": false, "length_penalty": 1.0}, "expected": ["13 22 13 26 28 10 1 22 4 20 9 2 19 24 (-1.4462)", "13 22 13 26 28 10 1 22 4 20 9 2 19 10 (-1.4472)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [5, 16], "early_stopping": true, "length_penalty": 1.0}, "expected": ["13 22 13 26 15 3 . (-1.5100)", "13 18 . (-1.6189)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [5, 16], "early_stopping": "never", "length_penalty": 1.0}, "expected": ["13 22 13 26 28 10 1 22 4 20 9 2 19 24 (-1.4462)", "13 22 13 26 28 10 1 22 4 20 9 2 19 10 (-1.4472)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [5, 21], "early_stopping": false, "length_penalty": 2.0}, "expected": ["13 16 2 16 8 7 0 24 7 17 15 14 3 3 (-0.0933)", "13 16 2 16 8 7 0 24 7 17 15 14 3 23 (-0.0958)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [5, 21], "early_stopping": true, "length_penalty": 2.0}, "expected": ["13 16 2 16 8 9 . (-0.2070)", "8 19 13 . (-0.4042)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [5, 21], "early_stopping": "never", "length_penalty": 2.0}, "expected": ["13 16 2 16 8 7 0 24 7 17 15 14 3 3 (-0.0933)", "13 16 2 16 8 7 0 24 7 17 15 14 3 23 (-0.0958)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [10, 19, 27, 12, 28, 9], "early_stopping": false, "length_penalty": 0.5}, "expected": ["8 . (-2.2400)", "13 22 13 26 . (-3.3734)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [10, 19, 27, 12, 28, 9], "early_stopping": true, "length_penalty": 0.5}, "expected": ["8 . (-2.2400)", "13 22 13 26 . (-3.3734)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [10, 19, 27, 12, 28, 9], "early_stopping": "never", "length_penalty": 0.5}, "expected": ["8 . (-2.2400)", "13 22 13 26 . (-3.3734)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [23, 20, 8, 20, 7, 1], "early_stopping": false, "length_penalty": 1.0}, "expected": ["13 16 2 16 . (-1.4538)", "13 22 13 26 28 10 . (-1.5253)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [23, 20, 8, 20, 7, 1], "early_stopping": true, "length_penalty": 1.0}, "expected": ["13 16 2 16 . (-1.4538)", " . (-1.7169)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [23, 20, 8, 20, 7, 1], "early_stopping": "never", "length_penalty": 1.0}, "expected": ["13 16 2 16 . (-1.4538)", "13 18 5 2 0 15 5 19 13 17 14 5 22 12 (-1.4926)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [21, 0, 27, 28, 27, 19], "early_stopping": false, "length_penalty": 2.0}, "expected": ["13 16 2 16 8 9 13 7 5 12 4 . (-0.1204)", "13 16 2 16 8 9 13 7 5 25 17 . (-0.1230)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [21, 0, 27, 28, 27, 19], "early_stopping": true, "length_penalty": 2.0}, "expected": ["13 16 2 16 8 9 . (-0.2070)", "13 16 2 16 8 9 . (-0.2081)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [21, 0, 27, 28, 27, 19], "early_stopping": "never", "length_penalty": 2.0}, "expected": ["13 16 2 16 8 9 13 7 5 25 17 12 12 . (-0.1058)", "13 16 2 16 8 9 13 7 5 25 17 12 3 4 (-0.1065)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [21, 0, 27, 28, 27, 19], "length_penalty": 0.0}, "expected": ["8 . (-3.1678)", "13 22 13 26 . (-7.5432)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [21, 0, 27, 28, 27, 19], "length_penalty": -1.0}, "expected": ["8 . (-6.3356)", "13 22 13 26 . (-37.7161)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 30, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [3, 14, 20]}, "expected": ["13 18 5 2 2 4 11 5 17 8 12 0 19 15 . (-1.4416)", "13 18 5 2 2 4 11 5 17 8 12 . (-1.4631)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 30, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [3, 14, 20]}, "expected": ["19 18 8 . (-1.1479)", "19 18 10 16 9 27 2 1 23 6 13 15 17 27 1 . (-1.3401)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 6, "num_beams": 12, "num_return_sequences": 3, "eos_token_id": 3}, "expected": ["13 16 2 16 8 9 (-1.4117)", "8 11 19 17 25 7 (-1.4658)", "13 22 13 26 28 10 (-1.4868)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 6, "num_beams": 12, "num_return_sequences": 3, "eos_token_id": 3}, "expected": ["19 18 8 20 7 2 (-1.1718)", "19 18 8 20 11 24 (-1.1844)", "19 18 8 20 7 19 (-1.1979)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]], "min_new_tokens": 4}, "expected": ["8 11 19 17 25 7 . (-1.4214)", "8 11 19 17 25 0 21 15 (-1.5084)", "8 11 19 17 25 0 20 28 (-1.5232)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]], "min_new_tokens": 4}, "expected": ["10 20 27 15 12 2 22 28 (-1.5888)", "10 20 27 15 12 . (-1.5987)", "19 17 28 27 18 10 20 4 (-1.6168)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": 3, "forced_eos_token_id": 3, "suppress_tokens": [1, 2]}, "expected": ["13 22 13 26 15 16 12 . (-1.3564)", "8 19 7 15 8 15 28 . (-1.3601)", "8 19 7 15 8 15 7 . (-1.3675)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": 3, "forced_eos_token_id": 3, "suppress_tokens": [1, 2]}, "expected": ["19 18 8 20 11 24 24 . (-1.0312)", "19 18 8 20 11 20 7 . (-1.0619)", "19 18 8 20 7 19 24 . (-1.0761)"]},
  {"prompt": [20], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": 3, "forced_bos_token_id": 17}, "expected": ["17 26 4 8 12 10 6 7 (-1.1622)", "17 26 4 8 12 10 20 19 (-1.1852)", "17 26 4 8 12 10 20 5 (-1.2418)"]},
];

/** Beam search by the files of a model that have renormalize_logits. */
// biome-ignore format: one line for each case
export const renormalizedVectors: readonly Vector[] = [
  {"prompt": [1, 2], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]]}, "expected": ["8 11 19 17 25 7 . (-1.2824)", "8 11 19 17 25 0 20 28 (-1.3981)", "8 11 19 17 25 0 20 12 (-1.4031)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "bad_words_ids": [[13], [19, 18], [11, 9, 14], [1, 2, 13, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], [3]]}, "expected": ["19 26 6 28 12 15 . (-1.1348)", "19 26 . (-1.2313)", "19 26 6 28 12 23 6 2 (-1.2723)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "suppress_tokens": [0, 3, 6, 9, 12, 15, 18, 21, 24, 27], "length_penalty": 0.0}, "expected": ["13 16 11 26 2 20 1 10 (-8.6135)", "13 22 13 26 28 10 1 22 (-9.3135)", "13 16 2 16 8 20 28 25 (-9.3979)"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "suppress_tokens": [0, 3, 6, 9, 12, 15, 18, 21, 24, 27], "length_penalty": 0.0}, "expected": ["19 26 . (-2.9440)", "19 26 16 17 16 2 20 . (-9.0061)", "19 26 16 17 16 2 20 17 (-9.3990)"]},
  {"prompt": [20], "options": {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14], "forced_bos_token_id": 17, "min_new_tokens": 4}, "expected": ["17 26 4 8 12 10 6 7 (-1.1519)", "17 26 4 8 12 10 20 19 (-1.1749)", "17 26 4 11 22 . (-1.1899)"]},
];

/** Stop strings, in the texts of `pieces`. */
// biome-ignore format: one line for each case
export const stopVectors: readonly Vector[] = [
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": "a"}, "expected": ["13"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 20, "stop_strings": "a"}, "expected": ["19 18"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": "a", "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}, "expected": ["13 (-1.5965)", "20 (-1.7169)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": "ab"}, "expected": ["13 18"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 20, "stop_strings": "ab"}, "expected": ["19 18"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": "ab", "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}, "expected": ["13 16 2 16 8 20 28 27 2 22 9 7 15 1 20 22 26 20 14 15 (-1.4135)", "13 16 2 16 8 20 28 27 2 22 9 7 15 1 12 8 1 8 17 (-1.4187)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": ["cc ", "éa"]}, "expected": ["13 18 5 2 13 24 1 14 0 5 9 15 12 25 9 12 18 26 13 3"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 20, "stop_strings": ["cc ", "éa"]}, "expected": ["19 18 10 16 9 25 10 9 1 1 25 21 4 21 12 19 9 2 9 8"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": ["cc ", "éa"], "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}, "expected": ["13 18 5 2 2 4 11 5 17 8 12 0 19 15 14 24 14 13 2 20 (-1.4633)", "13 18 5 2 2 4 11 5 17 8 12 0 19 15 14 24 14 27 17 27 (-1.4683)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": ["dbb", "bba"]}, "expected": ["13 18 5 2 13 24 1 14 0 5 9 15 12 25 9 12 18 26 13 3"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 20, "stop_strings": ["dbb", "bba"]}, "expected": ["19 18 10 16 9 25 10 9 1 1 25 21 4 21 12 19 9 2 9 8"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": ["dbb", "bba"], "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}, "expected": ["13 16 2 16 8 9 0 21 15 28 . (-1.4041)", "13 16 2 16 8 9 0 10 16 12 25 11 8 8 16 10 10 27 6 21 (-1.4228)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": ["aab c", "eeb"]}, "expected": ["13 18 5 2 13 24 1 14 0 5 9 15 12"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 20, "stop_strings": ["aab c", "eeb"]}, "expected": ["19 18 10 16 9 25 10 9 1 1 25 21 4 21 12 19 9 2 9 8"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": ["aab c", "eeb"], "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}, "expected": ["13 18 5 2 2 4 11 5 17 8 12 0 19 15 14 24 14 (-1.4383)", "13 18 5 2 2 4 11 5 17 8 12 0 19 15 14 2 28 15 24 21 (-1.4550)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": "bab"}, "expected": ["13 18 5 2 13 24 1 14 0 5 9 15 12 25 9 12 18 26 13 3"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 20, "stop_strings": "bab"}, "expected": ["19 18 10"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 20, "stop_strings": "bab", "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}, "expected": ["13 18 5 2 2 4 11 5 17 8 12 14 23 4 13 25 24 23 0 22 (-1.4088)", "13 18 5 2 2 4 11 5 17 8 12 14 23 4 13 25 24 23 0 1 (-1.4217)"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 6, "stop_strings": "bde"}, "expected": ["13"]},
  {"prompt": [1], "options": {"max_new_tokens": 6, "stop_strings": "ab"}, "expected": ["20 24 14 4 11"]},
];

/** The log probabilities of each new id stand at the end. */
// biome-ignore format: one line for each case
export const logprobVectors: readonly Vector[] = [
  {"prompt": [1, 2], "options": {"max_new_tokens": 5, "repetition_penalty": 1.3, "suppress_tokens": [8, 21]}, "expected": ["13 18 5 23 3 [-1.4288, -1.6822, -1.5374, -1.4023, -1.3352]"]},
  {"prompt": [5, 9, 9, 4, 7], "options": {"max_new_tokens": 5, "repetition_penalty": 1.3, "suppress_tokens": [8, 21]}, "expected": ["19 18 10 16 22 [-0.9919, -0.3864, -0.9715, -1.4041, -1.7834]"]},
  {"prompt": [1, 2], "options": {"max_new_tokens": 5, "num_beams": 3, "no_repeat_ngram_size": 1, "eos_token_id": [3, 14]}, "expected": ["8 19 13 21 . (-1.6087) [-1.8913, -1.2642, -1.6028, -1.2121]"]},
];

/** What logits processors leave of the logits after a prompt. */
// biome-ignore format: one line for each case
export const warperVectors: readonly Vector[] = [
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "temperature": 2.5, "suppress_tokens": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}, "expected": "12:-3.5985 13:-1.8667 14:-4.4748 15:-3.7587 16:-3.0461 17:-2.4587 18:-4.8987 19:-2.3745 20:-1.9148 21:-4.3995 22:-4.9909 23:-4.3517 24:-2.5037 25:-2.4864 26:-2.4847 27:-4.8147 28:-2.1724"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 3}, "expected": "8:-1.2671 13:-0.9656 20:-1.0859"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "top_p": 0.8}, "expected": "8:-1.7174 9:-2.0709 13:-1.4159 17:-2.8958 19:-2.6854 20:-1.5362 28:-2.1801"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "top_p": 0.01}, "expected": "13:0.0000"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "min_p": 0.1}, "expected": "8:-1.8595 9:-2.2130 13:-1.5580 17:-3.0379 19:-2.8275 20:-1.6783 24:-3.1505 25:-3.1073 26:-3.1029 28:-2.3222"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "typical_p": 0.4}, "expected": "8:-1.2614 9:-1.6149 20:-1.0803 28:-1.7241"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "typical_p": 0.9}, "expected": "8:-1.8157 9:-2.1692 13:-1.5142 17:-2.9942 19:-2.7837 20:-1.6346 25:-3.0636 26:-3.0591 28:-2.2784"},
  {"prompt": [1, 2], "options": {"do_sample": true, "temperature": 1.7, "top_k": 12, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.8}, "expected": "8:-1.7828 9:-1.9907 13:-1.6054 17:-2.4760 19:-2.3522 20:-1.6762 28:-2.0549"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 1, "num_beams": 3}, "expected": "13:-0.6348 20:-0.7551"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "top_p": 0.01, "num_beams": 3, "eos_token_id": [3, 4, 5]}, "expected": "8:-1.4475 9:-1.8010 13:-1.1461 20:-1.2664"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "min_p": 1.0, "num_beams": 3, "eos_token_id": 3}, "expected": "13:-0.6348 20:-0.7551"},
  {"prompt": [1, 2], "options": {"do_sample": true, "top_k": 0, "typical_p": 0.01, "num_beams": 3}, "expected": "9:-0.6400 28:-0.7492"},
  {"prompt": [5, 9, 9, 4, 7], "options": {"do_sample": true, "temperature": 0.6, "top_k": 6, "top_p": 0.95, "typical_p": 0.95, "repetition_penalty": 1.2}, "expected": "2:-2.7213 10:-3.0310 19:-0.1817 28:-2.9553"},
];
