// transformers.js in a page, where it runs onnxruntime-web: its own loading, its own handling of inputs and caches.

export async function open({ threads, precision, config, folder }, host) {
  const { AutoModel, AutoModelForCausalLM, env, Tensor } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = host.modelsPath;
  env.useBrowserCache = false;
  env.backends.onnx.wasm.numThreads = threads;
  env.backends.onnx.wasm.wasmPaths = host.wasmPaths.transformers;
  const integers = (rows, value) =>
    new Tensor(
      "int64",
      BigInt64Array.from(rows.flat(), (id) => BigInt(value ?? id)),
      [rows.length, rows[0].length],
    );
  const options = { device: "wasm", dtype: precision === "int8" ? "q8" : "fp32", local_files_only: true };
  if (config.model_type === "bert") {
    const model = await AutoModel.from_pretrained(folder, options);
    return {
      async encode(rows) {
        const inputs = {
          input_ids: integers(rows),
          token_type_ids: integers(rows, 0),
          attention_mask: integers(rows, 1),
        };
        return (await model(inputs)).last_hidden_state.data;
      },
    };
  }
  const model = await AutoModelForCausalLM.from_pretrained(folder, options);
  const feed = async (state, ids) => {
    state.length += ids.length;
    const inputs = { input_ids: integers([ids]), attention_mask: integers([Array(state.length).fill(1)]) };
    const results = await model({ ...inputs, past_key_values: state.past });
    state.past = cacheOf(results);
    return results.logits.data;
  };
  return {
    async start(prompt) {
      const state = { length: 0, past: null };
      state.logits = await feed(state, prompt);
      return state;
    },
    next: (state, id) => feed(state, [id]),
    end() {},
  };
}

/** Keys and values of a step, as inputs of the next. */
function cacheOf(results) {
  const present = Object.entries(results).filter(([name]) => name.startsWith("present."));
  return Object.fromEntries(present.map(([name, value]) => [name.replace("present.", "past_key_values."), value]));
}
