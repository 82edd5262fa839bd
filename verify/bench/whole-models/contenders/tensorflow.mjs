// @tensorflow/tfjs-backend-wasm: it has operators and no models, so BERT is written with them here.

export async function open({ config }, host) {
  const { tf, wasm } = await host.tensorflow();
  if (host.wasmPaths) wasm.setWasmPaths(host.wasmPaths.tensorflow);
  wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  await tf.ready();
  const weights = await readWeights(tf, await host.bytes("model.safetensors"));
  for (const [name, weight] of Object.entries(weights)) {
    if (weight.rank !== 2 || name.startsWith("embeddings")) continue;
    // [out, in] -> [in, out]: products with a transposed matrix take a path that is twenty times as slow.
    weights[name] = tf.transpose(weight);
    weight.dispose();
  }
  return { encode: (rows) => encode(tf, config, weights, rows) };
}

/** Tensors by name. */
async function readWeights(tf, bytes) {
  const { buffer, byteOffset } = bytes;
  const size = Number(new DataView(buffer, byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const begin = byteOffset + 8 + size;
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  const read = ([
    name,
    {
      shape,
      data_offsets: [first, last],
    },
  ]) => {
    return [name, tf.tensor(new Float32Array(buffer.slice(begin + first, begin + last)), shape)];
  };
  return Object.fromEntries(entries.map(read));
}

async function encode(tf, config, weights, rows) {
  const { hidden_size: D, num_attention_heads: H, num_hidden_layers: layers, layer_norm_eps: eps } = config;
  const [B, T] = [rows.length, rows[0].length];
  const dense = (x, name) => tf.add(tf.matMul(x, weights[`${name}.weight`]), weights[`${name}.bias`]);
  const norm = (x, name) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scaled = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, eps)));
    return tf.add(tf.mul(scaled, weights[`${name}.weight`]), weights[`${name}.bias`]);
  };
  const heads = (x) => tf.transpose(tf.reshape(x, [B, T, H, D / H]), [0, 2, 1, 3]);
  const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  const attention = (x, block) => {
    const [q, k, v] = ["query", "key", "value"].map((name) => heads(dense(x, `${block}.self.${name}`)));
    const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), (D / H) ** -0.5));
    const merged = tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [B * T, D]);
    return norm(tf.add(dense(merged, `${block}.output.dense`), x), `${block}.output.LayerNorm`);
  };
  const result = tf.tidy(() => {
    const table = (name) => weights[`embeddings.${name}_embeddings.weight`];
    const words = tf.reshape(tf.gather(table("word"), tf.tensor1d(rows.flat(), "int32")), [B, T, D]);
    const others = tf.add(tf.slice(table("position"), [0, 0], [T, D]), tf.slice(table("token_type"), [0, 0], [1, D]));
    let x = norm(tf.reshape(tf.add(words, others), [B * T, D]), "embeddings.LayerNorm");
    for (let layer = 0; layer < layers; layer++) {
      const block = `encoder.layer.${layer}`;
      x = attention(x, `${block}.attention`);
      const inner = gelu(dense(x, `${block}.intermediate.dense`));
      x = norm(tf.add(dense(inner, `${block}.output.dense`), x), `${block}.output.LayerNorm`);
    }
    return x;
  });
  const values = await result.data();
  result.dispose();
  return values;
}
