// How byte-level tokenizers cut a text into words, where no file says it.

/** GPT-2, RoBERTa, and tiktoken's r50k and p50k. */
export const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/** Qwen2. */
export const qwenPattern = `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** tiktoken's cl100k; a run of white space at the end of the text is one word. */
export const cl100kPattern = `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+\\z|\\s*[\\r\\n]|\\s+(?!\\S)|\\s`;

const upper = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
const lower = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";

/** tiktoken's o200k. */
export const o200kPattern = `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+${contraction}?|[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*${contraction}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
