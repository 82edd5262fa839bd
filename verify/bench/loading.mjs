// Time and peak memory of loading 90 MB of f32 weights, each in a process of its own, beside a plain copy:
// `node verify/bench/loading.mjs`, or as part of `npm run bench:parts`.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { engine, median } from "./report.mjs";

const self = fileURLToPath(import.meta.url);
const folder = join(tmpdir(), "kiloformer-bench-90mb");
const config = {
  model_type: "llama",
  hidden_size: 512,
  intermediate_size: 1408,
  num_hidden_layers: 6,
  num_attention_heads: 8,
  vocab_size: 4400,
  max_position_embeddings: 512,
  tie_word_embeddings: false,
};

/** A Llama of 90 MB whose weights are a repeated pattern. */
async function writeModel() {
  const { writeSafetensors } = await import("kiloformer");
  const { hidden_size: D, intermediate_size: F, vocab_size: V } = config;
  const shapes = { "model.embed_tokens.weight": [V, D], "lm_head.weight": [V, D], "model.norm.weight": [D] };
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = `model.layers.${layer}.`;
    for (const norm of ["input_layernorm", "post_attention_layernorm"]) shapes[`${name}${norm}.weight`] = [D];
    for (const part of ["q", "k", "v", "o"]) shapes[`${name}self_attn.${part}_proj.weight`] = [D, D];
    for (const part of ["gate", "up"]) shapes[`${name}mlp.${part}_proj.weight`] = [F, D];
    shapes[`${name}mlp.down_proj.weight`] = [D, F];
  }
  const pattern = Float32Array.from({ length: V * D }, (_, index) => Math.sin(index) / 16);
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const size = shape.reduce((product, axis) => product * axis, 1);
    return [name, { dtype: "F32", shape, data: new Uint8Array(pattern.buffer, 0, size * 4) }];
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "model.safetensors"), writeSafetensors(new Map(tensors)));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

/** The most memory this process ever had, in bytes. */
const peakBytes = () => process.resourceUsage().maxRSS * 1024;

/** One way of loading, measured in this process; `small` first, so that code and kernels are there before. */
async function measure(mode) {
  const path = join(folder, "model.safetensors");
  const { Pipeline } = await import("kiloformer");
  const bytes = mode === "bytes" || mode === "copy" ? readFileSync(path) : undefined;
  await warmUp(Pipeline);
  globalThis.gc?.();
  const before = Math.max(process.memoryUsage.rss(), peakBytes());
  const begin = performance.now();
  if (mode === "file") await Pipeline.fromDirectory(folder);
  if (mode === "bytes") await Pipeline.fromFiles({ "model.safetensors": bytes, "config.json": JSON.stringify(config) });
  if (mode === "copy") new Uint8Array(bytes.length).set(bytes);
  if (mode === "read") readWhole(path);
  const ms = performance.now() - begin;
  console.log(JSON.stringify({ ms, extraBytes: peakBytes() - before }));
}

function readWhole(path) {
  const { size } = statSync(path);
  const target = new Uint8Array(size);
  const file = openSync(path, "r");
  for (let offset = 0; offset < size; )
    offset += readSync(file, target, offset, Math.min(4 << 20, size - offset), offset);
  closeSync(file);
}

/** A model of a few kilobytes, so that what is compiled once is not counted. */
async function warmUp(Pipeline) {
  const { writeSafetensors } = await import("kiloformer");
  const tiny = {
    ...config,
    hidden_size: 8,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    vocab_size: 8,
  };
  const matrix = { dtype: "F32", shape: [8, 8], data: new Uint8Array(256) };
  const vector = { dtype: "F32", shape: [8], data: new Uint8Array(32) };
  const block = "model.layers.0.";
  const tensors = new Map([
    ...["model.embed_tokens", "lm_head"].map((name) => [`${name}.weight`, matrix]),
    ...["q", "k", "v", "o"].map((part) => [`${block}self_attn.${part}_proj.weight`, matrix]),
    ...["gate", "up", "down"].map((part) => [`${block}mlp.${part}_proj.weight`, matrix]),
    ...["model.norm", `${block}input_layernorm`, `${block}post_attention_layernorm`].map((name) => [
      `${name}.weight`,
      vector,
    ]),
  ]);
  const files = { "model.safetensors": writeSafetensors(tensors), "config.json": JSON.stringify(tiny) };
  await (await Pipeline.fromFiles(files)).dispose();
}

export async function run() {
  // In a process of its own: processes that are started later begin with this one's most memory as theirs.
  execFileSync(process.execPath, [self, "write"]);
  const stored = statSync(join(folder, "model.safetensors")).size;
  const modes = ["file", "bytes", "copy", "read"];
  const results = Object.fromEntries(modes.map((mode) => [mode, []]));
  for (let round = 0; round < 5; round++) {
    for (const mode of modes) {
      const line = execFileSync(process.execPath, ["--expose-gc", self, mode], { encoding: "utf8" });
      results[mode].push(JSON.parse(line));
    }
  }
  const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
  console.log(`\nloading ${mebibytes(stored)} MiB of f32 weights, ${engine()}`);
  for (const mode of modes) {
    const ms = median(results[mode].map((result) => result.ms));
    const extra = median(results[mode].map((result) => result.extraBytes));
    const names = {
      file: "from a file",
      bytes: "from bytes",
      copy: "plain copy of bytes",
      read: "plain read of the file",
    };
    console.log(
      `  ${names[mode]}: ${ms.toFixed(0)} ms, peak memory ${mebibytes(extra)} MiB, ${mebibytes(extra - stored)} MiB beyond the stored size`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
}

const [, called, mode] = process.argv;
if (called && import.meta.url === pathToFileURL(called).href) {
  if (mode === "write") await writeModel();
  else if (mode) await measure(mode);
  else await run();
}
