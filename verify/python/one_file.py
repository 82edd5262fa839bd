"""Drives a packed grapheme-to-phoneme model (docs/one-file.md) from Python, and compares its IPA with ours, word by word.

    python -m venv .venv && .venv/bin/pip install wasmtime==50.0.1
    npx kiloformer pack ../shared/models/hama-g2p -o g2p.wasm          # [--dtype f16|q8|q4]
    npx kiloformer g2p --model g2p.wasm --json hello world 안녕 > ipa.jsonl
    .venv/bin/python verify/python/one_file.py g2p.wasm ipa.jsonl

Nothing of ours runs here but the kernels in the file: the forward pass is Python, as short as it goes. It keeps no cache: each
new phoneme computes the whole word again, and gives the same bits as a cache does. Words are one run of Latin letters or
Hangul each; `python one_file.py g2p.wasm WORD...` prints the IPA of words.
"""

import array
import json
import math
import struct
import sys

import wasmtime

PAGE = 64  # positions of a page of the key/value cache
GROUP = 32  # inputs that share a scale
HANGUL = ("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ", " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def custom_sections(data):
    """The custom sections of a module, by name."""

    def leb(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                return value, at

    sections, at = {}, 8
    while at < len(data):
        kind = data[at]
        size, begin = leb(at + 1)
        at = begin + size
        if kind == 0:
            length, name = leb(begin)
            sections[data[name : name + length].decode()] = data[name + length : at]
    return sections


def checksum(values):
    """Of 32-bit words (memory) or bytes (sections), as integers."""
    state = 0x811C9DC5
    for value in values:
        state = (state ^ value) * 0x01000193 & 0xFFFFFFFF
        state ^= state >> 15
    return state


class Model:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        sections = custom_sections(data)
        directory, files = sections["kiloformer.directory"], sections["kiloformer.files"]
        version, expected = struct.unpack("<II", directory[:8])
        assert version == 2, f"{path}: expected format 2, got {version}"
        assert checksum(directory[8:]) == expected, f"{path}: the directory is damaged"
        directory = json.loads(directory[8:])
        assert checksum(files) == directory["files"]["checksum"], f"{path}: the files are damaged"
        named = {name: files[begin : begin + size] for name, begin, size in directory["files"]["names"]}
        self.config, self.vocabulary = json.loads(named["config.json"]), json.loads(named["vocab.json"])
        assert not self.config.get("rope_scaling"), "only plain rotary positions are computed here"
        self.tokens = {id: token for token, id in self.vocabulary.items()}
        self.relaxed = directory["build"] == "relaxed"
        self.weights = {weight["names"][0]: weight for weight in directory["weights"]}

        engine_config = wasmtime.Config()
        engine_config.wasm_relaxed_simd = self.relaxed
        engine = wasmtime.Engine(engine_config)
        self.store = wasmtime.Store(engine)
        # The engine fills the memory: nothing is imported, nothing is copied.
        self.exports = wasmtime.Instance(self.store, wasmtime.Module(engine, data), []).exports(self.store)
        self.memory = self.exports["memory"]
        region = directory["memory"]
        self.free = region["address"] + region["bytes"]
        words = array.array("I", self.memory.read(self.store, 0, self.free))
        assert checksum(words) == region["checksum"], f"{path}: the weights are damaged"
        self.top = self.free

    def call(self, kernel, *operands):
        function = self.exports[kernel]
        # Some kernels of a family take one operand less.
        count = len(function.type(self.store).params)
        return function(self.store, *operands[:count])

    def take(self, size):
        """Room for so many bytes above the weights; `top` goes back before each forward."""
        address = self.top
        self.top = (address + size + 63) // 64 * 64
        missing = self.top - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, -(-missing // 65536))
        return address

    def put(self, kind, values):
        data = array.array(kind, values).tobytes()
        address = self.take(len(data))
        self.memory.write(self.store, data, address)
        return address

    def embedding(self, ids, table):
        dtype, (rows, width), place = table["dtype"], table["shape"], table["address"]
        x = self.take(len(ids) * width * 4)
        if table["layout"] == "panels" or dtype not in ("q8", "q4"):
            kernel = f"embed_{table['layout']}_{dtype}"
            self.call(kernel, self.put("i", ids), place, x, len(ids), width, rows)
            return x
        # Rows of integers, and behind them, on a multiple of 64, the scales of each.
        row, scale = (width, 4) if dtype == "q8" else (-(-width // 2), -(-width // GROUP) * 2)
        scales = place + -(-rows * row // 64) * 64
        for index, id in enumerate(ids):
            self.call(f"dequantize_rows_{dtype}", place + id * row, scales + id * scale, x + index * width * 4, 1, width)
        return x

    def linear(self, x, rows, name, bias=0, residual=0):
        weight = self.weights[name]
        dtype, (outputs, inputs), place = weight["dtype"], weight["shape"], weight["address"]
        y = self.take(rows * outputs * 4)
        shape = (rows, outputs, inputs)
        if dtype in ("q8", "q4"):
            whole = -(-inputs // GROUP) * GROUP
            quantized = self.take(rows * whole * (1 if self.relaxed else 2))
            parameters = self.take(rows * whole // GROUP * 8)
            self.call(f"quantize_inputs_{dtype}", x, quantized, parameters, self.take(whole * 4), rows, inputs)
            # Behind the panels of 8-bit weights lie their scales; those of 4-bit ones lie within.
            scales = place + -(-outputs // 8) * (whole // GROUP) * 8 * (2 + GROUP) if dtype == "q8" else 0
            scratch = self.take(64 * 4)
            self.call(f"gemm_{dtype}", quantized, parameters, place, scales, bias, y, *shape, 0, residual, scratch)
        else:
            # The last operand is f16's: whether none of its weights is infinite or NaN, which nobody has asked here.
            self.call(f"gemm_{dtype}", x, place, bias, y, *shape, 0, residual, self.take(8 * 256 * 4), 0)
        return y

    def norm(self, x, rows, name):
        y = self.take(rows * self.config["hidden_size"] * 4)
        eps = self.config.get("rms_norm_eps", 1e-6)
        self.call("rms_norm_f32", x, self.weights[name]["address"], y, rows, self.config["hidden_size"], eps)
        return y

    def logits(self, ids):
        """Logits after the last of the ids."""
        self.top = self.free
        config, rows = self.config, len(ids)
        width, heads = config["hidden_size"], config["num_attention_heads"]
        groups = config.get("num_key_value_heads") or heads
        head = config.get("head_dim") or width // heads
        cos, sin = self.angles(self.positions(ids), head)
        x = self.embedding(ids, self.weights["model.embed_tokens.weight"])
        for layer in range(config["num_hidden_layers"]):
            block = f"model.layers.{layer}."
            attended = self.attention(self.norm(x, rows, block + "input_layernorm.weight"), rows, block, cos, sin, heads, groups, head)
            x = self.linear(attended, rows, block + "self_attn.o_proj.weight", residual=x)
            fed = self.linear(self.norm(x, rows, block + "post_attention_layernorm.weight"), rows, block + "mlp.gate_proj.weight")
            gated = self.take(rows * config["intermediate_size"] * 4)
            self.call("swiglu_f32", fed, gated, rows, config["intermediate_size"])
            x = self.linear(gated, rows, block + "mlp.down_proj.weight", residual=x)
        last = self.norm(x + (rows - 1) * width * 4, 1, "model.norm.weight")
        name = "lm_head.weight" if "lm_head.weight" in self.weights else "model.embed_tokens.weight"
        y = self.linear(last, 1, name)
        return array.array("f", self.memory.read(self.store, y, y + config["vocab_size"] * 4))

    def positions(self, ids):
        """Positions; with `letter_distance` those of letters go down, and what writes for one is so far behind it."""
        distance, sos = self.config.get("letter_distance"), self.config["bos_token_id"]
        if distance is None:
            return range(len(ids))
        context = self.config["max_position_embeddings"]
        letters = ids.index(sos) if sos in ids else len(ids)
        end = context - letters + distance
        return [*range(context - 1, context - 1 - letters, -1), *range(end, end + len(ids) - letters)]

    def angles(self, positions, head):
        theta = f32(self.config.get("rope_theta", 10000.0))
        steps = [f32(1 / f32(theta ** f32(2 * i / head))) for i in range(head // 2)]
        angles = [f32(position * step) for position in positions for step in steps]
        return self.put("f", map(math.cos, angles)), self.put("f", map(math.sin, angles))

    def attention(self, x, rows, block, cos, sin, heads, groups, head):
        stride = (heads + 2 * groups) * head
        qkv = self.linear(x, rows, block + "self_attn.q_proj.weight")
        self.call("rope_f32", qkv, cos, sin, rows, heads + groups, head, head, stride)
        page_bytes = groups * PAGE * (head + (head + 7) // 8 * 8) * 4
        pages = self.put("I", [self.take(page_bytes) for _ in range(0, rows, PAGE)])
        keys = qkv + heads * head * 4
        self.call("cache_append_f32", keys, keys + groups * head * 4, pages, rows, stride, 0, groups, head)
        y = self.take(rows * heads * head * 4)
        scratch = self.take(self.call("attention_scratch_f32", rows, rows, heads, groups, head) * 4)
        self.call("attention_f32", qkv, y, pages, rows, stride, heads * head, 0, 1, heads, groups, head, head**-0.5, scratch)
        return y

    def phonemize(self, word):
        """The IPA of one word, greedily."""
        spelling = [self.vocabulary[letter] for letter in letters(word)]
        if "letter_distance" in self.config:
            spelling.reverse()
        ids = spelling + [self.vocabulary["<sos>"]]
        begin = len(ids)
        while len(ids) < self.config["max_position_embeddings"]:
            logits = self.logits(ids)
            id = max(range(len(logits)), key=logits.__getitem__)
            if id == self.vocabulary["<eos>"]:
                break
            ids.append(id)
        tokens = (self.tokens[id] for id in ids[begin:])
        return "".join(token for token in tokens if not token.startswith("<"))


def letters(word):
    """Small letters, and syllables of Hangul as jamo."""
    for letter in word.lower():
        index = ord(letter) - 0xAC00
        if not 0 <= index < 11172:
            yield letter
            continue
        parts = (HANGUL[0][index // 588], HANGUL[1][index % 588 // 28], HANGUL[2][index % 28])
        yield from (part for part in parts if part != " ")


def main():
    path, *words = sys.argv[1:]
    model = Model(path)
    if len(words) != 1 or not words[0].endswith(".jsonl"):
        for word in words:
            print(model.phonemize(word))
        return
    with open(words[0], encoding="utf-8") as file:
        expected = [json.loads(line) for line in file]
    wrong = 0
    for entry in expected:
        ipa = model.phonemize(entry["text"])
        if ipa != entry["ipa"]:
            wrong += 1
            print(f"{entry['text']}: expected {entry['ipa']}, got {ipa}")
    print(f"{len(expected)} words, {wrong} differ")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
