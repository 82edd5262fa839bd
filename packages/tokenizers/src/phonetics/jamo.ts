// A syllable is 0xAC00 + (initial * 21 + medial) * 28 + final, final 0 where there is none.
const firstSyllable = 0xac00;
const consonants = /* @__PURE__ */ letters(0x3131, 30); // ㄱ to ㅎ
const medials = /* @__PURE__ */ letters(0x314f, 21); // ㅏ to ㅣ
const initials = /* @__PURE__ */ consonants.replace(/[ㄳㄵㄶㄺ-ㅀㅄ]/g, "");
const finals = /* @__PURE__ */ ` ${consonants}`.replace(/[ㄸㅃㅉ]/g, "");
const syllables = /[가-힣]/g;

/** How syllables are split and joined. */
export interface JamoOptions {
  /**
   * Whether every text comes back as it was: where jamo that stand alone would join with their neighbours, a Hangul
   * filler (U+3164) is put between, and one in the text is doubled. Default false.
   */
  readonly reversible?: boolean;
}

const filler = "\u3164";

/**
 * Each Hangul syllable as compatibility jamo (U+3131 to U+3163): initial, medial, final where there is one. A cluster
 * such as ㄺ stays one letter; everything else stays as it is. `"닭 a"` becomes `"ㄷㅏㄺ a"`.
 * @see The Unicode Standard, section 3.12
 */
export function splitHangul(text: string, { reversible = false }: JamoOptions = {}): string {
  if (reversible) return splitReversibly(text);
  return text.replace(syllables, (syllable) => {
    const [initial, medial, final] = indices(syllable);
    return initials[initial] + medials[medial] + (final > 0 ? finals[final] : "");
  });
}

/**
 * Compatibility jamo as syllables again: the inverse of `splitHangul` for text whose jamo all come from syllables.
 * A consonant closes a syllable unless a vowel follows it; jamo that make no syllable stay as they are.
 */
export function joinHangul(text: string, { reversible = false }: JamoOptions = {}): string {
  if (reversible) {
    const join = (part: string): string => (part[0] === filler ? part.slice(1) : joinHangul(part));
    return text.replace(/\u3164{1,2}|[^\u3164]+/g, join);
  }
  const syllable = new RegExp(`([${initials}])([${medials}])(?:([${finals.slice(1)}])(?![${medials}]))?`, "g");
  return text.replace(syllable, (_, initial: string, medial: string, final = " ") =>
    compose(initials.indexOf(initial), medials.indexOf(medial), finals.indexOf(final)),
  );
}

function splitReversibly(text: string): string {
  let out = "";
  let last = "";
  for (const character of text) {
    const isJamo = /[\u3131-\u3163가-힣]/.test(character);
    // Two neighbours tell: no syllable takes more than one of a third.
    if (isJamo && joinHangul(splitHangul(last + character)) !== last + character) out += filler;
    out += character === filler ? filler + filler : splitHangul(character);
    last = isJamo ? character : "";
  }
  return out;
}

/** Each Hangul syllable as conjoining jamo (U+1100 to U+11C2): what NFD does to Hangul, and to nothing else. */
export function splitConjoining(text: string): string {
  return text.replace(syllables, (syllable) => {
    const [initial, medial, final] = indices(syllable);
    return String.fromCharCode(0x1100 + initial, 0x1161 + medial, ...(final > 0 ? [0x11a7 + final] : []));
  });
}

/** Modern conjoining jamo as syllables again, and an open syllable with a final closed: what NFC does to Hangul. */
export function joinConjoining(text: string): string {
  return text
    .replace(/[\u1100-\u1112][\u1161-\u1175]/g, (pair) =>
      compose(pair.charCodeAt(0) - 0x1100, pair.charCodeAt(1) - 0x1161, 0),
    )
    .replace(/[가-힣][\u11a8-\u11c2]/g, (pair) => {
      const [initial, medial, final] = indices(pair);
      return final > 0 ? pair : compose(initial, medial, pair.charCodeAt(1) - 0x11a7);
    });
}

/** Each modern conjoining jamo as the compatibility jamo of the same letter; the old initials that NFKD makes of ㅀ and ㅄ too. */
export function compatibilityJamo(text: string): string {
  return text.replace(/[\u1100-\u1112\u111a\u1121\u1161-\u1175\u11a8-\u11c2]/g, (jamo) => {
    const code = jamo.charCodeAt(0);
    if (code === 0x111a) return "ㅀ";
    if (code === 0x1121) return "ㅄ";
    return code < 0x1161 ? initials[code - 0x1100] : code < 0x11a8 ? medials[code - 0x1161] : finals[code - 0x11a7];
  });
}

function indices(syllable: string): [initial: number, medial: number, final: number] {
  const index = syllable.charCodeAt(0) - firstSyllable;
  return [Math.floor(index / 588), Math.floor((index % 588) / 28), index % 28];
}

function compose(initial: number, medial: number, final: number): string {
  return String.fromCharCode(firstSyllable + (initial * 21 + medial) * 28 + final);
}

function letters(from: number, count: number): string {
  return String.fromCharCode(...Array.from({ length: count }, (_, index) => from + index));
}
