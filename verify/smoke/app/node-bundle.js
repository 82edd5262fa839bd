// The same as one file: the kernels travel inside it as bytes (esbuild's loader for .wasm is `binary`).
import { readFile } from "node:fs/promises";
import relaxed from "@kiloformer/core/kernels-relaxed.wasm";
import simd from "@kiloformer/core/kernels-simd.wasm";
import { Pipeline } from "kiloformer";
import { describeError, tellAll } from "./story.js";

const { directory, files, stories } = JSON.parse(await readFile(process.argv[2], "utf8"));
const open = async () =>
  Object.fromEntries(await Promise.all(files.map(async (name) => [name, await readFile(`${directory}/${name}`)])));
try {
  console.log(JSON.stringify(await tellAll(Pipeline, open, stories, { wasm: { relaxed, simd } })));
} catch (error) {
  console.log(JSON.stringify(describeError(error)));
}
