// Phone error rate of G2P output: edit distance to the closest of a word's references, over their length.
import { readFileSync } from "node:fs";

export type Language = "en" | "ko";

/** How often each phone was written for another; `""` stands for nothing. */
export type Confusions = Map<string, number>;

export interface Score {
  readonly words: number;
  /** Words that differ from all of their references. */
  readonly wrong: number;
  readonly edits: number;
  /** Phones of the references. */
  readonly phones: number;
  /** `edits / phones`, in percent. */
  readonly per: number;
  /** `wrong / words`, in percent. */
  readonly wer: number;
  /** `"wanted\twritten"` to how often. */
  readonly confusions: Confusions;
}

/** Word to its pronunciations as IPA. */
export type References = Map<string, string[]>;

const arpabet = new Map(
  (
    "AA ɑ,AE æ,AH ʌ,AO ɔ,AW aʊ,AY aɪ,B b,CH t͡ʃ,D d,DH ð,EH ɛ,ER ɝ,EY eɪ,F f,G ɡ,HH h,IH ɪ,IY i,JH d͡ʒ,K k,L l,M m," +
    "N n,NG ŋ,OW oʊ,OY ɔɪ,P p,R ɹ,S s,SH ʃ,T t,TH θ,UH ʊ,UW u,V v,W w,Y j,Z z,ZH ʒ"
  )
    .split(",")
    .map((pair) => pair.split(" ") as [string, string]),
);

// Stress, length, vowel quality; and what is no phone: spaces of Korean references, punctuation that passes through.
const removed = /[\u0320\u0339\u031e\u031d]|[ˈˌːˑ\s.'’-]/g;
const same = new Map([
  ["g", "ɡ"],
  ["ɚ", "ɝ"],
]);
const modifiers = "[\\u0300-\\u0360\\u0362-\\u036fʰʲʷ]*";
const tied = `.(?:\\u0361.)?${modifiers}`;
// A Korean diphthong is a glide and a vowel.
const patterns: Record<Language, RegExp> = {
  en: new RegExp(`a[ɪʊ]|eɪ|oʊ|ɔɪ|${tied}`, "gu"),
  ko: new RegExp(`[jwɥɰ][aʌeɛiouɯøyɘ]${modifiers}|${tied}`, "gu"),
};

export function languageOf(word: string): Language {
  return /[ᄀ-ᇿㄱ-ㆎ가-힣]/.test(word) ? "ko" : "en";
}

/**
 * The phones of an IPA string as they count: without stress, length and vowel quality, with g as ɡ, ɚ as ɝ and in
 * English ə as ʌ. Diphthongs and affricates (with a tie bar) are one phone each.
 */
export function phonesOf(ipa: string, language: Language): string[] {
  let plain = ipa.normalize("NFC").replace(removed, "");
  plain = plain.replace(/[gɚ]/g, (phone) => same.get(phone) ?? phone);
  if (language === "en") plain = plain.replaceAll("ə", "ʌ");
  return plain.match(patterns[language]) ?? [];
}

/** Least insertions, deletions and substitutions, with the pairs `[wanted, written]` of one best way. */
export function compare(
  wanted: readonly string[],
  written: readonly string[],
): { edits: number; pairs: [string, string][] } {
  const costs = wanted.map(() => new Int32Array(written.length + 1));
  costs.unshift(Int32Array.from({ length: written.length + 1 }, (_, j) => j));
  for (let i = 1; i <= wanted.length; i++) {
    costs[i][0] = i;
    for (let j = 1; j <= written.length; j++) {
      const replaced = costs[i - 1][j - 1] + Number(wanted[i - 1] !== written[j - 1]);
      costs[i][j] = Math.min(replaced, costs[i - 1][j] + 1, costs[i][j - 1] + 1);
    }
  }
  const pairs: [string, string][] = [];
  let [i, j] = [wanted.length, written.length];
  while (i > 0 || j > 0) {
    const here = costs[i][j];
    if (i > 0 && j > 0 && here === costs[i - 1][j - 1] + Number(wanted[i - 1] !== written[j - 1])) {
      pairs.push([wanted[--i], written[--j]]);
    } else if (i > 0 && here === costs[i - 1][j] + 1) pairs.push([wanted[--i], ""]);
    else pairs.push(["", written[--j]]);
  }
  return { edits: costs[wanted.length][written.length], pairs: pairs.reverse() };
}

/**
 * Scores IPA against the closest of each word's references; of equally close ones the first.
 * @throws {Error} where a word has no reference
 */
export function score(hypotheses: Iterable<readonly [word: string, ipa: string]>, references: References): Score {
  let [words, wrong, edits, phones] = [0, 0, 0, 0];
  const confusions: Confusions = new Map();
  for (const [word, ipa] of hypotheses) {
    const language = languageOf(word);
    const said = phonesOf(ipa, language);
    const wanted = references.get(word)?.map((reference) => phonesOf(reference, language));
    if (!wanted || wanted.length === 0) throw new Error(`references: expected ${word}, got none`);
    const compared = wanted.map((reference) => ({ ...compare(reference, said), length: reference.length }));
    const closest = compared.reduce((best, next) => (next.edits < best.edits ? next : best));
    words += 1;
    wrong += Number(closest.edits > 0);
    edits += closest.edits;
    phones += closest.length;
    for (const [from, to] of closest.pairs) {
      if (from !== to) confusions.set(`${from}\t${to}`, (confusions.get(`${from}\t${to}`) ?? 0) + 1);
    }
  }
  const per = (100 * edits) / Math.max(1, phones);
  return { words, wrong, edits, phones, per, wer: (100 * wrong) / Math.max(1, words), confusions };
}

/** Lines `word<TAB>ipa`, the word in composed form; a word may come again. */
export function readTsv(text: string): [word: string, ipa: string][] {
  return text
    .split(/\r?\n/)
    .filter((line) => line !== "")
    .map((line) => {
      const tab = line.indexOf("\t");
      if (tab < 0) throw new Error(`tsv: expected word<TAB>ipa, got ${JSON.stringify(line)}`);
      return [line.slice(0, tab).normalize("NFC"), line.slice(tab + 1)];
    });
}

/** References of a file: `cmudict.dict` (ARPAbet), or lines `word<TAB>/ipa/, /ipa/` as ipa-dict has them. */
export function readReferences(text: string, into: References = new Map()): References {
  const add = (word: string, ipa: string): void => {
    into.set(word, [...(into.get(word) ?? []), ipa]);
  };
  if (text.slice(0, text.indexOf("\n")).includes("\t")) {
    for (const [word, fields] of readTsv(text)) {
      for (const ipa of fields.split(",")) add(word, ipa.replaceAll("/", "").trim());
    }
    return into;
  }
  for (const line of text.split("\n")) {
    const [word, ...symbols] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (symbols.length > 0) add(word.replace(/\(\d+\)$/, ""), symbols.map(phoneOf).join(""));
  }
  return into;
}

function phoneOf(symbol: string): string {
  const phone = arpabet.get(symbol.replace(/\d$/, ""));
  if (phone === undefined) throw new Error(`cmudict: expected an ARPAbet phone, got ${symbol}`);
  return phone;
}

const usage = `Usage: per.mjs [--json] [--confusions N] [--self] HYPOTHESES REFERENCES...
  HYPOTHESES  lines word<TAB>ipa, or - for standard input
  REFERENCES  cmudict.dict, ipa-dict-ko.tsv, or lines word<TAB>ipa
  --self      score the references against themselves; there are no HYPOTHESES then`;

/** The command: prints PER, WER and the most frequent confusions of each language. */
export function run(args: readonly string[]): void {
  const paths: string[] = [];
  const options = { json: false, self: false, confusions: 20 };
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--json") options.json = true;
    else if (args[at] === "--self") options.self = true;
    else if (args[at] === "--confusions") options.confusions = Number(args[++at]);
    else paths.push(args[at]);
  }
  if (paths.length < (options.self ? 1 : 2)) throw new Error(usage);
  const read = (path: string): string => readFileSync(path === "-" ? 0 : path, "utf8");
  const references: References = new Map();
  for (const path of options.self ? paths : paths.slice(1)) readReferences(read(path), references);
  const hypotheses = options.self
    ? [...references].flatMap(([word, all]) => all.map((ipa): [string, string] => [word, ipa]))
    : readTsv(read(paths[0]));
  for (const language of ["en", "ko"] as const) {
    const some = hypotheses.filter(([word]) => languageOf(word) === language);
    if (some.length > 0) print(language, score(some, references), options);
  }
}

function print(language: Language, result: Score, options: { json: boolean; confusions: number }): void {
  const { confusions, ...figures } = result;
  const most = [...confusions].sort((a, b) => b[1] - a[1]).slice(0, options.confusions);
  if (options.json) {
    const pairs = most.map(([pair, count]) => [...pair.split("\t"), count]);
    console.log(JSON.stringify({ language, ...figures, confusions: pairs }));
    return;
  }
  const { per, wer, words, wrong, phones, edits } = figures;
  console.log(`${language}: PER ${per.toFixed(3)} % (${edits} edits, ${phones} phones)`);
  console.log(`${language}: WER ${wer.toFixed(2)} % (${wrong} of ${words} words)`);
  for (const [pair, count] of most) {
    const [from, to] = pair.split("\t").map((phone) => phone || "nothing");
    console.log(`${String(count).padStart(8)}  ${from} as ${to}`);
  }
}
