// The claims table of verify/README.md, measured: `npm run parity`. Exits with 1 when a value is beyond its tolerance.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import v8 from "node:v8";
import { ensureBuilt, root } from "./built.mjs";

// Node 20 has relaxed SIMD behind a flag that must be set before the first module is compiled; Node 24 just has it.
if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
ensureBuilt();
const { parseSafetensors, Pipeline } = await import("kiloformer");
const shared = join(root, "../shared");
const folders = [join(root, "verify/fixtures"), join(shared, "references")]
  .filter(existsSync)
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((folder) => /^llama/.test(basename(folder)));

/** The worst difference, relative to the largest absolute value. */
function worst(actual, expected) {
  let scale = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]));
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
  }
  return actual.length === expected.length ? difference / scale : Number.NaN;
}

/** Every tensor of a folder's expected.safetensors that the model gives, both rows and both builds: the worst of all. */
async function compare(folder) {
  const file = parseSafetensors(readFileSync(join(folder, "expected.safetensors")));
  const { pytorch_float32_error: errors } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  const ids = Array.from(file.array("input_ids"), Number);
  const T = ids.length / 2;
  let [count, relative, share] = [0, 0, 0];
  for (const deterministic of [true, false]) {
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic, onWarning: () => {} });
    for (let row = 0; row < 2; row++) {
      const rowIds = ids.slice(row * T, (row + 1) * T);
      const states = (await pipeline.hiddenStates(rowIds)).map((state, layer) => [`hidden_states.${layer}`, state]);
      for (const [name, values] of [...states, ["logits", await pipeline.logits(rowIds)]]) {
        const whole = file.array(name);
        const difference = worst(values, whole.subarray((row * whole.length) / 2, ((row + 1) * whole.length) / 2));
        relative = Math.max(relative, difference);
        share = Math.max(share, difference / Math.max(1e-5, 4 * errors[name]));
        count++;
      }
    }
    await pipeline.dispose();
  }
  return { what: `${count} tensors: hidden states and logits`, error: relative.toExponential(1), holds: share <= 1 };
}

async function compareG2p(folder) {
  const { words, logits_after_hello_sos: expected } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  let [different, error] = [0, 0];
  for (const deterministic of [true, false]) {
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic });
    const got = await pipeline.phonemizeBatch(words.map(({ word }) => word));
    different += got.filter((ipa, index) => ipa !== words[index].ipa).length;
    const logits = (await pipeline.logits(pipeline.tokenizer.encode("hello"))).slice(-expected.length);
    error = Math.max(error, ...expected.map((value, id) => Math.abs(value - logits[id])));
    await pipeline.dispose();
  }
  const what = `IPA of ${words.length} words, ${different} different; logits after \`hello<sos>\`, absolute`;
  return { what, error: error.toExponential(1), tolerance: "1e-4", holds: different === 0 && error < 1e-4 };
}

async function compareStories(folder) {
  const { stories } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  let [different, error] = [0, 0];
  for (const deterministic of [true, false]) {
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic });
    for (const { input_ids, output_ids, first_logits } of stories) {
      const options = { max_new_tokens: output_ids.length, return_dict_in_generate: true };
      const { ids } = await pipeline.generate(input_ids, options);
      different += ids.join() === output_ids.join() ? 0 : 1;
      const logits = (await pipeline.logits(input_ids)).slice(-first_logits.length);
      error = Math.max(error, ...first_logits.map((value, id) => Math.abs(value - logits[id])));
    }
    await pipeline.dispose();
  }
  const what = `${stories.length} stories token for token, ${different} different; first logits, absolute`;
  return { what, error: error.toExponential(1), tolerance: "1e-3", holds: different === 0 && error < 1e-3 };
}

const rows = [];
for (const folder of folders) rows.push([basename(folder), await compare(folder)]);
for (const [name, check] of [
  ["hama-g2p", compareG2p],
  ["tinystories-260k", compareStories],
]) {
  const folder = join(shared, "models", name);
  if (existsSync(folder)) rows.push([name, await check(folder)]);
  else console.log(`skipped: ${name}, as ../shared is not beside the repository`);
}
console.log(`Node ${process.versions.node}, builds simd and relaxed, ${new Date().toISOString().slice(0, 10)}\n`);
console.log("| model | what was compared | worst error | tolerance | holds |\n| --- | --- | --- | --- | --- |");
for (const [name, { what, error, tolerance = "max(1e-5, 4 x PyTorch's)", holds }] of rows) {
  console.log(`| \`${name}\` | ${what} | ${error} | ${tolerance} | ${holds ? "yes" : "**no**"} |`);
}
if (rows.some(([, { holds }]) => !holds)) process.exitCode = 1;
