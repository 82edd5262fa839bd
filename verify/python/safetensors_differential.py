"""Compares this project's safetensors parser with the reference, file by file.

    node verify/fuzz/safetensors-corpus.mjs /tmp/corpus 200000 1
    python verify/python/safetensors_differential.py /tmp/corpus

Needs Python with safetensors 0.8.0. The corpus holds generated files, well-formed and damaged, and what our parser said of
each. Where both accept, every name, dtype, shape, byte and metadata entry must be the same. Where they disagree, it must be
one of the disagreements below: we refuse, the reference accepts, and the reason that is given here is checked on the file
by Python's own JSON parser. We accept nothing that the reference refuses.

S6 duplicates       a tensor, a field or a metadata key comes twice (the reference takes the last)
S9 range            an axis above 2^53 - 1, a rank above 16, or a size that overflows 2^53 on the way
limits              more than 16 fields beside those of the format (headers above 25 MB and 200,000 tensors do not occur here)
serde forms         a tensor written as an array ["F32", [], [0, 4]], or a dtype as {"F32": null}: what the reference's
                    library for JSON reads beside the format's own form
"""

import json
import struct
import sys
from collections import Counter

import safetensors
from versions import expect_versions

MAX_SAFE = 2**53 - 1
FIELDS = ("dtype", "shape", "data_offsets")


class Pairs(list):
    """An object as its pairs, in order, with duplicates."""


def header_of(data):
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=Pairs)


def has_duplicates(pairs):
    keys = [key for key, _ in pairs]
    return len(set(keys)) != len(keys)


def tensors_of(header):
    return [value for key, value in header if key != "__metadata__"]


def duplicates(header):
    entries = [value for _, value in header if isinstance(value, Pairs)]
    return has_duplicates(header) or any(has_duplicates(entry) for entry in entries)


def overflows(shape):
    product = 1
    for axis in shape:
        product *= axis
        if axis > MAX_SAFE or product > MAX_SAFE:
            return True
    return len(shape) > 16 or product * 8 > MAX_SAFE


def out_of_range(header):
    shapes = [dict(entry).get("shape", []) for entry in tensors_of(header) if isinstance(entry, Pairs)]
    return any(overflows(shape) for shape in shapes)


def too_many_fields(header):
    entries = [entry for entry in tensors_of(header) if isinstance(entry, Pairs)]
    return any(len([key for key, _ in entry if key not in FIELDS]) > 16 for entry in entries)


def serde_forms(header):
    entries = tensors_of(header)
    if any(not isinstance(entry, Pairs) and isinstance(entry, list) for entry in entries):
        return True
    return any(isinstance(dict(entry).get("dtype"), Pairs) for entry in entries if isinstance(entry, Pairs))


# Our code for the refusal -> the name of the disagreement and the check that the file really has it.
INTENDED = {
    "duplicate-tensor": ("S6 duplicates", duplicates),
    "duplicate-field": ("S6 duplicates", duplicates),
    "duplicate-metadata": ("S6 duplicates", duplicates),
    "integer-too-large": ("S9 range", out_of_range),
    "rank-too-large": ("S9 range", out_of_range),
    "shape-overflow": ("S9 range", out_of_range),
    "too-many-fields": ("limits", too_many_fields),
    "wrong-type": ("serde forms", serde_forms),
}


def reference(data):
    """What the reference reads, in the form of our content, or the text of its error."""
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        return None, str(error)
    return {name: (info["dtype"], list(info["shape"]), bytes(info["data"])) for name, info in tensors}, ""


def ours(data, content):
    return {name: (dtype, shape, data[begin:end]) for name, dtype, shape, begin, end in content["tensors"]}


def metadata_agrees(data, content):
    header = dict(header_of(data))
    return dict(header.get("__metadata__") or []) == dict(content["metadata"])


def compare(record, data):
    """The name of the outcome; one that begins with "!" is a disagreement that nothing explains."""
    theirs, error = reference(data)
    if record["verdict"] == "accepted":
        if theirs is None:
            return f"! only we accept: {error}"
        if theirs != ours(data, record["content"]) or not metadata_agrees(data, record["content"]):
            return "! both accept, but read different things"
        return "both accept"
    if theirs is None:
        return "both refuse"
    header = header_of(data)
    name, holds = INTENDED.get(record["verdict"], ("", None))
    if holds and holds(header):
        return f"intended: {name}"
    # The reference never looks at a tensor that is replaced by a later one of its name; we may find another fault in it first.
    if duplicates(header):
        return "intended: S6 duplicates"
    return f"! only the reference accepts: {record['verdict']}"


def main(path):
    expect_versions("safetensors")
    counts, examples = Counter(), {}
    with open(path, "rb") as corpus:
        while line := corpus.readline():
            record = json.loads(line)
            data = corpus.read(record["size"])
            outcome = compare(record, data)
            counts[outcome] += 1
            examples.setdefault(outcome, data)
    for outcome, count in counts.most_common():
        print(f"{count:9}  {outcome}")
        if outcome.startswith("!"):
            print(f"           {examples[outcome]!r}")
    print(f"safetensors {safetensors.__version__}: {sum(counts.values())} files")
    return any(outcome.startswith("!") for outcome in counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
