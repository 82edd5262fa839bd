// Who takes part: the file in contenders/ that opens each, what it is told, and what it needs.

const contender = (family, module, precision, threads, options = {}) => ({
  ...{ id: `${family} ${precision}${threads === 1 ? "" : `, ${threads} threads`}`, family, module, precision, threads },
  options: { threads, ...options },
});

/** The relaxed build is the one that is loaded by default; "baseline" is the one for engines without relaxed SIMD. */
const ours = (precision, threads = 1, build = "relaxed") => {
  const family = build === "relaxed" ? "kiloformer" : "kiloformer baseline";
  return { ...contender(family, "kiloformer", precision, threads, { build }), isOurs: true };
};
const web = (precision, threads) => contender("ort-web", "onnxruntime", precision, threads);
const native = (precision, threads) => contender("ort-native", "onnxruntime", precision, threads, { native: true });

export const contenders = [
  ...["f32", "bf16", "f16", "q8", "q4"].map((precision) => ours(precision)),
  ...["f32", "q8"].map((precision) => ours(precision, 1, "simd")),
  ...["f32", "q8", "q4"].map((precision) => ours(precision, 2)),
  ...[web("f32", 1), web("int8", 1), web("f32", 2), web("int8", 2)],
  ...["f32", "int8"].map((precision) => contender("transformers.js", "transformers-js", precision, 1)),
  contender("tfjs", "tensorflow", "f32", 1),
  ...["q8_0", "q4_0"].map((kind) => contender("wllama", "wllama", kind, 1)),
  contender("wllama", "wllama", "q8_0", 2),
  ...[native("f32", 1), native("int8", 1)],
];

/** Who every ratio is with: same engine, one thread, float32. */
export const anchor = "ort-web f32";
/** Whose results are the right ones: those of PyTorch, as the project's own tests show. */
export const reference = "kiloformer f32";

/** Bits of a weight in a file of `weightBytes`, with its scales. */
export const weightBits = ({ contender: { precision }, weightBytes }, { parameters }) =>
  precision.startsWith("q") ? (8 * weightBytes) / parameters : { f32: 32, bf16: 16, f16: 16, int8: 8 }[precision];
/** The least cosine of a result, less its mean, with the reference: what is below computes another model.
 * (Native 8-bit products saturate where the processor has AVX2 and no VNNI.) */
export const leastCosine = {
  f32: 0.99999,
  bf16: 0.999,
  f16: 0.9999,
  q8: 0.99,
  int8: 0.7,
  q8_0: 0.99,
  q4: 0.9,
  q4_0: 0.9,
};

/** Why a contender cannot take part, in a few words; undefined where it can. */
export function absence({ module, options }, { config }, engine) {
  const inPage = engine === "chromium";
  const type = config.model_type;
  if (options.native && inPage) return "only in Node";
  if (options.threads > 1 && engine === "node20") return "two threads are measured elsewhere";
  if (module === "wllama") {
    if (!inPage) return "only in pages";
    if (type === "bert") return "its API gives one vector of a text";
    if (type === "t5") return "its server answers with decoders only";
  }
  if (module === "transformers-js") {
    if (!inPage) return "in Node it runs onnxruntime-node";
    if (type === "t5") return "wants both decoder graphs merged into one";
  }
  if (module === "tensorflow" && type !== "bert") return "has operators only: BERT is written for it, no decoder is";
  return undefined;
}

/** Whether there is such a contender for a model: 16-bit checkpoints are made for decoders only. */
export const isMeant = ({ precision }, { dtypes }) =>
  !/^b?f16$/.test(precision) || dtypes.includes(precision.toUpperCase());

/** The folder with a contender's weights, below the one of all models. */
export const weightsFolder = ({ module, precision }, { folder }) =>
  module === "kiloformer" && precision !== "f32" ? `${folder}/${precision}` : folder;

/** The weights that a contender opens, in its folder. */
export function weightFiles({ module, precision }, { config }) {
  if (module === "wllama") return [`${precision}.gguf`];
  if (module === "kiloformer" || module === "tensorflow") return ["model.safetensors"];
  const suffix = precision === "int8" ? "_quantized" : "";
  const names = config.model_type === "t5" ? ["encoder_model", "decoder_with_past_model"] : ["model"];
  return names.map((name) => `onnx/${name}${suffix}.onnx`);
}

/** What a page has to load beside the weights: files of peers, or bundles that are made here. */
export const shipped = {
  kiloformer: ["build/kiloformer.js", "build/kernels-relaxed.wasm"],
  "kiloformer baseline": ["build/kiloformer.js", "build/kernels-simd.wasm"],
  "ort-web": ["onnxruntime-web/dist/ort.wasm.bundle.min.mjs", "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"],
  "transformers.js": [
    "@huggingface/transformers/dist/transformers.min.js",
    "@huggingface/transformers/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm",
  ],
  tfjs: ["build/tensorflow.js", "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm"],
  wllama: ["@wllama/wllama/esm/index.min.js", "@wllama/wllama/esm/wasm/wllama.wasm"],
};
