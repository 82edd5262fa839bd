// Matrix products: both kernel builds, ONNX Runtime and TensorFlow.js in one process, one thread, taking turns.
// `node verify/bench/gemm.mjs` prints tables for the Node it runs on; `npm run bench:parts` runs it on Node 20 and 24.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import v8 from "node:v8";
import { matmulModel } from "./onnx.mjs";
import { engine, median } from "./report.mjs";

// On by default from V8 12 on; Node 20 has it behind a flag.
if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
const require = createRequire(import.meta.url);
const kernelFile = (build) => new URL(`../../packages/core/dist/kernels-${build}.wasm`, import.meta.url);
const limitsSource = fileURLToPath(new URL("../../../shared/prototypes/limits.ts", import.meta.url));

const ROUNDS = 40;
/** Millions of multiplications and additions that one turn does, at least once over. */
const TURN = 100;
/** Bytes of weights that no cache holds. */
const FAR_BYTES = 96e6;
/** GFLOP/s of the peers on large products, as they were first measured. A run that is further than 20 % from them says nothing. */
const EXPECTED = { onnxruntime: [33, 36], tensorflow: [30, 32] };
/** [M, K, N] */
const SHAPES = [
  [128, 384, 1536],
  [128, 768, 3072],
  [512, 512, 512],
  [1, 768, 3072],
  [1, 4096, 4096],
];
const FULL_SHAPE = [120, 384, 1536];
const ODD_SHAPES = [
  ...[2, 3, 4, 5, 6, 7, 8, 16, 33, 127].map((M) => [M, 384, 1536]),
  [120, 384, 1531],
  [120, 381, 1536],
  [33, 381, 1531],
  [7, 381, 1531],
];

function random(length, seed = 1) {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The upper halves of f32, as bf16; or f16 of the same sizes. */
function halves(floats, type) {
  const words = new Uint32Array(floats.buffer);
  if (type === "bf16") return Uint16Array.from(words, (word) => word >>> 16);
  return Uint16Array.from(floats, (_, i) => ((i * 40503) & 0x8bff) | 0x3000);
}

/** One of our builds, with operands in its own memory. */
async function ours(build, type, x, w, [M, K, N]) {
  const panels = Math.ceil(N / 8) * 8 * K;
  const floats = M * K + panels + N * K + M * N + 2048;
  const memory = new WebAssembly.Memory({ initial: 2 + Math.ceil((floats * 4) / 65536) });
  const { instance } = await WebAssembly.instantiate(readFileSync(kernelFile(build)), { env: { memory } });
  const kernels = instance.exports;
  const [xAt, wAt] = [65536, 65536 + M * K * 4];
  const [sourceAt, yAt] = [wAt + panels * 4, wAt + (panels + N * K) * 4];
  const all = new Float32Array(memory.buffer);
  all.set(x, xAt / 4);
  if (type === "f32") {
    all.set(w, sourceAt / 4);
    kernels.pack_f32(sourceAt, wAt, N, K, K, 1, 0, 0, N, K);
  } else {
    new Uint16Array(memory.buffer).set(halves(w, type), sourceAt / 2);
    kernels.pack_u16(sourceAt, wAt, N, K, K, 1, 0, 0, N, K);
  }
  const scratch = yAt + M * N * 4;
  const gemm = kernels[`gemm_${type}`];
  return {
    run: () => gemm(xAt, wAt, 0, yAt, M, N, K, 0, 0, scratch, 1),
    result: () => all.subarray(yAt / 4, yAt / 4 + M * N),
  };
}

async function onnxruntime(x, transposed, [M, K, N]) {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(matmulModel(transposed, M, N, K), { executionProviders: ["wasm"] });
  const feeds = { x: new ort.Tensor("float32", x, [M, K]) };
  let result;
  const run = async () => {
    result = await session.run(feeds);
  };
  return { run, result: () => result.y.data, release: () => session.release() };
}

let tensorflowReady;
async function tensorflow(x, transposed, [M, K, N]) {
  const tf = require("@tensorflow/tfjs-core");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  tensorflowReady ??= (async () => {
    wasm.setThreadsCount(1);
    await tf.setBackend("wasm");
    await tf.ready();
  })();
  await tensorflowReady;
  const a = tf.tensor2d(x, [M, K]);
  const b = tf.tensor2d(transposed, [K, N]);
  let y;
  const run = () => {
    y?.dispose();
    y = tf.matMul(a, b);
  };
  return { run, result: () => y.dataSync(), release: () => tf.dispose([a, b, y]) };
}

/** The loops that show what the engine can do at most, when ../shared is beside the repository. */
async function limits() {
  if (!existsSync(limitsSource)) return undefined;
  const asc = (await import("assemblyscript/asc")).default;
  const { binary, error } = await asc.compileString(readFileSync(limitsSource, "utf8"), {
    optimizeLevel: 3,
    enable: ["simd", "relaxed-simd"],
    runtime: "stub",
    initialMemory: 2,
  });
  if (error) throw error;
  const { instance } = await WebAssembly.instantiate(binary, { env: { abort() {} } });
  const rate = (name) => {
    const [begin, count] = [performance.now(), 400_000];
    instance.exports[name](count);
    return (count * 12 * 8) / (performance.now() - begin) / 1e6;
  };
  return { relaxedLimit: () => rate("fusedMultiplyAdd"), simdLimit: () => rate("multiplyThenAdd") };
}

/** Half a second, in which the engine's optimizing compiler takes over. */
async function warmUp(run) {
  for (const end = performance.now() + 500; performance.now() < end; ) await run();
}

/**
 * GFLOP/s of each contender in each undisturbed round. They take turns; the first product of a turn fetches the operands and
 * does not count. `gauge`, if there is one, runs before and after each round: the half in which it was slower is left out.
 */
async function takeTurns(contenders, gauge) {
  for (const { run, rate } of Object.values(contenders)) await warmUp(run ?? rate);
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    const before = gauge?.() ?? 0;
    const rates = {};
    for (const [name, { run, work, rate }] of Object.entries(contenders)) {
      if (rate) {
        rates[name] = rate();
        continue;
      }
      const repeats = Math.ceil(TURN / work);
      await run();
      const begin = performance.now();
      for (let i = 0; i < repeats; i++) await run();
      rates[name] = (work * repeats) / (performance.now() - begin);
    }
    rounds.push({ speed: Math.min(before, gauge?.() ?? 0), rates });
  }
  if (gauge) rounds.sort((a, b) => b.speed - a.speed).splice(ROUNDS / 2);
  return Object.fromEntries(Object.keys(contenders).map((name) => [name, rounds.map(({ rates }) => rates[name])]));
}

/** That all contenders compute the same product; the half weights are others. */
async function expectSameProducts(contenders, K) {
  let expected;
  for (const [name, { run, result }] of Object.entries(contenders)) {
    await run();
    if (!result || /f16/.test(name)) continue;
    expected ??= result().slice();
    const worst = result().reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
    if (!(worst < 1e-3 * Math.sqrt(K)))
      throw new Error(`${name}: expected the same product as the others, got ${worst} off`);
  }
}

/** The middle of the ratios of one round each: what disturbs a round disturbs both. */
const ratio = (a, b) => median(a.map((rate, round) => rate / b[round]));
const percent = (part) => `${Math.round(100 * part)} %`;
const row = (cells) => console.log(`| ${cells.join(" | ")} |`);

function header(cells) {
  row(cells);
  row(cells.map(() => "---"));
}

async function compareWithPeers(engineLimits) {
  header([
    "[M, K, N]",
    "relaxed",
    "simd",
    "onnxruntime-web",
    "tfjs",
    "relaxed : ort",
    "simd : ort",
    "relaxed, of the limit",
    "simd, of the limit",
    "bf16, f16 : relaxed",
  ]);
  const summary = [];
  for (const shape of SHAPES) {
    const [M, K, N] = shape;
    const [x, w] = [random(M * K), random(N * K, 2)];
    const transposed = Float32Array.from({ length: K * N }, (_, i) => w[(i % N) * K + Math.floor(i / N)]);
    const contenders = {
      relaxed: await ours("relaxed", "f32", x, w, shape),
      simd: await ours("simd", "f32", x, w, shape),
      ort: await onnxruntime(x, transposed, shape),
      tfjs: await tensorflow(x, transposed, shape),
    };
    if (M === 1) for (const type of ["bf16", "f16"]) contenders[type] = await ours("relaxed", type, x, w, shape);
    await expectSameProducts(contenders, K);
    for (const contender of Object.values(contenders)) contender.work = (2 * M * N * K) / 1e6;
    for (const [name, rate] of Object.entries(engineLimits ?? {})) contenders[name] = { rate };
    const rounds = await takeTurns(contenders, engineLimits?.relaxedLimit);
    const rates = Object.fromEntries(Object.entries(rounds).map(([name, list]) => [name, median(list)]));
    for (const { release } of Object.values(contenders)) release?.();
    const off = ([low, high], rate) => rate < 0.8 * low || rate > 1.2 * high;
    const isVoid = M > 1 && (off(EXPECTED.onnxruntime, rates.ort) || off(EXPECTED.tensorflow, rates.tfjs));
    // The loop that multiplies, then adds, reads low: a tile can pass it.
    const simdLimit = Math.max(rates.simdLimit ?? 0, rates.simd);
    row([
      `[${shape}]${isVoid ? " void" : ""}`,
      ...[rates.relaxed, rates.simd, rates.ort, rates.tfjs].map((rate) => rate.toFixed(1)),
      ratio(rounds.relaxed, rounds.ort).toFixed(2),
      ratio(rounds.simd, rounds.ort).toFixed(2),
      engineLimits ? `${percent(ratio(rounds.relaxed, rounds.relaxedLimit))} of ${rates.relaxedLimit.toFixed(1)}` : "",
      engineLimits ? `${percent(rates.simd / simdLimit)} of ${simdLimit.toFixed(1)}` : "",
      rounds.bf16 ? ["bf16", "f16"].map((type) => ratio(rounds[type], rounds.relaxed).toFixed(2)).join(", ") : "",
    ]);
    summary.push({ shape, isVoid, ...rates });
  }
  return summary;
}

/** Rates of shapes that no tile divides, as shares of the rate of one that all tiles divide. */
async function compareOddShapes(engineLimits) {
  const [x, w] = [random(128 * 384), random(384 * 1536, 2)];
  for (const build of ["relaxed", "simd"]) {
    const contenders = {};
    for (const shape of [FULL_SHAPE, ...ODD_SHAPES]) {
      const [M, K, N] = shape;
      const { run } = await ours(build, "f32", x.subarray(0, M * K), w.subarray(0, N * K), shape);
      contenders[`[${shape}]`] = { run, work: (2 * M * N * K) / 1e6 };
    }
    const { [`[${FULL_SHAPE}]`]: full, ...odd } = await takeTurns(contenders, engineLimits?.relaxedLimit);
    const shares = Object.entries(odd).map(([shape, rates]) => `${shape} ${percent(ratio(rates, full))}`);
    console.log(`${build}, of the rate of [${FULL_SHAPE}] (${median(full).toFixed(1)}): ${shares.join(", ")}`);
  }
}

/** Products of few rows whose weights come from memory: so many of them take turns that none is in a cache when it is its turn. */
async function compareFromMemory() {
  const [K, N] = [512, 2048];
  const copies = Math.ceil(FAR_BYTES / (4 * K * N));
  const [w, transposed] = [random(N * K, 2), random(N * K, 2)];
  const inTurns = async (make) => {
    const all = [];
    for (let i = 0; i < copies; i++) all.push(await make());
    let turn = 0;
    const release = async () => {
      for (const one of all) await one.release?.();
    };
    return { run: () => all[turn++ % copies].run(), release };
  };
  header(["M", "relaxed", "simd", "onnxruntime-web", "relaxed : ort", "relaxed from a cache"]);
  for (const M of [1, 2, 3, 4, 5, 8, 16, 32, 64]) {
    const shape = [M, K, N];
    const x = random(M * K);
    const contenders = {
      relaxed: await inTurns(() => ours("relaxed", "f32", x, w, shape)),
      simd: await inTurns(() => ours("simd", "f32", x, w, shape)),
      ort: await inTurns(() => onnxruntime(x, transposed, shape)),
      near: await ours("relaxed", "f32", x, w, shape),
    };
    for (const contender of Object.values(contenders)) contender.work = (2 * M * N * K) / 1e6;
    const rounds = await takeTurns(contenders);
    for (const { release } of Object.values(contenders)) await release?.();
    const rate = (name) => median(rounds[name]).toFixed(1);
    row([M, rate("relaxed"), rate("simd"), rate("ort"), ratio(rounds.relaxed, rounds.ort).toFixed(2), rate("near")]);
  }
}

/** Measures and prints; returns the rates in GFLOP/s. */
export async function run() {
  console.log(`\n## Matrix products, GFLOP/s: ${engine()}, one thread, relaxed SIMD on, medians\n`);
  const engineLimits = await limits();
  const summary = await compareWithPeers(engineLimits);
  console.log("");
  await compareOddShapes(engineLimits);
  console.log(`\n### [M, 512, 2048] with weights from memory, GFLOP/s\n`);
  await compareFromMemory();
  return summary;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await run();
