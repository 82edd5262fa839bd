// The bytes of an ONNX model with one MatMul: just enough protobuf for that.

function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

const integer = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field, content) => Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
const text = (field, content) => bytes(field, Buffer.from(content));
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

/** A named float tensor of a given shape, as an input or output of the graph. */
function value(field, name, shape) {
  const dimensions = shape.map((size) => message(1, integer(1, size)));
  return message(field, text(1, name), message(2, message(1, integer(1, 1), message(2, ...dimensions))));
}

/** `y[M, N] = x[M, K] · w[K, N]`, with w inside the model, so that the engine may pack it. */
export function matmulModel(w, M, N, K) {
  const raw = Buffer.from(w.buffer, w.byteOffset, w.byteLength);
  const graph = message(
    7,
    message(1, text(1, "x"), text(1, "w"), text(2, "y"), text(4, "MatMul")),
    text(2, "product"),
    message(5, integer(1, K), integer(1, N), integer(2, 1), text(8, "w"), bytes(9, raw)),
    value(11, "x", [M, K]),
    value(12, "y", [M, N]),
  );
  return Buffer.concat([integer(1, 8), graph, message(8, text(1, ""), integer(2, 17))]);
}
