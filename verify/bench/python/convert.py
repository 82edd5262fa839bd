"""The files that peers open, from model.safetensors and config.json of the same folder: ONNX graphs in float32 and in dynamic
8 bits, and GGUF in Q8_0 and Q4_0.

    python -m venv .venv && .venv/bin/pip install -r verify/bench/python/requirements.txt
    .venv/bin/python verify/bench/python/convert.py FOLDER...       # `npm run bench` does both

Dynamic 8 bits are `quantize_dynamic` with its defaults, as published `model_quantized.onnx` are.
"""

import json
import logging
import sys
from pathlib import Path

from gguf_models import write_gguf
from onnx import TensorProto
from onnx_models import bert, gpt2, llama, t5
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file


def convert(folder):
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    graphs = {"bert": bert, "gpt2": gpt2, "llama": llama, "t5": t5}[config["model_type"]](config, tensors)
    for name, graph in graphs.items():
        plain = folder / "onnx" / f"{name}.onnx"
        graph.save(plain)
        quantize(plain, folder / "onnx" / f"{name}_quantized.onnx")
    if config["model_type"] in ("llama", "gpt2"):
        for kind in ("Q8_0", "Q4_0"):
            write_gguf(config, tensors, folder / f"{kind.lower()}.gguf", kind)


def quantize(source, target):
    quantize_dynamic(
        source,
        target,
        weight_type=QuantType.QInt8,
        extra_options={"DisableShapeInference": True, "DefaultTensorType": TensorProto.FLOAT},
    )


# Shapes that the quantizer cannot tell are shapes it does not need.
logging.disable(logging.WARNING)
for folder in map(Path, sys.argv[1:]):
    convert(folder)
    (folder / "converted").touch()
