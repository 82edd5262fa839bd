import type { Script } from "@kiloformer/tokenizers";

/** Spellings of a consonant, the base of the phone first; single letters, groups, and those of vowels are apart. */
const consonants = new Map(
  (
    "b b pb,k c k q ch ck cc kh qu cqu x,d d ld ddh,ð th,f f ph gh v lf,ɡ g gh gu x,h h wh j,dʒ j g dg d gg,l l ll," +
    "m m mb mn lm,n n kn gn pn,ŋ ng n,p p,ɹ r wr rh,s s c sc ps st z x,ʃ sh s ti ci si ssi ch sch c sci xi,t t th d bt tw pt," +
    "tʃ ch tch t c ti cz tsch,v v w f ph,w w u wh o,j y i j e u,z z s x,ʒ s si g z j,θ th t"
  )
    .split(",")
    .map((line): [string, string[]] => {
      const [phone, ...spellings] = line.split(" ");
      return [phone, spellings];
    }),
);
/** Phones that a vowel letter often stands for, by their first symbol. */
const vowels: Readonly<Record<string, string>> = {
  ...{ a: "aæeɑəɔʌɛ", e: "ɛiəɪeʌ", i: "ɪaiəʌ", o: "ɑoɔʌuʊə", u: "ʌuʊəɪ", y: "iaɪ" },
};
const digraph = /^(?:a[iuwy]|e[aeiouwy]|ie|o[aeiouwy]|u[eiy]|[ae]?igh|[ao]ugh|eau|eou|iou|[aeo]h)$/;
const rhotic = /^(?:[aeiouy]|ea|ou|oo)rr?h?$|^re$/;

/** Moves that are out of the question cost this. */
const NEVER = 1e6;
/** A phone for no letter. */
const EXTRA = 2.5;
/** A phone for a letter that the model did not write it for. */
const ASTRAY = 4;

/**
 * The letters that each phone of a word is written with: ranges `[begin, end)` of letters, one for each phone, in their
 * order. Letters that are not heard, such as an e at the end, belong to no phone. The cheapest way through a table of
 * letters and phones, by how English spells its consonants and vowels, and Korean its syllables.
 * @param letters one lower-case letter or compatibility jamo each, at least one
 * @param anchors the letter that each phone was written for, where the model says it
 */
export function alignPhones(
  letters: readonly string[],
  phones: readonly string[],
  script: Script,
  anchors?: readonly number[],
): [begin: number, end: number][] {
  const [N, M] = [letters.length, phones.length];
  const cost = script === "hangul" ? koreanCost : englishCost;
  const bases = phones.map(baseOf);
  const best = new Float64Array((N + 1) * (M + 1)).fill(Number.POSITIVE_INFINITY);
  const moves: [letters: number, phones: number][] = [];
  const at = (i: number, j: number) => i * (M + 1) + j;
  best[0] = 0;
  for (let i = 0; i <= N; i++) {
    for (let j = 0; j <= M; j++) {
      for (let a = 0; a <= 4 && i + a <= N; a++) {
        for (let b = a === 0 ? 1 : 0; b <= 2 && j + b <= M; b++) {
          if (a === 0 && b > 1) break;
          const here = a === 0 ? EXTRA : cost(letters.slice(i, i + a), bases.slice(j, j + b));
          let total = best[at(i, j)] + here;
          for (let k = j; anchors && k < j + b; k++) if (anchors[k] < i || anchors[k] >= i + a) total += ASTRAY;
          const to = at(i + a, j + b);
          if (total >= best[to]) continue;
          best[to] = total;
          moves[to] = [a, b];
        }
      }
    }
  }
  return ranges(N, M, (i, j) => moves[at(i, j)]);
}

/** Follows the moves back to the beginning. */
function ranges(N: number, M: number, moveTo: (i: number, j: number) => [number, number]): [number, number][] {
  const found: [number, number][] = [];
  let [i, j] = [N, M];
  while (i > 0 || j > 0) {
    const [a, b] = moveTo(i, j);
    // A phone for no letter goes to the letter before it.
    const range: [number, number] = a > 0 ? [i - a, i] : [Math.max(0, i - 1), Math.max(1, i)];
    for (let k = j - b; k < j; k++) found[k] = range;
    [i, j] = [i - a, j - b];
  }
  return found;
}

/** A phone without ties, marks and stress, ɡ and ɝ in one way. */
function baseOf(phone: string): string {
  return phone
    .replace(/[\p{M}ˈˌːˑʰʲʷ]/gu, "")
    .replace("g", "ɡ")
    .replace("ɚ", "ɝ");
}

const isVowel = (phone: string) => /[aæeɛiɪoɔuʊʌəɑɝɜɒɯøyɘ]/.test(phone);

function englishCost(letters: readonly string[], [first, second]: readonly string[]): number {
  const chunk = letters.join("");
  const [letter] = letters;
  if (first === undefined)
    return letters.length > 1 ? NEVER : letter === "e" ? 0.5 : /[aiouy]/.test(letter) ? 1.1 : 0.8;
  if (second !== undefined) return twoPhones(chunk, first, second);
  const isDouble = letters.length === 2 && letter === letters[1];
  if (isVowel(first)) {
    if (letters.length === 1) return vowels[letter] ? (vowels[letter].includes(first[0]) ? 0 : 0.5) : 3;
    if (first.startsWith("ɝ") && rhotic.test(chunk)) return 0;
    return digraph.test(chunk) ? 0.1 : isDouble && vowels[letter] ? 0.2 : NEVER;
  }
  const spellings = consonants.get(first) ?? [];
  const place = spellings.indexOf(isDouble ? letter : chunk);
  if (place >= 0) return place * 0.04;
  return letters.length > 1 ? NEVER : vowels[letter] ? 3 : 1.5;
}

/** Letters that stand for two phones. */
function twoPhones(chunk: string, first: string, second: string): number {
  const both = first + second;
  if (chunk === "qu" && both === "kw") return 0;
  if (chunk === "x") return /^(?:k[sʃ]|ɡ[zʒ])$/.test(both) ? 0 : 2;
  if (/^[jw]/.test(first) && isVowel(second) && /^(?:u|[eu]e|e[uw]|eau|iew|o|ou|oi)$/.test(chunk)) return 0.2;
  if (chunk === "le" || chunk === "re") return /^[əʌ][lɹ]$/.test(both) ? 0.1 : NEVER;
  if (/^zz?$/.test(chunk) && both === "ts") return 0.2;
  if (chunk.length > 1) return NEVER;
  // A vowel that is heard and not written: rhythm.
  const [bare, full] = [englishCost([chunk], [second]), englishCost([chunk], [first])];
  return /^[əʌɪ]$/.test(first) && bare < 1 ? 0.7 + bare : 1.5 + Math.min(bare, full);
}

function koreanCost(letters: readonly string[], [first, second]: readonly string[]): number {
  const [letter, next] = letters;
  if (letters.length > 2 || (next !== undefined && second !== undefined)) return NEVER;
  const isMedial = /[ㅏ-ㅣ]/.test(letter);
  if (first === undefined)
    return next !== undefined ? NEVER : letter === "ㅇ" ? 0 : letter === "ㅎ" ? 0.3 : isMedial ? 3 : 0.8;
  if (next !== undefined) {
    // ㅎ makes its neighbour breathe.
    const merges = /[ㅎㄶㅀ]/.test(letter + next) && !/[ㅇㅏ-ㅣ]/.test(letter + next) && !isVowel(first);
    return merges ? 0.1 : NEVER;
  }
  if (second !== undefined)
    return /[ㄳㄵㄶㄺ-ㅀㅄㅘ-ㅢ]/.test(letter) ? 0.2 + Number(isMedial !== isVowel(second)) * 4 : 2;
  if (isMedial !== isVowel(first)) return 4;
  return letter === "ㅇ" && first !== "ŋ" ? 1.5 : 0;
}
