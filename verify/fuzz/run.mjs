// Generated files against the parsers: npm run fuzz [-- count [seed [name]]], or FUZZ_COUNT and FUZZ_SEED.
// Default 1,000,000 for safetensors and 20,000 for tokenizers, which take as long.
// Prints how many inputs were accepted and how many ended with each error code; anything untyped or slow fails.
import { importTypeScript } from "./bundle.mjs";

const defaults = {
  safetensors: { count: 1_000_000, limitMs: 50 },
  // An input is opened, encodes and decodes several texts, and streams up to 240 tokens.
  tokenizers: { count: 20_000, limitMs: 100 },
};
const given = process.argv[2] ?? process.env.FUZZ_COUNT;
const seed = Number(process.argv[3] ?? process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const names = process.argv[4] ? [process.argv[4]] : Object.keys(defaults);
const isCount = given === undefined || (Number.isSafeInteger(Number(given)) && Number(given) > 0);
if (!isCount || !Number.isSafeInteger(seed) || names.some((name) => !Object.hasOwn(defaults, name))) {
  console.error(`fuzz: expected a count, a seed and a name, got ${process.argv.slice(2).join(" ")}`);
  process.exit(2);
}

// Most inputs end in an error, and nobody reads where it was thrown.
Error.stackTraceLimit = 0;
for (const name of names) {
  const { limitMs } = defaults[name];
  const count = Number(given ?? defaults[name].count);
  const { run } = await importTypeScript(name);
  console.log(`${name}: ${count} inputs, seed ${seed}`);
  const begin = performance.now();
  const { counts, slowestMs } = run(count, seed, limitMs);
  const seconds = (performance.now() - begin) / 1000;
  for (const [code, times] of [...counts].sort((a, b) => b[1] - a[1])) {
    console.log(`${String(times).padStart(9)}  ${code}`);
  }
  const rate = Math.round(count / seconds);
  console.log(
    `${name}: no untyped error, slowest ${slowestMs.toFixed(1)} ms, ${seconds.toFixed(0)} s, ${rate} inputs/s`,
  );
}
