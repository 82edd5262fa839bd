import type { Script } from "@kiloformer/tokenizers";

const marked = "[\\u0300-\\u0360\\u0362-\\u036fʰʱʲʷˠˤˀːˑ]*";
const single = `[ˈˌ]*[^\\sˈˌ](?:\\u0361.)?${marked}`;
const patterns = {
  // Diphthongs are one phone.
  other: new RegExp(`[ˈˌ]*(?:[aɑ][ɪʊ]|[eɛ][ɪə]|[oəɔ]ʊ|ɔɪ|[ɪʊ]ə)${marked}|${single}`, "gu"),
  // A glide and its vowel are one phone.
  hangul: new RegExp(`[ˈˌ]*[jwɥɰɯ][aʌeɛiouɯøyɘə]${marked}|${single}`, "gu"),
};

/** IPA, or a token of it, as its phones: diphthongs and affricates are one each, and marks stay with their phone. */
export function phonesOf(ipa: string, script: Script): string[] {
  return ipa.match(script === "hangul" ? patterns.hangul : patterns.other) ?? [];
}
