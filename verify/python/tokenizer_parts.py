"""What the tokenizer scripts share: a small text to train on, tricky texts, models trained on them, and the recorder.

Configurations are written as the JSON of a tokenizer.json, so that what is shipped is what the library read.
"""

import base64
import collections
import io
import json
import os
import random
import tempfile
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["RUST_BACKTRACE"] = "0"

import sentencepiece  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402
from sentencepiece import sentencepiece_model_pb2 as model_proto  # noqa: E402

CORPUS = """
The quick brown fox jumps over the lazy dog. It's what they've said, isn't it? I'm sure we'll see; you'd better not.
Tokens are pieces of words: token, tokens, tokenize, tokenizer, tokenizing, untokenized. HELLO World, hello world!
In 2016 the company had 1,024 workers, 3.14 percent more than in 2015; 12345678 and 0.5e-3 are numbers as well.
A man a plan a canal. She sells sea shells by the sea shore, and the shells she sells are sea shells. What? Yes!
def main(argv):\n    for i in range(10):\n\t\tif x[i] == "a": return {'key': None}\n    # done\n
const tokenize = (text) => text.split(" ").map((word) => vocabulary.get(word) ?? -1); // <div class="a">&nbsp;</div>
Café naïve résumé façade Über straße Ærø Łódź señor ça où déjà. IŞIK ışık İstanbul ﬁne ﬂat ½ kg № 5 ™ ℃.
Привет, мир! Быстрая коричневая лиса прыгает через ленивую собаку. Ещё ёлка, ЁЖИК. Καλημέρα κόσμε, ΟΔΟΣ σας.
한국어 문장을 나누는 방법은 여러 가지가 있다. 안녕하세요, 세계! 나는 학교에 갔다. 값이 싸다. 닭을 보았다.
日本語の文章を単語に分ける。カタカナとひらがな、漢字が混ざる。東京は日本の首都です。ﾊﾝｶｸｶﾅ ｶﾞｷﾞ。
中文句子没有空格。我们把句子分成词。北京是中国的首都。漢字繁體字，標點符號！「你好」『世界』
مرحبا بالعالم. اللغة العربية تكتب من اليمين إلى اليسار. السَّلَامُ عَلَيْكُمْ ١٢٣ שלום עולם
नमस्ते दुनिया। हिन्दी देवनागरी लिपि में लिखी जाती है। क्षत्रिय ज्ञान १२३ বাংলা ভাষা
ภาษาไทยไม่มีช่องว่างระหว่างคำ สวัสดีชาวโลก น้ำ กำ
Xin chào thế giới, tiếng Việt có dấu thanh điệu. Zażółć gęślą jaźń. Příliš žluťoučký kůň.
😀 😃 👍🏽 👨‍👩‍👧‍👦 🇰🇷🇺🇸 ❤️ 🏳️‍🌈 € £ ¥ ± × ÷ ≠ ∞ ← → ★ ♥ — – … “quotes” ‘single’ «guillemets»
aaaa aaa aa a bbbb ab abab ababab lolololol mississippi banana bananas --- === *** ... !!! ??? ((())) [[[]]]
""".strip()
LINES = [line for line in CORPUS.split("\n") if line.strip()] * 4
#: For SentencePiece, whose vocabulary holds every character of 98 % of the text: mostly Latin.
LATIN_LINES = LINES[:9] * 8 + LINES[len(LINES) * 3 // 4 :]

#: Tricky texts; each tokenizer sees some of them.
TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "\t\n \r\n ",
    "a",
    " a",
    "  a  b   c    ",
    "Hello, world!",
    "hello world\n\nhello  world\r\n\tend ",
    "Hello there, it's what they've SAID; ISN'T it? I'M WE'LL you'd y'all'll ’tis 'ſ 'T",
    "The quick brown fox jumps over the lazy dog.",
    "tokenization untokenized retokenizing TOKENIZER tokenizer's",
    "a\u00a0b\u2003c\u3000d\u1680e\u2028f\u2029g\u202fh\u205fi",
    "a\u0085b\u000bc\u000cd\u001ce\u001df\u001fg",
    "a\ufeffb \ufeff \u200bzero\u200cwidth\u200djoin\u2060er\u00adsoft",
    "nul\x00 bell\x07 esc\x1b del\x7f c1\x80\x9f pua\ue000 unassigned\u0378 repl\ufffd",
    "e\u0301 é ệ e\u0323\u0302 o\u0308\u0304 \u0301 a\u0300\u0301\u0302\u0303 ǖ",
    "한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8 값싼 ㅎㅏㄴ 뷁",
    "안녕하세요, 세계! 나는 학교에 갔다.",
    "ﾊﾞｶﾞ ﾊﾝｶｸ バガ ハ\u3099 か\u3099 ㍿ ㌔ ㈱ ①②③ Ａｂｃ１２３！",
    "日本語の文章を単語に分ける。東京は日本の首都です。",
    "中文句子没有空格。我们把句子分成词。",
    "𠮷野家 𪚥 \U0002b820 \U0002f800 㐀 豈 〇 々",
    "👨‍👩‍👧‍👦 👍🏽 🇰🇷🇺🇸🇯 ❤️ 🏳️‍🌈 1️⃣ 😀😃",
    "مرحبا بالعالم السَّلَامُ \u202eabc\u202c ١٢٣ שלום",
    "नमस्ते दुनिया। क्षत्रिय বাংলা १२३",
    "ภาษาไทยไม่มีช่องว่าง น้ำ กำ",
    "Привет, мир! ЁЖИК Ещё ѐ й И\u0306",
    "İI ıi ŞIK ß ẞ ſ K Å Ω ΑΣ ΟΔΟΣ ς Σ ΣΑΣ ǅ ﬁ ﬃ ᾳ ᾼ Ĳ",
    "ᏣᎳᎩ ꭰ Ⴀ ა Ა 𐐀𐐨 Ꞵ",
    "1234567890 3.14 1,000,000 ½ ² ³ Ⅷ ٣ ७ 〇 12:30 0x1F 1e-9",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "---- ==== .... !!!! ?!?! ((())) [[]] {{}} <<>> //\\\\",
    "abababababab lolololololol bananananana mississippississippi",
    "def f(x):\n    return {'a': [1, 2], \"b\": None}  # done\n\n\n\tpass",
    "<div class=\"a\">&nbsp;</div> https://example.com/a_b?c=d&e=f#g user@mail.org",
    "snake_case camelCase kebab-case SCREAMING_CASE _leading __dunder__ a_b",
    "$100 €50 £20 50% #tag @name C++ a&b x=y^2 ~10 `code` |pipe| §5 ¶ © ® ° ½",
    "“quotes” ‘single’ «guil» — – … ‚low‘ ¿qué? ¡ay! 、。「」・ ،؟ । ៖ ‽ ⁂",
    "[CLS] hello [SEP] world [MASK] [PAD] [UNK] [mask] a[MASK]b [MASK][MASK]",
    "<s>hello</s> <unk> <pad> <mask> a<mask>b  <mask>  </s></s><s>",
    "<|endoftext|>Hello<|endoftext|> <|im_start|>user\nhi<|im_end|>\n<|im_start|>",
    "▁a ▁ ▁▁b a▁b c ▁",
    "<0x41> <0xE3> <0xZZ> ## ##a </w> @@ Ġ Ċ ġ",
    "new york newyork New York, yorknew new  york new yorker",
    "HELLO hello Hello hELLO",
    "Zażółć gęślą jaźń Příliš žluťoučký kůň tiếng Việt Ærø Łódź",
    " leading and trailing ",
    "\u3000full\u3000width\u3000",
    "x\u0300\u0316\u034f\u0489\u20dd y\ufe0f z\u180e",
    "line one\nline two\rline three\u0085line four\u2028line five",
    "don't can't won't do not I 'm you 're he 's n't .",
    "ab cd" * 12,
    "word" * 30,
    "á" * 7 + "\u0301" * 9 + "한" * 5,
]

PARTS = (
    "hello world Hello HELLO token tokens izer un the a b ab aa an I'm 's 't ' re ll new york def return "
    "안녕 하세요 한 글 학교 日本 東京 の です 中文 北京 。 Привет мир ς Σ ё é e\u0301 ñ ü ß İ ı ſ K ﬁ ½ ² № ﾊﾞ ｶ ﾞ Ａ ① "
    "السلام َّ नमस्ते क् ् สวัส ำ 😀 👍🏽 👨‍👩‍👧 🇰🇷 🇺 ‍ ️ 𠮷 1 12 123 2024 3.14 ١ . , ! ? - -- … _ __ # ## @ $ € + = ( ) [ ] { } < > / \\ "
    '" “ ” : ; % & * ~ ` ^ | ▁ Ġ Ċ Â £ x X z [MASK] [CLS] [SEP] <s> </s> <mask> <unk> <pad> <|endoftext|> <|im|> <0x41> <0xE3> \ufffd ᄒ ᅡ ᆫ ㅎ '
    "caf\u00e9 stra\u00dfe o\u0308 \u0301 \u0323"
).split(" ") + ["\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\ufeff", "\u200b", "\u00ad", "\x00", "\x07", "\x1c", "\t", "\n", "\n\n", "\r\n", "\r"]


def random_text(rng, longest=14):
    """A text of random parts, often with spaces between."""
    words = []
    for _ in range(rng.randint(1, longest)):
        kind = rng.random()
        if kind < 0.72:
            words.append(rng.choice(PARTS))
        elif kind < 0.8:
            words.append(rng.choice(PARTS) * rng.randint(2, 6))
        elif kind < 0.92:
            words.append("".join(rng.choice("abcdehilnorstuwAEHT0123 .,'-") for _ in range(rng.randint(1, 9))))
        else:
            # Assigned in Unicode 14: the classes of later ones depend on the age of an engine.
            code = rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x3000, 0xD800), rng.randrange(0xE000, 0x20000)])
            words.append(chr(code) if unicodedata.category(chr(code)) != "Cn" else "?")
        if rng.random() < 0.55:
            words.append(" " * rng.choice([1, 1, 1, 1, 2, 3]))
    return "".join(words)


def pick_texts(rng, count, extra_random=6, always=("", " ", "  a  b   c    ", "Hello, world!")):
    rest = [text for text in TEXTS if text not in always]
    return [*always, *rng.sample(rest, min(count, len(rest))), *(random_text(rng) for _ in range(extra_random))]


# ---------------------------------------------------------------------------------------------------------------- models


def tokenizer_json(model, normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None, added=(), **more):
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(added),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": model,
        **more,
    }


def added_token(id, content, special=True, single_word=False, lstrip=False, rstrip=False, normalized=False):
    return dict(id=id, content=content, single_word=single_word, lstrip=lstrip, rstrip=rstrip, normalized=normalized, special=special)


def sequence(kind, *parts):
    return {"type": "Sequence", {"n": "normalizers", "p": "pretokenizers", "q": "processors", "d": "decoders"}[kind]: list(parts)}


def byte_level(prefix=False, trim=True, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}


def metaspace(scheme="always", split=True, replacement="▁"):
    return {"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": split}


def split(pattern, behavior="Isolated", invert=False, regex=True):
    return {"type": "Split", "pattern": {"Regex" if regex else "String": pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, regex=False):
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": pattern}, "content": content}


BYTES_DECODER = sequence("d", {"type": "ByteFallback"}, {"type": "Fuse"})

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_PATTERN = CL100K_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
O200K_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def bytes_model(**options):
    """A BPE without merges that falls back to bytes: its tokens show the normalized text byte by byte."""
    vocab = {"<unk>": 0, **{f"<0x{byte:02X}>": 1 + byte for byte in range(256)}}
    return bpe_json(vocab, [], unk_token="<unk>", byte_fallback=True, **options)


def bpe_json(vocab, merges, **options):
    names = ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")
    flags = ("fuse_unk", "byte_fallback", "ignore_merges")
    return {
        "type": "BPE",
        **{name: options.get(name) for name in names},
        **{name: options.get(name, False) for name in flags},
        "vocab": vocab,
        "merges": merges,
    }


def _trained(model, trainer, normalizer=None, pre_tokenizer=None):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(LINES, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    return model


def alphabet_of(count):
    """The commonest characters, so that the trainer has no choice among equals."""
    counts = collections.Counter(character for line in LINES for character in line if not character.isspace())
    common = sorted(counts, key=lambda character: (-counts[character], character))[:count]
    return dict(initial_alphabet=common, limit_alphabet=count)


def train_bpe(size, specials, alphabet_size, prefix="", suffix="", normalizer=None, cutter=None):
    """As the library trains, but for ties, which its hash maps decide."""
    cutter = cutter or pre_tokenizers.Whitespace()
    alphabet = set(alphabet_of(alphabet_size)["initial_alphabet"])
    counts = collections.Counter()
    for line in LINES:
        for word, _ in cutter.pre_tokenize_str(normalizer.normalize_str(line) if normalizer else line):
            counts["".join(character for character in word if character in alphabet)] += 1
    del counts[""]
    words = []
    for word, count in sorted(counts.items()):
        symbols = [character if at == 0 else prefix + character for at, character in enumerate(word)]
        symbols[-1] += suffix
        words.append((symbols, count))
    vocab = dict.fromkeys([*specials, *sorted(alphabet), *sorted({symbol for symbols, _ in words for symbol in symbols})])
    merges = []
    while len(vocab) < size:
        pairs = collections.Counter()
        for symbols, count in words:
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged = left + right[len(prefix) :]
        merges.append([left, right])
        vocab[merged] = None
        for symbols, _ in words:
            for at in range(len(symbols) - 1, 0, -1):
                if at < len(symbols) and symbols[at - 1] == left and symbols[at] == right:
                    symbols[at - 1 : at + 1] = [merged]
    return {token: id for id, token in enumerate(vocab)}, merges


def wordpiece_json(prefix, normalizer, alphabet_size):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab, _ = train_bpe(520, specials, alphabet_size, prefix, normalizer=normalizer, cutter=pre_tokenizers.BertPreTokenizer())
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": prefix, "max_input_chars_per_word": 100, "vocab": vocab}


class Trained:
    """Models of one training text, made when first asked for."""

    def __init__(self):
        self._cache = {}

    def __getattr__(self, name):
        if name not in self._cache:
            self._cache[name] = json.dumps(getattr(self, "_" + name)())
        return json.loads(self._cache[name])

    def _byte_level(self):
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False, special_tokens=["<|endoftext|>"])
        return _trained(models.BPE(), trainer, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False))

    def _byte_level_ids(self):
        """Byte level with tokens that merges do not reach: whole words that `ignore_merges` finds."""
        model = self.byte_level
        for word in ("Ġtokenizer", "Hello", "Ġzebra", "ĠìķĪëħķ", "hellos"):
            model["vocab"].setdefault(word, len(model["vocab"]))
        model["ignore_merges"] = True
        return model

    def _bpe_characters(self):
        trainer = trainers.BpeTrainer(vocab_size=330, **alphabet_of(220), show_progress=False, special_tokens=["<unk>"])
        return _trained(models.BPE(unk_token="<unk>"), trainer, pre_tokenizer=pre_tokenizers.Whitespace())

    def _bpe_suffix(self):
        vocab, merges = train_bpe(400, ["<unk>"], 150, suffix="</w>", normalizer=normalizers.Lowercase(), cutter=pre_tokenizers.BertPreTokenizer())
        return bpe_json(vocab, merges, unk_token="<unk>", end_of_word_suffix="</w>")

    def _bpe_prefix(self):
        vocab, merges = train_bpe(400, ["<unk>"], 150, prefix="##")
        return bpe_json(vocab, merges, unk_token="<unk>", continuing_subword_prefix="##")

    def _bpe_both(self):
        vocab, merges = train_bpe(330, ["<unk>"], 100, prefix="~", suffix="/w")
        return bpe_json(vocab, merges, unk_token="<unk>", continuing_subword_prefix="~", end_of_word_suffix="/w")

    def _bpe_metaspace(self):
        """As Llama 2: byte fallback, spaces as marks, merges over word borders."""
        trainer = trainers.BpeTrainer(
            vocab_size=560,
            **alphabet_of(120),
            show_progress=False,
            special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))],
        )
        model = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
        return _trained(model, trainer, None, pre_tokenizers.Metaspace())

    def _wordpiece(self):
        return wordpiece_json("##", normalizers.BertNormalizer(), 160)

    def _wordpiece_cased(self):
        return wordpiece_json("@", None, 200)

    def _wordlevel(self):
        trainer = trainers.WordLevelTrainer(vocab_size=260, show_progress=False, special_tokens=["[UNK]", "[PAD]"])
        return _trained(models.WordLevel(unk_token="[UNK]"), trainer, None, pre_tokenizers.Whitespace())

    def _unigram(self):
        return unigram_json(self.sentencepiece_pieces, unk_id=0)

    def _unigram_bytes(self):
        pieces = [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0], *([f"<0x{byte:02X}>", -20.0] for byte in range(256))]
        pieces += [piece for piece in self.sentencepiece_pieces if piece[0] not in ("<unk>", "<s>", "</s>")][:220]
        return unigram_json(pieces, unk_id=0, byte_fallback=True)

    def _unigram_no_unk(self):
        return unigram_json([piece for piece in self.sentencepiece_pieces if piece[0] != "<unk>"], unk_id=None)

    def _sentencepiece_pieces(self):
        """Unigram pieces, scores as JSON files carry them (double precision digits of a float)."""
        proto = train_sentencepiece(model_type="unigram", vocab_size=330, normalization_rule_name="identity")
        return [[piece.piece, piece.score] for piece in proto.pieces]

    def _charsmap(self):
        return charsmap_of(RULES)

    def _charsmap_custom(self):
        return charsmap_of(CUSTOM_RULES)

    def _charsmap_case(self):
        return charsmap_of(CASE_RULES)


def unigram_json(pieces, unk_id=0, byte_fallback=False):
    return {"type": "Unigram", "unk_id": unk_id, "vocab": pieces, "byte_fallback": byte_fallback}


# --------------------------------------------------------------------------------------------------------- sentencepiece


def compatibility_rules():
    """The rules of NFKC for the characters of the texts here, both for composed and for decomposed spellings."""
    rules = {}
    for character in sorted(set("".join(TEXTS) + "".join(PARTS) + CORPUS)):
        for source in {character, unicodedata.normalize("NFD", character), unicodedata.normalize("NFKD", character)}:
            target = unicodedata.normalize("NFKC", source)
            if source != target:
                rules[source] = target
    for voiced in "ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポヴ":
        rules[unicodedata.normalize("NFD", voiced)] = voiced
    rules.update({"ﾊﾞ": "バ", "ｶﾞ": "ガ", "ﾊ": "ハ", "ｶ": "カ", "ﾞ": "\u3099"})
    return rules


def nmt_rules():
    rules = compatibility_rules()
    for code in (0x9, 0xA, 0xC, 0xD, 0x1680, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD, 0x200C, 0x200D, 0x85, 0xA0, 0x3000):
        rules[chr(code)] = " "
    for code in (*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F):
        rules[chr(code)] = ""
    return rules


#: Rules of our own: prefixes of each other, deletions, growth, case.
CUSTOM_RULES = {
    "a": "A",
    "ab": "<ab>",
    "abc": "[abc]",
    "e\u0301": "é",
    "\u0301": "",
    "é": "e",
    "한": "",
    "½": "1/2",
    "🇰🇷": "KR",
    "👍": "+1",
    "👍🏽": "+2",
    "\t": " ",
    "\n": "  ",
    "ß": "ss",
    "--": "—",
    "İ": "i\u0307",
    "中": "middle ",
    "X": " x",
}
RULES = {**nmt_rules()}
CASE_RULES = {**nmt_rules(), **{chr(code): chr(code).lower() for code in range(0x41, 0x5B)}, "Σ": "σ", "ς": "σ", "ß": "ss", "İ": "i\u0307"}


def rules_file(rules):
    """A rules file as the trainer reads it: code points in hex, a tab between source and target."""

    def codes(text):
        return " ".join(f"{ord(character):X}" for character in text)

    path = os.path.join(tempfile.mkdtemp(), "rules.tsv")
    with open(path, "w", encoding="utf-8") as file:
        for source, target in sorted(rules.items()):
            if source and source != target and "\x00" not in source + target:
                file.write(f"{codes(source)}\t{codes(target)}\n")
    return path


def train_sentencepiece(rules=None, denormalization=None, lines=LATIN_LINES, **options):
    writer = io.BytesIO()
    if rules is not None:
        options["normalization_rule_tsv"] = rules_file(rules)
    if denormalization is not None:
        options["denormalization_rule_tsv"] = rules_file(denormalization)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=writer,
        num_threads=1,
        minloglevel=2,
        hard_vocab_limit=False,
        **{"character_coverage": 0.98, "input_sentence_size": 0, **options},
    )
    proto = model_proto.ModelProto()
    proto.ParseFromString(writer.getvalue())
    return proto


def charsmap_of(rules):
    """The base64 of a character map, as a tokenizer.json has it."""
    proto = train_sentencepiece(model_type="unigram", vocab_size=330, rules=rules)
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def sentencepiece_vectors(data, texts, rng):
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    size = processor.get_piece_size()
    cases = []
    for text in texts:
        pieces = processor.encode(text, return_type="proto").pieces
        raw = text.encode()
        offsets = [len(raw[:at].decode(errors="replace")) for piece in pieces for at in (piece.begin, piece.end)]
        ids = [piece.id for piece in pieces]
        # Ids as encode() gives them; the pieces of unknown runs are the surface, as `encode(out_type=str)` gives them.
        assert ids == processor.encode(text), (text, ids)
        cases.append(
            dict(
                text=text,
                ids=ids,
                pieces=processor.encode(text, return_type=str),
                offsets=offsets,
                norm=processor.normalize(text),
                dec=processor.decode(ids),
            )
        )
    decodes = []
    for _ in range(10):
        ids = [rng.randrange(size) for _ in range(rng.randint(1, 12))]
        decodes.append(dict(ids=ids, dec=processor.decode(ids)))
    return dict(cases=cases, decodes=decodes)


# -------------------------------------------------------------------------------------------------------------- recording


def guarded(action):
    """The result, or the error's text: panics of the library are errors too."""
    try:
        return action(), None
    except BaseException as error:  # noqa: BLE001 - a panic is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        return None, (type(error).__name__ + ": " + str(error))[:160]


def encoding_json(encoding, tokenizer):
    """What differs from the obvious: an encoding without its defaults."""
    out = dict(ids=encoding.ids, offsets=[at for pair in encoding.offsets for at in pair])
    # As the file spells them: id_to_token gives the normalized content of an added token that is normalized.
    added = tokenizer.get_added_tokens_decoder()
    if encoding.tokens != [added[id].content if id in added else tokenizer.id_to_token(id) for id in encoding.ids]:
        out["tokens"] = encoding.tokens
    if any(encoding.type_ids):
        out["type_ids"] = encoding.type_ids
    if any(encoding.special_tokens_mask):
        out["stm"] = "".join(map(str, encoding.special_tokens_mask))
    if not all(encoding.attention_mask):
        out["mask"] = "".join(map(str, encoding.attention_mask))
    out["words"] = encoding.word_ids
    if encoding.overflowing:
        out["overflowing"] = [encoding_json(part, tokenizer) for part in encoding.overflowing]
    return out


def stream_chunks(tokenizer, ids, skip=True):
    stream = decoders.DecodeStream(skip_special_tokens=skip)
    chunks, error = guarded(lambda: [stream.step(tokenizer, id) for id in ids])
    return chunks if error is None else None


def configure(tokenizer, truncation, padding):
    if truncation:
        tokenizer.enable_truncation(**truncation)
    else:
        tokenizer.no_truncation()
    if padding:
        tokenizer.enable_padding(**padding)
    else:
        tokenizer.no_padding()


def record(tokenizer, text, pair=None, special=True, truncation=None, padding=None, decodes=True):
    """One case: what encode gives, and what decode makes of it."""
    case = dict(text=text)
    if pair is not None:
        case["pair"] = pair
    if not special:
        case["special"] = False
    if truncation:
        case["truncation"] = truncation
    if padding:
        case["padding"] = padding
    _, error = guarded(lambda: configure(tokenizer, truncation, padding))
    if error is None:
        encoding, error = guarded(lambda: tokenizer.encode(text, pair, add_special_tokens=special))
    if error is not None:
        return dict(**case, error=error)
    case.update(encoding_json(encoding, tokenizer))
    if decodes:
        case.update(decoded(tokenizer, encoding.ids))
    return case


def decoded(tokenizer, ids, streams=True):
    out = {}
    out["dec"], error = guarded(lambda: tokenizer.decode(ids))
    if error is not None:
        return dict(dec_error=error)
    with_special = tokenizer.decode(ids, skip_special_tokens=False)
    if with_special != out["dec"]:
        out["dec_s"] = with_special
    if streams:
        # None where the library's stream fails: text that a later byte would have changed was out already.
        out["chunks"] = stream_chunks(tokenizer, ids)
    return out


def record_batch(tokenizer, texts, special=True, truncation=None, padding=None):
    case = dict(batch=texts, special=special, truncation=truncation, padding=padding)
    _, error = guarded(lambda: configure(tokenizer, truncation, padding))
    if error is None:
        encodings, error = guarded(lambda: tokenizer.encode_batch(texts, add_special_tokens=special))
    if error is not None:
        return dict(**case, error=error)
    return dict(**case, encodings=[encoding_json(encoding, tokenizer) for encoding in encodings])


def random_decodes(tokenizer, rng, count=6):
    """Random ids, among them some that are next to each other in the vocabulary, as bytes are."""
    ids = sorted(tokenizer.get_vocab(with_added_tokens=True).values())
    out = []
    for index in range(count):
        length = rng.randint(1, 14)
        picked = [rng.choice(ids) for _ in range(length)]
        if index % 3 == 2 and len(ids) > 1:
            picked = [rng.choice(ids[: len(ids) // 2 + 1]) for _ in range(length)]
        out.append(dict(ids=picked, **decoded(tokenizer, picked)))
    return out


def load(config):
    """The tokenizer of a tokenizer.json, or None where the library refuses it."""
    tokenizer, error = guarded(lambda: Tokenizer.from_str(json.dumps(config)))
    return tokenizer, error


__all__ = [name for name in dir() if not name.startswith("__")]
