import { CharacterSet } from "./regex/character-set.ts";

/** The property White_Space, which is what the references call a space. */
const whiteSpace = /* @__PURE__ */ new CharacterSet("\\p{White_Space}");

export function isWhiteSpace(codePoint: number): boolean {
  return whiteSpace.has(codePoint);
}

/** What `\w` is to Rust's regular expressions: the inside of a class. */
export const wordClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";

const cjk =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/u;

/** Whether a character is an ideograph that BERT sets apart: kana and Hangul are none. */
export function isCjk(character: string): boolean {
  return cjk.test(character);
}

/**
 * Ranges of code points as the inside of a class: each is the distance from the end of the one before and, after a comma,
 * how many code points follow, in base 36. A range runs on over code points for which it makes no difference.
 */
function classOf(source: string): string {
  let at = 0;
  let set = "";
  for (const range of source.split(" ")) {
    const [distance, length = "0"] = range.split(",");
    const begin = at + Number.parseInt(distance, 36);
    at = begin + Number.parseInt(length, 36);
    set += `\\u{${begin.toString(16)}}-\\u{${at.toString(16)}}`;
  }
  return set;
}

const ranges = (source: string) => new CharacterSet(classOf(source));
const oneOf = (source: string) => new RegExp(`[${classOf(source)}]`, "u");

// The reference asks a table of Unicode 8: what is punctuation, or a nonspacing mark, only since then is none to it.
// U+111C9 was punctuation then, and is a mark now.
const later = /* @__PURE__ */ ranges(
  "17h dc 4a,22 7w,1 3c 3o,5 2e 4v,1k 1n d 3g 1n,1 1x 8p k 1tt,3b ft,18 2r,1 1a,2 hj,5 37s,q o27 49 1m 5a jmv,h1 6f,4 26 7h 33,3 6y 3k,4j ea,c 25 ae,1jk 35e,9q6 2f2,de 43,2 isc,1y 3ay,1dh gf,r",
);
// The same for all marks, and another table.
const laterAccents = /* @__PURE__ */ ranges(
  "1kt 4a,1o 8b 70,5 2e 4v,1k 53,d 1n,1 1x 8p k 1mv 6y j4,18 ek 73,4 raq 5v js5,gx 6j,4 26 3n,1 3n 5,1 36 6y 3h,16 3g r2,mz cq,fd 44m,l 8uh,h 2sg 1c,8 2l,d irz,1y 3ex,19i",
);
/**
 * A character that the reference's normalization forms leave as it is, and compose with none, whatever this engine knows:
 * those since Unicode 9 that have a decomposition or a class of marks, or compose.
 */
export const hasNoForm = /* @__PURE__ */ oneOf(
  "1kt 4a,1o 8b fy 73,1 am 1nf q2,18 ln,4 45h n3m,3 1k n1 huo,dt 12i,gx 6j jv 1z,f 1d,6 6,2 3y rf,1 6z,9w ix,dek 3,e 2es,i6 icl,z 3sn,1c5 22f 22s,9 144",
);

const punctuation = /* @__PURE__ */ new CharacterSet("!-/:-@[-`{-~\\p{P}\\u166d\\u{111c9}");

/** Punctuation to the reference: ASCII's, symbols included, and what Unicode 8 calls so. */
export function isPunctuation(codePoint: number): boolean {
  return punctuation.has(codePoint) && !later.has(codePoint);
}

/** A character without the nonspacing marks that the reference knows. */
export function withoutMarks(text: string): string {
  return text.replace(/(?!\u{111c9})\p{Mn}/gu, (mark) => (later.has(mark.codePointAt(0) as number) ? mark : ""));
}

/** Nothing for a mark, of any kind, that the reference knows. */
export function withoutAccent(character: string): string {
  const isAccent = /[\p{M}\u1cf2\u1cf3]/u.test(character) && !laterAccents.has(character.codePointAt(0) as number);
  return isAccent ? "" : character;
}

// ISO 15924 codes of the scripts, Han first; an engine that does not know one does not have its characters either.
const scripts =
  "HaniHiraKanaZyyyZinhAdlmAghbAhomArabArmiArmnAvstBaliBamuBassBatkBengBhksBopoBrahBraiBugiBuhdCakmCansCariChamCherChrsCoptCpmnCprtCyrlDevaDiakDogrDsrtDuplEgypElbaElymEthiGeorGlagGongGonmGothGranGrekGujrGuruHangHanoHatrHebrHluwHmngHmnpHungItalJavaKaliKawiKharKhmrKhojKitsKndaKthiLanaLaooLatnLepcLimbLinaLinbLisuLyciLydiMahjMakaMandManiMarcMedfMendMercMeroMlymModiMongMrooMteiMultMymrNagmNandNarbNbatNewaNkooNshuOgamOlckOrkhOryaOsgeOsmaOugrPalmPaucPermPhagPhliPhlpPhnxPlrdPrtiRjngRohgRunrSamrSarbSaurSgnwShawShrdSiddSindSinhSogdSogoSoraSoyoSundSyloSyrcTagbTakrTaleTaluTamlTangTavtTeluTfngTglgThaaThaiTibtTirhTnsaTotoUgarVaiiVithWaraWchoXpeoXsuxYeziYiiiZanb";
const scriptPatterns: RegExp[] = [];
const knownScripts = new Map<number, number>();

/** A number for the script of a character, 0 where it has none: kana, and the mark that makes them long, count as Han. */
export function scriptOf(codePoint: number): number {
  const known = knownScripts.get(codePoint);
  if (known !== undefined) return known;
  if (scriptPatterns.length === 0) {
    for (const code of scripts.match(/..../g) ?? []) {
      try {
        scriptPatterns.push(new RegExp(`\\p{Script=${code}}`, "u"));
      } catch {}
    }
  }
  const index = scriptPatterns.findIndex((pattern) => pattern.test(String.fromCodePoint(codePoint)));
  const script = codePoint === 0x30fc || (index >= 0 && index < 3) ? 1 : index < 0 ? 0 : index + 2;
  knownScripts.set(codePoint, script);
  return script;
}
