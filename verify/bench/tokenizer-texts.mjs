// The texts that tokenizers are measured with: published prose where there is some, else generated, the same each time.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Words by a law like that of language: the first are the most frequent. */
function sentences(words, characters, separator, stop, seed) {
  const random = seededRandom(seed);
  const lines = [];
  for (let size = 0; size < characters; size += lines[lines.length - 1].length) {
    const count = 6 + Math.floor(random() * 20);
    const chosen = Array.from({ length: count }, () => words[Math.floor(words.length ** random() - 1)]);
    lines.push(chosen.join(separator) + stop);
  }
  return lines;
}

/** Lines that were not there before, of the same words: halves of two lines joined. */
export function recombined(lines, seed) {
  const random = seededRandom(seed);
  const half = (isSecond) => {
    const characters = [...lines[Math.floor(random() * lines.length)]];
    const middle = characters.length >> 1;
    return characters.slice(isSecond ? middle : 0, isSecond ? undefined : middle).join("");
  };
  return lines.map(() => [half(false), half(true)].join(""));
}

/** The first lines of a text, up to so many characters. */
function firstLines(text, characters) {
  const lines = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    lines.push(line);
    characters -= line.length;
    if (characters < 0) break;
  }
  return lines;
}

function emojiLines(characters) {
  const family = "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}";
  const words = [
    "😀",
    "❤️",
    "👍🏽",
    family,
    "🇰🇷",
    "🎉",
    "🥹",
    "🏳️‍🌈",
    "☕",
    "🐈‍⬛",
    "1️⃣",
    "ok",
    "yes",
    "🫶",
    "🧑🏿‍🚀",
    "!",
  ];
  return sentences(words, characters, " ", "", 3).map((line, index) => (index % 2 ? line.replaceAll(" ", "") : line));
}

/** Lines by the kind of text; `shared` is the folder with published files, `root` that of the repository. */
export function readTexts(shared, root) {
  const read = (path) => readFileSync(join(shared, path), "utf8");
  const korean = read("data/g2p/ipa-dict-ko.tsv")
    .split("\n")
    .map((line) => line.split("\t")[0])
    .filter((word) => word !== "");
  const random = seededRandom(1);
  korean.sort().forEach((_, index) => {
    const other = Math.floor(random() * korean.length);
    [korean[index], korean[other]] = [korean[other], korean[index]];
  });
  const pieces = JSON.parse(read("tokenizers/rebuilt/xlm-roberta-base/tokenizer.json")).model.vocab;
  const chinese = pieces.map(([piece]) => piece).filter((piece) => /^\p{sc=Han}+$/u.test(piece));
  const sources = join(root, "packages/core/src");
  const code = readdirSync(sources, { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => readFileSync(join(sources, name), "utf8"));
  return {
    English: firstLines(read("tokenizers/sentencepiece-test/botchan.txt"), 300_000),
    Korean: sentences(korean, 80_000, " ", ".", 2),
    Japanese: firstLines(read("tokenizers/sentencepiece-test/wagahaiwa_nekodearu.txt"), 80_000),
    Chinese: sentences(chinese, 80_000, "", "。", 4),
    code: firstLines(code.join("\n"), 120_000),
    emoji: emojiLines(60_000),
  };
}
