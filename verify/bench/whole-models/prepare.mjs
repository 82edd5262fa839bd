// What a run needs before it measures: models, the files of peers, bundles for pages.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { writeCheckpoints, writeQuantized } from "./checkpoints.mjs";
import { shipped } from "./contenders.mjs";
import { limitsModule } from "./limits-source.mjs";

export const bench = fileURLToPath(new URL("..", import.meta.url));
export const build = join(bench, "build");
export const modelsFolder = join(build, "models");
const python = join(bench, "python");
const kernels = join(bench, "../../packages/core/dist");

/** Writes what is missing; says why where ONNX and GGUF files cannot be made. */
export async function prepare(models, log) {
  for (const folder of ["models/limits", "page"]) mkdirSync(join(build, folder), { recursive: true });
  writeFileSync(join(modelsFolder, "limits/limits.wasm"), await limitsModule());
  await bundle();
  for (const model of models) {
    const folder = join(modelsFolder, model.folder);
    if (!existsSync(folder)) log(`writing ${model.title}, random weights`);
    writeCheckpoints(model, folder);
    await writeQuantized(folder).catch((error) => log(`${model.title} was not quantized: ${error.message}`));
  }
  const folders = models.map(({ folder }) => join(modelsFolder, folder));
  // convert.py leaves this file behind.
  const missing = folders.filter((folder) => !existsSync(join(folder, "converted")));
  try {
    if (missing.length > 0) convert(missing, log);
  } catch (error) {
    log(`peers that need ONNX or GGUF files are left out: ${error.message.split("\n")[0]}`);
  }
}

/** In an environment of its own, or with the Python that KILOFORMER_BENCH_PYTHON names, which has what requirements.txt lists. */
function convert(folders, log) {
  log("making the ONNX and GGUF files of peers");
  const inherit = { stdio: ["ignore", "ignore", "inherit"] };
  const environment = join(build, "venv");
  const own = join(environment, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const program = process.env.KILOFORMER_BENCH_PYTHON ?? own;
  if (program === own && !existsSync(join(environment, "installed"))) {
    const name = process.platform === "win32" ? "python" : "python3";
    const { status } = spawnSync(name, ["-m", "venv", environment], inherit);
    if (status !== 0) throw new Error("no Python with venv");
    execFileSync(own, ["-m", "pip", "install", "-q", "-r", join(python, "requirements.txt")], inherit);
    writeFileSync(join(environment, "installed"), "");
  }
  execFileSync(program, [join(python, "convert.py"), ...folders], inherit);
}

/** One file each of this runtime and of TensorFlow.js, as a page would load it; peers that are published so stay as they are. */
async function bundle() {
  const esbuild = await import("esbuild");
  const common = {
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    logLevel: "error",
  };
  const make = (contents, name) =>
    esbuild.build({ ...common, stdin: { contents, resolveDir: bench }, outfile: join(build, "page", name) });
  await make('export * from "kiloformer";', "kiloformer.js");
  const worker = { entryPoints: ["@kiloformer/core/threads-worker.js"], absWorkingDir: bench };
  await esbuild.build({ ...common, ...worker, outfile: join(build, "page/threads-worker.js") });
  const operators =
    "add, sub, mul, matMul, moments, rsqrt, transpose, reshape, softmax, erf, gather, slice, tensor, tensor1d";
  const tensorflow = `export { ${operators}, tidy, setBackend, ready } from "@tensorflow/tfjs-core";
    export { setWasmPaths, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";`;
  // Missing peers are reported as contenders that cannot be opened.
  await make(tensorflow, "tensorflow.js").catch(() => {});
  for (const name of ["kernels-simd.wasm", "kernels-relaxed.wasm"])
    cpSync(join(kernels, name), join(build, "page", name));
}

const pathOf = (file) =>
  file.startsWith("build/") ? join(build, "page", file.slice(6)) : join(bench, "node_modules", file);

/** Bytes of code that a page loads, as they are and compressed, by family. */
export function codeSizes() {
  const entries = Object.entries(shipped).filter(([, files]) => files.every((file) => existsSync(pathOf(file))));
  return Object.fromEntries(
    entries.map(([family, files]) => {
      const contents = files.map((file) => readFileSync(pathOf(file)));
      const gzip = contents.reduce((sum, content) => sum + gzipSync(content).length, 0);
      return [family, { bytes: Buffer.concat(contents).length, gzip }];
    }),
  );
}

/** Bytes of files in a folder of a model; undefined where one is missing. */
export function bytesOf(folder, files) {
  const paths = files.map((file) => join(modelsFolder, folder, file));
  return paths.every(existsSync) ? paths.reduce((sum, path) => sum + statSync(path).size, 0) : undefined;
}
