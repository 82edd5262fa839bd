// Packs our own grapheme-to-phoneme model, in both builds, for `import { g2p } from "kiloformer/g2p"`.
import { readFile, writeFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
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
for (const build of ["simd", "relaxed"]) {
  const bytes = await packModel({ architectures: [llama] }, files, { build });
  await writeFile(new URL(`../dist/g2p-${build}.wasm`, import.meta.url), bytes);
}
