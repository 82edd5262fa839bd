// Checkpoints with random weights: the same bytes on every machine. Those in float32 lie in the model's folder, others below it.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { architectures, quantizeModel, writeSafetensors } from "kiloformer";
import { readDirectory } from "kiloformer/node";

const convert = { F32: (values) => values, F16: (values) => halves(values), BF16: (values) => upperHalves(values) };

/** The bytes of a safetensors file. */
export function checkpoint(tensors, dtype = "F32") {
  const entries = Object.entries(tensors).map(([name, shape], index) => {
    return [name, { dtype, shape, data: convert[dtype](random(name, shape, index + 1)) }];
  });
  return writeSafetensors(entries);
}

/** Writes config.json and model.safetensors for each dtype, unless they are there. */
export function writeCheckpoints({ config, tensors, dtypes }, folder) {
  for (const dtype of ["F32", ...dtypes]) {
    const target = dtype === "F32" ? folder : join(folder, dtype.toLowerCase());
    const path = join(target, "model.safetensors");
    if (existsSync(path)) continue;
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "config.json"), `${JSON.stringify(config, undefined, 2)}\n`);
    // A run that is broken off leaves no half of a file.
    writeFileSync(`${path}.part`, checkpoint(tensors, dtype));
    renameSync(`${path}.part`, path);
  }
}

/** Writes the quantized checkpoints, each time anew: what they hold is this runtime's to say. */
export async function writeQuantized(folder) {
  for (const dtype of ["q8", "q4"]) {
    const { files, close } = await readDirectory(folder);
    const { config, fileSize, pieces } = await quantizeModel(files, architectures, { dtype });
    const target = join(folder, dtype);
    const bytes = new Uint8Array(fileSize);
    for await (const piece of pieces()) bytes.set(piece.bytes, piece.offset);
    await close();
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "config.json"), config);
    writeFileSync(join(target, "model.safetensors"), bytes);
  }
}

/** Weights as of a fresh model: a standard deviation of 0.02; norms begin at 1. */
function random(name, shape, seed) {
  const isNorm = shape.length === 1 && !name.endsWith("bias");
  let state = Math.imul(seed, 0x9e3779b1);
  const data = new Float32Array(shape.reduce((product, axis) => product * axis, 1));
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = (state >> 8) * 2 ** -23 * 0.0346 + (isNorm ? 1 : 0);
  }
  return data;
}

/** The nearest bfloat16 of each value. */
function upperHalves(values) {
  const bits = new Uint32Array(values.buffer);
  return Uint16Array.from(bits, (value) => (value + 0x7fff + ((value >>> 16) & 1)) >>> 16);
}

/** The nearest float16 of each value; all are below 2. */
function halves(values) {
  const bits = new Uint32Array(values.buffer);
  return Uint16Array.from(values, (value, i) => {
    const sign = (bits[i] >>> 16) & 0x8000;
    // Below the least normal value, steps are of one size.
    if (Math.abs(value) < 2 ** -14) return sign | Math.round(Math.abs(value) * 2 ** 24);
    const magnitude = (bits[i] & 0x7fffffff) - (112 << 23);
    return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  });
}
