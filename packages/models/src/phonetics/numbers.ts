const small =
  /* @__PURE__ */ "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(
    " ",
  );
const tens = /* @__PURE__ */ "twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
const scales = /* @__PURE__ */ "hundred thousand million billion trillion quadrillion".split(" ");
const irregular: Readonly<Record<string, string>> = {
  one: "first",
  two: "second",
  three: "third",
  five: "fifth",
  eight: "eighth",
  nine: "ninth",
  twelve: "twelfth",
};
const sino = "영일이삼사오육칠팔구";

/**
 * A number in words. Integers above 10^15, and those that begin with 0, are read digit by digit.
 *
 * In English (American): cardinals, ordinals and plurals; 1100 to 1999 and 2010 to 2099, without separators, are read in
 * pairs, as years are. In Korean: Sino-Korean, a word for each group of four digits (십이만 삼천); native counting (하나,
 * 둘) is beyond it.
 * @param figures digits with thousands separators, decimals and a minus sign, where it has them
 * @param suffix `st`, `nd`, `rd` or `th` of an ordinal, `s` of a plural (1990s), else ""
 */
export function readNumber(figures: string, suffix: string, inKorean: boolean): string {
  const [integer, fraction] = figures.replace(/[^\d.]/g, "").split(".");
  const byDigits = /^0./.test(integer) || +integer > 1e15;
  const minus = /^\D/.test(figures);
  if (inKorean) {
    const words = byDigits ? koreanDigits(integer).replaceAll("영", "공") : sinoKorean(integer);
    return `${minus ? "마이너스 " : ""}${words}${fraction ? `점 ${koreanDigits(fraction)}` : ""}`;
  }
  const isYear = /^(1[1-9]|20(?!0))\d\ds?$/.test(figures + suffix);
  let words = byDigits ? digits(integer) : isYear ? year(+integer) : cardinal(+integer);
  if (suffix === "s") words = `${words.replace(/x$/, "xe").replace(/y$/, "ie")}s`;
  else if (suffix) words = words.replace(/\w+$/, (last) => irregular[last] ?? `${last.replace(/y$/, "ie")}th`);
  return `${minus ? "minus " : ""}${words}${fraction ? ` point ${digits(fraction)}` : ""}`;
}

const digits = (text: string) => Array.from(text, (digit) => small[+digit]).join(" ");

function cardinal(value: number): string {
  if (value < 20) return small[value];
  // What the first of several words counts.
  const thousands = Math.floor((`${value}`.length - 1) / 3);
  const unit = value < 100 ? 10 : thousands > 0 ? 1000 ** thousands : 100;
  const rest = value % unit;
  const first = Math.floor(value / unit);
  const head = value < 100 ? tens[first - 2] : `${cardinal(first)} ${scales[thousands]}`;
  return rest > 0 ? `${head} ${cardinal(rest)}` : head;
}

function year(value: number): string {
  const rest = value % 100;
  return `${cardinal(Math.floor(value / 100))} ${rest > 0 ? (rest < 10 ? "oh " : "") + cardinal(rest) : "hundred"}`;
}

function sinoKorean(integer: string): string {
  const groups = integer.match(/\d{1,4}(?=(?:\d{4})*$)/g) as string[];
  const words = groups.map((group, index) => {
    const scale = ["", "만", "억", "조"][groups.length - 1 - index];
    const word = Array.from(group, (digit, place) => {
      const unit = ["", "십", "백", "천"][group.length - 1 - place];
      return digit === "0" ? "" : (digit === "1" && unit ? "" : sino[+digit]) + unit;
    }).join("");
    // 10,000 is 만, 110,000 is 십일만.
    return word && (word + scale === "일만" ? scale : word + scale);
  });
  return words.filter((word) => word).join(" ") || sino[0];
}

/** Digits in words of four. */
function koreanDigits(text: string): string {
  return text.replace(/\d{4}(?=\d)/g, "$& ").replace(/\d/g, (digit) => sino[+digit]);
}
