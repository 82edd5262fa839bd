// `npm run tiles`: products of one to twelve rows, GFLOP/s, on both builds. Exits with 1 where rows that fill a tile of four and more run
// below a share of the best with f32 weights: then the engine keeps sums of that tile in memory, or widening, which few
// rows pay for, does more than move bits (verify/bench/README.md, "What the tiles taught"). Ratios within one run, no timings.
import { readFileSync } from "node:fs";
import v8 from "node:v8";
import { ensureBuilt } from "./built.mjs";

const LEAST = { f32: 0.7, f16: 0.3, bf16: 0.3 };
const ROWS = [1, 2, 3, 4, 5, 6, 8, 10, 12];
const [N, K] = [512, 256];
const ROUNDS = 80;
const ROWS_A_TURN = 120;

if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
ensureBuilt();

let isSlow = false;
for (const build of ["simd", "relaxed"]) {
  const file = new URL(`../packages/core/dist/kernels-${build}.wasm`, import.meta.url);
  const memory = new WebAssembly.Memory({ initial: 64 });
  const { instance } = await WebAssembly.instantiate(readFileSync(file), { env: { memory } });
  const [x, w, y, scratch] = [1, 2, 3, 3.5].map((mebibytes) => mebibytes * 2 ** 20);
  new Float32Array(memory.buffer).fill(0.5);
  const turn = (rows, dtype) => {
    const product = instance.exports[`gemm_${dtype}`];
    for (let done = 0; done < ROWS_A_TURN; done += rows) product(x, w, 0, y, rows, N, K, 0, 0, scratch, 1);
  };
  const best = Object.fromEntries(Object.keys(LEAST).map((dtype) => [dtype, ROWS.map(() => 0)]));
  // The optimizing compiler takes over within the first rounds; the best one counts, as others may have been disturbed.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [dtype, rates] of Object.entries(best)) {
      for (const [index, rows] of ROWS.entries()) {
        const begin = performance.now();
        turn(rows, dtype);
        const products = Math.ceil(ROWS_A_TURN / rows) * rows * 2 * N * K;
        rates[index] = Math.max(rates[index], (1e-6 * products) / (performance.now() - begin));
      }
    }
  }
  for (const [dtype, rates] of Object.entries(best)) {
    const limit = LEAST[dtype] * Math.max(...best.f32);
    const slow = ROWS.filter((rows, index) => rows > 3 && rates[index] < limit);
    const list = ROWS.map((rows, index) => `${rows}: ${rates[index].toFixed(1)}`).join("  ");
    console.log(`${build.padEnd(8)} ${dtype.padEnd(5)} rows: GFLOP/s  ${list}`);
    if (slow.length > 0)
      console.log(`${build}, ${dtype}: expected at least ${limit.toFixed(1)} GFLOP/s of ${slow.join(", ")} rows`);
    if (slow.length > 0) isSlow = true;
  }
}
if (isSlow) process.exitCode = 1;
