"""An ONNX graph that grows by operators."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

CONTRIB = "com.microsoft"


class Graph:
    """Nodes and weights of a graph that grows by operators."""

    def __init__(self, tensors):
        self.tensors = tensors
        self.nodes, self.weights, self.inputs, self.outputs = [], {}, [], []

    def op(self, kind, *inputs, outputs=1, domain="", **attributes):
        names = [f"{kind}_{len(self.nodes)}_{index}" for index in range(outputs)]
        name = f"/{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), names, name, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def contrib(self, kind, *inputs, outputs=1, **attributes):
        return self.op(kind, *inputs, outputs=outputs, domain=CONTRIB, **attributes)

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, value, kind, shape):
        self.nodes.append(helper.make_node("Identity", [value], [name], f"/output/{name}"))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def constant(self, array, name=None):
        name = name or f"constant_{len(self.weights)}"
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def weight(self, name, transposed=False):
        key = f"{name}.T" if transposed else name
        if key not in self.weights:
            self.constant(self.tensors[name].T if transposed else self.tensors[name], key)
        return key

    def linear(self, x, name, transposed=True):
        """x @ W.T + b; `transposed=False` for weights that are stored [in, out]."""
        y = self.op("MatMul", x, self.weight(f"{name}.weight", transposed))
        return self.op("Add", self.weight(f"{name}.bias"), y) if f"{name}.bias" in self.tensors else y

    def layer_norm(self, x, name, eps):
        return self.op(
            "LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=eps
        )

    def rms_norm(self, x, name, eps):
        return self.op(
            "SimplifiedLayerNormalization", x, self.weight(f"{name}.weight"), axis=-1, epsilon=eps, stash_type=1
        )

    def size(self, x, axis):
        """An axis of x, as [1]."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def last(self, x):
        return self.op("Slice", x, self.ints(-1), self.ints(2**31), self.ints(1))

    def heads(self, x, count):
        """[B, T, H * E] -> [B, H, T, E]"""
        return self.op("Transpose", self.op("Reshape", x, self.ints(0, 0, count, -1)), perm=[0, 2, 1, 3])

    def save(self, path):
        graph = helper.make_graph(self.nodes, "graph", self.inputs, self.outputs, list(self.weights.values()))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIB, 1)]
        path.parent.mkdir(exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="kiloformer-bench"), path)
