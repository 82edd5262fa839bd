// Packs our own grapheme-to-phoneme model, in both builds, for `import { g2p } from "kiloformer/g2p"`.
import { readFile, writeFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import binaryen from "binaryen";
import { llama, packModel, supportsBuild } from "kiloformer";

// Before Node 22 the relaxed instructions are behind a flag: packing runs the kernels.
if (!supportsBuild("relaxed")) setFlagsFromString("--experimental-wasm-relaxed-simd");
const read = async (name) => {
  const bytes = await readFile(new URL(`../g2p/${name}`, import.meta.url));
  // Without the line breaks that files for people have.
  return name.endsWith(".json") ? JSON.stringify(JSON.parse(bytes.toString())) : bytes;
};
const names = ["config.json", "model.safetensors", "vocab.json"];
const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await read(name)])));

/** What an 8-bit Llama needs: the other kernels would be 13 kB that nobody calls. */
const needed = new Set(
  (
    "RELAXED attention_f32 attention_scratch_f32 cache_append_f32 embed_panels_q8 embed_rows_f32 gemm_q8 pack_q8 " +
    "quantize_inputs_q8 rms_norm_f32 rope_f32 swiglu_f32"
  ).split(" "),
);

async function neededKernels(build) {
  const file = new URL(import.meta.resolve(`@kiloformer/core/kernels-${build}.wasm`));
  const module = binaryen.readBinary(await readFile(file));
  const exported = Array.from({ length: module.getNumExports() }, (_, i) => module.getExportByIndex(i));
  for (const { name } of exported.map((each) => binaryen.getExportInfo(each))) {
    if (!needed.has(name)) module.removeExport(name);
  }
  module.runPasses(["remove-unused-module-elements"]);
  return module.emitBinary();
}

for (const build of ["simd", "relaxed"]) {
  const wasm = await neededKernels(build);
  const bytes = await packModel({ architectures: [llama] }, files, { build, wasm });
  await writeFile(new URL(`../dist/g2p-${build}.wasm`, import.meta.url), bytes);
}
