// Whole models of published shapes with random weights: bert-base and GPT-2 124M. `node verify/bench/families.mjs`, or as part
// of `npm run bench:parts`. Times stand beside what the matrix products of the same forward take alone, in the same run.
import { pathToFileURL } from "node:url";
import v8 from "node:v8";
import { engine, median } from "./report.mjs";

if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
const { architectures, linear, openBareModel, Runtime, writeSafetensors } = await import("kiloformer");

const ROUNDS = 7;

/** Shapes by name, `"name.N"` for each of `layers` layers. */
const bert = {
  config: {
    ...{
      model_type: "bert",
      hidden_size: 768,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      intermediate_size: 3072,
    },
    ...{ vocab_size: 30522, max_position_embeddings: 512, type_vocab_size: 2, hidden_act: "gelu" },
  },
  layers: 12,
  tensors: {
    "embeddings.word_embeddings.weight": [30522, 768],
    "embeddings.position_embeddings.weight": [512, 768],
    "embeddings.token_type_embeddings.weight": [2, 768],
    ...norm("embeddings.LayerNorm", 768),
    ...dense("pooler.dense", 768, 768),
  },
  layer: (n) => {
    const block = `encoder.layer.${n}`;
    return {
      ...dense(`${block}.attention.self.query`, 768, 768),
      ...dense(`${block}.attention.self.key`, 768, 768),
      ...dense(`${block}.attention.self.value`, 768, 768),
      ...dense(`${block}.attention.output.dense`, 768, 768),
      ...norm(`${block}.attention.output.LayerNorm`, 768),
      ...dense(`${block}.intermediate.dense`, 3072, 768),
      ...dense(`${block}.output.dense`, 768, 3072),
      ...norm(`${block}.output.LayerNorm`, 768),
    };
  },
};

const gpt2 = {
  config: {
    ...{ model_type: "gpt2", n_embd: 768, n_head: 12, n_layer: 12, vocab_size: 50257, n_positions: 1024 },
    activation_function: "gelu_new",
  },
  layers: 12,
  tensors: { "wte.weight": [50257, 768], "wpe.weight": [1024, 768], ...norm("ln_f", 768) },
  layer: (n) => ({
    ...norm(`h.${n}.ln_1`, 768),
    ...dense(`h.${n}.attn.c_attn`, 768, 2304, 2304),
    ...dense(`h.${n}.attn.c_proj`, 768, 768),
    ...norm(`h.${n}.ln_2`, 768),
    ...dense(`h.${n}.mlp.c_fc`, 768, 3072, 3072),
    ...dense(`h.${n}.mlp.c_proj`, 3072, 768, 768),
  }),
};

function dense(name, rows, columns, outputs = rows) {
  return { [`${name}.weight`]: [rows, columns], [`${name}.bias`]: [outputs] };
}

function norm(name, width) {
  return { [`${name}.weight`]: [width], [`${name}.bias`]: [width] };
}

/** A checkpoint with weights like those of a fresh model: small, different, and the same in each run. */
function randomFiles({ config, layers, tensors, layer }) {
  const shapes = { ...tensors };
  for (let n = 0; n < layers; n++) Object.assign(shapes, layer(n));
  let state = 1;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const data = new Float32Array(shape.reduce((product, axis) => product * axis, 1));
    for (let i = 0; i < data.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      data[i] = state * 2 ** -31 * 0.04;
    }
    return [name, { dtype: "F32", shape, data }];
  });
  return { "config.json": JSON.stringify(config), "model.safetensors": writeSafetensors(entries) };
}

/** Median milliseconds of a call; the first round warms up. */
async function time(call) {
  const times = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = performance.now();
    await call();
    if (round > 0) times.push(performance.now() - begin);
  }
  return median(times);
}

/** What the matrix products of `rows` rows take by themselves, in milliseconds, with weights of the same shapes. */
function products(shapes, rows) {
  return time(async () => {
    for (const { x, weight } of shapes) {
      const mark = x.backend.memory.mark();
      linear(x.backend.rows(x, 0, rows), weight);
      x.backend.release(mark);
    }
  });
}

async function productShapes(build, list, rows) {
  const runtime = await Runtime.create({ build });
  // Each has its own place, as in the model: one row is bound by what memory delivers.
  const total = list.reduce((sum, [N, K]) => sum + Math.ceil(N / 8) * 8 * K, 0);
  const block = runtime.memory.reserve(total * 4, "weights");
  const x = runtime.allocate([rows, Math.max(...list.map(([, K]) => K))]);
  runtime.memory.floats.fill(0.01, block.address / 4, block.address / 4 + total);
  runtime.memory.floats.fill(0.5, x.place / 4, x.place / 4 + rows * x.shape[1]);
  let place = block.address;
  return list.map(([N, K]) => {
    const weight = { shape: [N, K], dtype: "f32", bias: undefined, parts: [], place };
    place += Math.ceil(N / 8) * 8 * K * 4;
    return { x: { ...x, shape: [rows, K], backend: runtime }, weight };
  });
}

const ids = (length, vocabSize) => Array.from({ length }, (_, index) => (index * 7919 + 13) % vocabSize);

async function open(model, build) {
  const files = randomFiles(model);
  const begin = performance.now();
  const bare = await openBareModel(files, architectures, { runtime: await Runtime.create({ build }) });
  const megabytes = files["model.safetensors"].length / 1e6;
  return { bare, note: `${megabytes.toFixed(0)} MB opened in ${(performance.now() - begin).toFixed(0)} ms` };
}

function report(build, what, milliseconds, alone, work) {
  const rate = (2 * work) / milliseconds / 1e6;
  const share = `its matrix products alone take ${alone.toFixed(1)} ms, ${((100 * alone) / milliseconds).toFixed(0)} %`;
  console.log(`  ${build}: ${what}: ${milliseconds.toFixed(1)} ms, ${rate.toFixed(1)} GFLOP/s; ${share}`);
}

async function measureBert(build) {
  const { bare, note } = await open(bert, build);
  const layer = [
    [2304, 768],
    [768, 768],
    [3072, 768],
    [768, 3072],
  ];
  const shapes = await productShapes(build, Array(12).fill(layer).flat(), 512);
  for (const [texts, length] of [
    [1, 16],
    [1, 128],
    [1, 512],
    [8, 128],
  ]) {
    const rows = Array.from({ length: texts }, () => ({ ids: ids(length, 30522) }));
    const milliseconds = await time(() => bare.encoder.states(rows));
    let alone = 0;
    for (let text = 0; text < texts; text++) alone += text === 0 ? await products(shapes, length) : 0;
    report(build, `bert-base, ${texts} x ${length} tokens`, milliseconds, alone * texts, texts * length * 85e6);
  }
  console.log(`  ${build}: bert-base: ${note}`);
  await bare.dispose();
}

async function measureGpt2(build) {
  const { bare, note } = await open(gpt2, build);
  const { decoder } = bare;
  const prompt = ids(256, 50257);
  const prefill = await time(async () => {
    const cache = decoder.newCache();
    await decoder.step([{ cache, ids: prompt }]);
    cache.dispose();
  });
  const cache = decoder.newCache();
  await decoder.step([{ cache, ids: prompt }]);
  const begin = performance.now();
  for (let step = 0; step < 64; step++) await decoder.step([{ cache, ids: [step] }]);
  const decode = (performance.now() - begin) / 64;
  cache.dispose();
  const layer = [
    [2304, 768],
    [768, 768],
    [3072, 768],
    [768, 3072],
  ];
  const layers = Array(12).fill(layer).flat();
  const many = await productShapes(build, layers, 256);
  const one = await productShapes(build, [...layers, [50257, 768]], 1);
  report(build, "gpt2-124M, prefill 256 tokens", prefill, await products(many, 256), 256 * 85e6);
  report(build, "gpt2-124M, one token at position 256 to 320", decode, await products(one, 1), 124e6);
  console.log(`  ${build}: gpt2-124M: ${(1000 / decode).toFixed(1)} tokens/s decoding; ${note}`);
  await bare.dispose();
}

export async function run() {
  console.log(`\nwhole models with random weights, one thread, ${engine()}`);
  for (const build of ["relaxed", "simd"]) {
    await measureBert(build);
    await measureGpt2(build);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await run();
