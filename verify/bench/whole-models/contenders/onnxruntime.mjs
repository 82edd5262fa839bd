// ONNX Runtime: as WASM in Node and pages, and the native one of Node.

export async function open({ native, threads, precision, config }, host) {
  const ort = native ? (await import("onnxruntime-node")).default : await import("onnxruntime-web");
  if (!native) {
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    if (host.wasmPaths) ort.env.wasm.wasmPaths = host.wasmPaths.onnxruntime;
  }
  const options = {
    executionProviders: [native ? "cpu" : "wasm"],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    ...(native ? { intraOpNumThreads: threads } : {}),
  };
  const suffix = precision === "int8" ? "_quantized" : "";
  const session = (name) => ort.InferenceSession.create(host.place(`onnx/${name}${suffix}.onnx`), options);
  const tools = { ort, config, session };
  return { bert: reading, gpt2: writing, llama: writing, t5: answering }[config.model_type](tools);
}

function integers({ Tensor }, rows) {
  return new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
}

const zeros = (rows) => rows.map((row) => row.map(() => 0));

async function reading({ ort, session }) {
  const model = await session("model");
  return {
    async encode(rows) {
      const feeds = { input_ids: integers(ort, rows), token_type_ids: integers(ort, zeros(rows)) };
      return (await model.run(feeds)).last_hidden_state.data;
    },
  };
}

async function writing({ ort, session, config }) {
  const model = await session("model");
  const layers = config.num_hidden_layers ?? config.n_layer;
  const heads = config.num_key_value_heads ?? config.n_head;
  const width = (config.hidden_size ?? config.n_embd) / (config.num_attention_heads ?? config.n_head);
  const names = Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
  const feed = async (state, ids) => {
    state.length += ids.length;
    const mask = integers(ort, [Array(state.length).fill(1)]);
    const results = await model.run({ input_ids: integers(ort, [ids]), attention_mask: mask, ...state.past });
    for (const name of names) state.past[`past_key_values.${name}`] = results[`present.${name}`];
    return results.logits.data;
  };
  return {
    async start(prompt) {
      const empty = () => new ort.Tensor("float32", new Float32Array(0), [1, heads, 0, width]);
      const state = { length: 0, past: Object.fromEntries(names.map((name) => [`past_key_values.${name}`, empty()])) };
      state.logits = await feed(state, prompt);
      return state;
    },
    next: (state, id) => feed(state, [id]),
    end() {},
  };
}

async function answering({ ort, session, config }) {
  const [encoder, decoder] = [await session("encoder_model"), await session("decoder_with_past_model")];
  const { num_heads: heads, d_kv: width } = config;
  const names = (side) =>
    Array.from({ length: config.num_layers }, (_, n) => [`${n}.${side}.key`, `${n}.${side}.value`]).flat();
  return {
    encode: async (rows) => (await encoder.run({ input_ids: integers(ort, rows) })).last_hidden_state.data,
    async start(ids) {
      const made = await encoder.run({ input_ids: integers(ort, [ids]) });
      const past = {};
      for (const name of names("encoder")) past[`past_key_values.${name}`] = made[`present.${name}`];
      for (const name of names("decoder"))
        past[`past_key_values.${name}`] = new ort.Tensor("float32", new Float32Array(0), [1, heads, 0, width]);
      return { past };
    },
    async next({ past }, id) {
      const results = await decoder.run({ input_ids: integers(ort, [[id]]), ...past });
      for (const name of names("decoder")) past[`past_key_values.${name}`] = results[`present.${name}`];
      return results.logits.data;
    },
    end() {},
  };
}
