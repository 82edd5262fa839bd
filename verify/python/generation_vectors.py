"""Writes packages/models/test/generation-vectors.ts: what transformers generates with a model whose logits are a hash of the
last three ids (`fakeLogits` of fake-decoder.ts), and what its logits processors leave of such logits.

python generation_vectors.py ../../packages/models/test/generation-vectors.ts
"""

import json
import random
import sys

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput
from versions import expect_versions

expect_versions("torch", "transformers", "tokenizers")

transformers.logging.set_verbosity_error()

PIECES = "abcdef|a|b|c|d|e|ab|ba|ca|dd|abc|cab|eb|dea|bad|cede|ace|bee|dab|ebb|add|aa|bb|cc|ee| a| b| c|é".split("|")
VOCABULARY = len(PIECES)
PROMPTS = [[1, 2], [5, 9, 9, 4, 7], [20]]
MASK = 0xFFFFFFFF


def fake_logits(ids):
    hash = 7
    for id in ids[-3:]:
        hash = (hash * 31 + id + 1) & MASK
    logits = []
    for id in range(VOCABULARY):
        word = (hash + id * 2654435761) & MASK
        for _ in range(2):
            word = ((word ^ (word >> 16)) * 0x45D9F3B) & MASK
        logits.append(((word ^ (word >> 16)) >> 8) / 2**21)
    return logits


class Config(PretrainedConfig):
    model_type = "hash"

    def __init__(self, **options):
        self.vocab_size = VOCABULARY
        self.num_hidden_layers = 1
        super().__init__(**options)


class Model(PreTrainedModel, GenerationMixin):
    config_class = Config
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__(config)
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **_):
        return CausalLMOutput(logits=torch.tensor([[fake_logits(ids)] for ids in input_ids.tolist()]))


def fake_tokenizer():
    tokenizer = Tokenizer(models.WordLevel({piece: id for id, piece in enumerate(PIECES)}, unk_token="abcdef"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


model = Model(Config())
model.generation_config = GenerationConfig()
tokenizer = fake_tokenizer()


def run(prompt, options, with_logprobs=False):
    """One line for each text: new ids, "." for an end-of-text id, the beam's score, log probabilities."""
    options = dict(options)
    eos = options.pop("eos_token_id", None)
    if "stop_strings" in options:
        options["tokenizer"] = tokenizer
    out = model.generate(
        torch.tensor([prompt]),
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
        eos_token_id=eos,
        pad_token_id=0,
        **options,
    )
    ends = [] if eos is None else [eos] if isinstance(eos, int) else eos
    beams = getattr(out, "beam_indices", None)
    lines = []
    for row, sequence in enumerate(out.sequences.tolist()):
        new = sequence[len(prompt) :]
        if beams is not None:
            new = new[: int((beams[row] >= 0).sum())]
        end = next((index for index, id in enumerate(new) if id in ends), None)
        new = new[:end]
        line = " ".join(map(str, new)) + ("" if end is None else " .")
        if getattr(out, "sequences_scores", None) is not None:
            line += f" ({float(out.sequences_scores[row]):.4f})"
        if with_logprobs:
            rows = [row if beams is None else int(beams[row][step]) for step in range(len(new))]
            chosen = [torch.log_softmax(out.scores[step][rows[step]], -1)[id] for step, id in enumerate(new)]
            line += " " + json.dumps([round(float(logprob), 4) for logprob in chosen])
        lines.append(line)
    return lines


def vectors(*cases, with_logprobs=False):
    rows = []
    for prompts, options in cases:
        for prompt in prompts:
            rows.append({"prompt": prompt, "options": options, "expected": run(prompt, options, with_logprobs)})
    return rows


TWO, ALL, FIRST, LAST = PROMPTS[:2], PROMPTS, PROMPTS[:1], PROMPTS[2:]
BASE = {"max_new_tokens": 12}
greedy = [[int(id) for id in run(prompt, BASE)[0].split()] for prompt in PROMPTS]
third = [ids[2] for ids in greedy]
first = [ids[0] for ids in greedy]
bad = [[first[0]], greedy[1][:2], greedy[2][1:4], [1, 2, first[0], 11], list(range(25)), [3]]


def greedy_vectors():
    return vectors(
        (TWO, BASE),
        (TWO, {**BASE, "repetition_penalty": 1.7}),
        (TWO, {**BASE, "repetition_penalty": 0.6}),
        (TWO, {"max_new_tokens": 24, "no_repeat_ngram_size": 1}),
        (TWO, {"max_new_tokens": 40, "no_repeat_ngram_size": 2}),
        (TWO, {"max_new_tokens": 40, "no_repeat_ngram_size": 3}),
        (TWO, {**BASE, "bad_words_ids": bad, "eos_token_id": 3}),
        (ALL, {**BASE, "eos_token_id": third}),
        (TWO, {**BASE, "min_new_tokens": 6, "eos_token_id": third}),
        (TWO, {**BASE, "min_length": 7, "eos_token_id": third}),
        (TWO, {"max_length": 9}),
        (TWO, {"max_new_tokens": 4, "forced_eos_token_id": 3, "eos_token_id": 3}),
        (TWO, {"max_new_tokens": 4, "forced_eos_token_id": [6, 3], "eos_token_id": [3, 6]}),
        (PROMPTS[1:], {"max_new_tokens": 4, "forced_bos_token_id": 17}),
        (TWO, {**BASE, "suppress_tokens": first + [ids[3] for ids in greedy]}),
        (TWO, {**BASE, "begin_suppress_tokens": first}),
        (
            PROMPTS[1:],
            {"max_new_tokens": 4, "forced_bos_token_id": 17, "begin_suppress_tokens": list(range(0, 29, 2))},
        ),
        (
            TWO,
            {
                **BASE,
                "repetition_penalty": 1.3,
                "no_repeat_ngram_size": 2,
                "bad_words_ids": bad,
                "min_new_tokens": 5,
                "suppress_tokens": [8, 21],
                "begin_suppress_tokens": [first[1]],
                "forced_eos_token_id": 3,
                "eos_token_id": [3, 14],
            },
        ),
    )


def beam_vectors():
    some = {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3}
    long = {"max_new_tokens": 14, "num_beams": 3, "num_return_sequences": 2}
    cases = [(TWO, {**some, "num_return_sequences": 4})]
    # Ends of text that make early_stopping matter.
    draw = random.Random(1)
    stoppings = (False, True, "never")

    def distinct(eos, penalty):
        options = {**long, "eos_token_id": eos, "length_penalty": penalty}
        return len({str(run(PROMPTS[0], {**options, "early_stopping": stopping})) for stopping in stoppings})

    for count in (2, 6):
        for penalty in (0.5, 1.0, 2.0):
            tries = ([draw.randrange(VOCABULARY) for _ in range(count)] for _ in range(60))
            eos = max(tries, key=lambda ids: distinct(ids, penalty))
            for stopping in stoppings:
                cases.append((FIRST, {**long, "eos_token_id": eos, "early_stopping": stopping, "length_penalty": penalty}))
    for penalty in (0.0, -1.0):
        cases.append((FIRST, {**long, "eos_token_id": eos, "length_penalty": penalty}))
    return vectors(
        *cases,
        (TWO, {"max_new_tokens": 30, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": [3, 14, 20]}),
        (TWO, {"max_new_tokens": 6, "num_beams": 12, "num_return_sequences": 3, "eos_token_id": 3}),
        (
            TWO,
            {
                **some,
                "eos_token_id": [3, 14],
                "repetition_penalty": 1.5,
                "no_repeat_ngram_size": 2,
                "bad_words_ids": bad,
                "min_new_tokens": 4,
            },
        ),
        (TWO, {**some, "eos_token_id": 3, "forced_eos_token_id": 3, "suppress_tokens": [1, 2]}),
        (LAST, {**some, "eos_token_id": 3, "forced_bos_token_id": 17}),
    )


def renormalized_vectors():
    """`renormalize_logits` is what a model's files say, not what a caller does."""
    some = {"max_new_tokens": 8, "num_beams": 4, "num_return_sequences": 3, "eos_token_id": [3, 14]}
    rows = vectors(
        (TWO, {**some, "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "bad_words_ids": bad}),
        (TWO, {**some, "suppress_tokens": list(range(0, 29, 3)), "length_penalty": 0.0}),
        (LAST, {**some, "forced_bos_token_id": 17, "min_new_tokens": 4}),
    )
    for row in rows:
        row["expected"] = run(row["prompt"], {**row["options"], "renormalize_logits": True})
    return rows


def stop_vectors():
    cases = []
    for strings in ("a", "ab", ["cc ", "éa"], ["dbb", "bba"], ["aab c", "eeb"], "bab"):
        stop = {"max_new_tokens": 20, "stop_strings": strings}
        cases.append((TWO, stop))
        cases.append((FIRST, {**stop, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3}))
    # Strings that begin in the prompt, or lie in it.
    cases.append((FIRST, {"max_new_tokens": 6, "stop_strings": "bde"}))
    cases.append(([[1]], {"max_new_tokens": 6, "stop_strings": "ab"}))
    return vectors(*cases)


def logprob_vectors():
    return vectors(
        (TWO, {"max_new_tokens": 5, "repetition_penalty": 1.3, "suppress_tokens": [8, 21]}),
        (FIRST, {"max_new_tokens": 5, "num_beams": 3, "no_repeat_ngram_size": 1, "eos_token_id": [3, 14]}),
        with_logprobs=True,
    )


def warped(prompt, options):
    """Ids and their log probabilities after the processors of one step."""
    options = {"do_sample": True, **options}
    config = GenerationConfig(**{**GenerationConfig._get_default_generation_params(), **options})
    eos = options.get("eos_token_id")
    config._eos_token_tensor = None if eos is None else torch.tensor([eos] if isinstance(eos, int) else eos)
    logits = torch.tensor([fake_logits(prompt)])
    if "num_beams" in options:
        logits = torch.log_softmax(logits, -1)
    processors = model._get_logits_processor(config, input_ids_seq_length=len(prompt), device="cpu")
    logprobs = torch.log_softmax(processors(torch.tensor([prompt]), logits), -1)[0]
    expected = " ".join(f"{id}:{float(logprob):.4f}" for id, logprob in enumerate(logprobs) if logprob > -1e30)
    return {"prompt": prompt, "options": options, "expected": expected}


def warper_vectors():
    all = {"top_k": 0}
    cases = [
        {**all, "temperature": 2.5, "suppress_tokens": list(range(12))},
        {"top_k": 3},
        {**all, "top_p": 0.8},
        {**all, "top_p": 0.01},
        {**all, "min_p": 0.1},
        {**all, "typical_p": 0.4},
        {**all, "typical_p": 0.9},
        {"temperature": 1.7, "top_k": 12, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.8},
        {"top_k": 1, "num_beams": 3},
        {**all, "top_p": 0.01, "num_beams": 3, "eos_token_id": [3, 4, 5]},
        {**all, "min_p": 1.0, "num_beams": 3, "eos_token_id": 3},
        {**all, "typical_p": 0.01, "num_beams": 3},
    ]
    rows = [warped(PROMPTS[0], options) for options in cases]
    several = {"temperature": 0.6, "top_k": 6, "top_p": 0.95, "typical_p": 0.95, "repetition_penalty": 1.2}
    return [*rows, warped(PROMPTS[1], several)]


def table(name, doc, rows):
    lines = "".join(f"  {json.dumps(row, ensure_ascii=False)},\n" for row in rows)
    head = f"/** {doc} */\n// biome-ignore format: one line for each case\n"
    return f"{head}export const {name}: readonly Vector[] = [\n{lines}];\n"


HEAD = f"""import type {{ GenerationOptions }} from "../src/generation/options.ts";

// What transformers {transformers.__version__} (PyTorch {torch.__version__.split("+")[0]}) generates with a model whose logits are `fakeLogits`.

export interface Vector {{
  readonly prompt: readonly number[];
  readonly options: GenerationOptions;
  /**
   * New ids of each text, "." for an end-of-text id, and beams' `sequences_scores`; of a distribution its ids with their log
   * probabilities.
   */
  readonly expected: readonly string[] | string;
}}

/** Texts of the ids. */
// biome-ignore format: a table
export const pieces: readonly string[] = {json.dumps(PIECES, ensure_ascii=False)};
"""

tables = [
    table("greedyVectors", "The likeliest ids under each option.", greedy_vectors()),
    table("beamVectors", "Beam search.", beam_vectors()),
    table("renormalizedVectors", "Beam search by the files of a model that have renormalize_logits.", renormalized_vectors()),
    table("stopVectors", "Stop strings, in the texts of `pieces`.", stop_vectors()),
    table("logprobVectors", "The log probabilities of each new id stand at the end.", logprob_vectors()),
    table("warperVectors", "What logits processors leave of the logits after a prompt.", warper_vectors()),
]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.write("\n".join([HEAD, *tables]))
