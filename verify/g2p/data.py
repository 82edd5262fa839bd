"""The dictionaries as words and phones: reading, letters, inventory, folds."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

FOLDS = 5
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "g2p"
FILES = {"en": "cmudict.dict", "ko": "ipa-dict-ko.tsv"}

ARPABET = dict(
    pair.split(" ")
    for pair in (
        "AA ɑ,AE æ,AH ʌ,AO ɔ,AW aʊ,AY aɪ,B b,CH t͡ʃ,D d,DH ð,EH ɛ,ER ɝ,EY eɪ,F f,G ɡ,HH h,IH ɪ,IY i,JH d͡ʒ,K k,L l,M m,"
        "N n,NG ŋ,OW oʊ,OY ɔɪ,P p,R ɹ,S s,SH ʃ,T t,TH θ,UH ʊ,UW u,V v,W w,Y j,Z z,ZH ʒ"
    ).split(",")
)
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
LETTERS = {
    "en": "abcdefghijklmnopqrstuvwxyz'-.",
    "ko": "".join(sorted({*INITIALS, *MEDIALS, *FINALS.strip(), "-"})),
}

# A Korean phone as the dictionary writes it: a base, perhaps tied to another, with what modifies it.
# A glide and its vowel are one token, whatever the scorer counts.
MODIFIERS = "[\u0300-\u0360\u0362-\u036fʰʷʲ]*"
KOREAN_PHONE = re.compile(rf"[jwɥɰ][aʌeɛiouɯøyɘ]{MODIFIERS}|[^\W\d_](?:\u0361[^\W\d_])?{MODIFIERS}|[ˈː]")


@dataclass(frozen=True)
class Entry:
    """A word, its letters as a model reads them, and its pronunciations, each a tuple of phones."""

    word: str
    letters: str
    pronunciations: tuple[tuple[str, ...], ...]

    @property
    def fold(self) -> int:
        """0 to FOLDS - 1, by the word alone."""
        return int.from_bytes(hashlib.sha256(self.word.encode()).digest()[:8], "big") % FOLDS


def read(language: str, folder: Path | str = DATA, *, stress: bool = False) -> list[Entry]:
    """A dictionary's entries in the order of its file. With `stress`, stress and length marks are phones too."""
    text = (Path(folder) / FILES[language]).read_text(encoding="utf8")
    words: dict[str, dict[tuple[str, ...], None]] = {}
    for word, phones in (_english if language == "en" else _korean)(text, stress):
        words.setdefault(word, {})[phones] = None
    return [Entry(word, spell(word), tuple(found)) for word, found in words.items()]


def spell(word: str) -> str:
    """Lower-case letters and compatibility jamo, as the runtime's tokenizer splits a word; spaces are not read."""
    out = ""
    for character in unicodedata.normalize("NFC", word).lower().replace(" ", ""):
        index = ord(character) - 0xAC00
        if 0 <= index < 11172:
            character = INITIALS[index // 588] + MEDIALS[index % 588 // 28] + FINALS[index % 28].strip()
        out += character
    return out


def _english(text: str, stress: bool):
    marks = {"1": ["ˈ"], "2": ["ˌ"]} if stress else {}
    for line in text.splitlines():
        word, *symbols = line.split("#")[0].split()
        phones: list[str] = []
        for symbol in symbols:
            phones += [*marks.get(symbol[-1], []), ARPABET[symbol.rstrip("012")]]
        yield re.sub(r"\(\d+\)$", "", word), tuple(phones)


def _korean(text: str, stress: bool):
    for line in text.splitlines():
        word, _, fields = unicodedata.normalize("NFC", line).partition("\t")
        for ipa in fields.split(","):
            ipa = re.sub(r"[/\s-]" if stress else r"[/\s\-ˈː]", "", ipa)
            phones = tuple(KOREAN_PHONE.findall(ipa))
            if "".join(phones) != ipa:
                raise ValueError(f"{FILES['ko']}: {word}: expected phones, got {ipa}")
            yield word, phones
