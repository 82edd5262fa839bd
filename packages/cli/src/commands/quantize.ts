import { copyFile, mkdir, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import type { Command } from "commander";
import { architectures, quantizeModel } from "kiloformer";
import { readDirectory } from "kiloformer/node";
import { UsageError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { neededOption } from "../options.ts";
import { replaceFile } from "../output.ts";
import { placeOf } from "../place.ts";
import { createProgress, warnings } from "../progress.ts";
import { escapeControls, print, type Terminal } from "../terminal.ts";

interface QuantizeOptions {
  readonly dtype: "q8" | "q4";
  readonly output: string;
}

const WEIGHTS = "model.safetensors";

const examples = `
q8 has 8 bits for each weight and one scale for each output. q4 has 4 bits where a model bears them, groups of 32 with a scale
each, and 8 elsewhere. The new folder opens like the old one; config.json says in quantization_config what it holds.

Examples:
  kiloformer quantize ./minilm --dtype q8 -o ./minilm-q8
  kiloformer quantize ./stories --dtype q4 -o ./stories-q4 && kiloformer generate --model ./stories-q4 --prompt "Once"`;

/** Adds `kiloformer quantize`. */
export function addQuantize(program: Command, terminal: Terminal): void {
  program
    .command("quantize")
    .description("write a model's folder again with weights in 8 or 4 bits")
    .argument("<DIR>", "folder with config.json and model.safetensors, or its shards")
    .addOption(neededOption("--dtype <TYPE>", "bits of the weights").choices(["q8", "q4"]))
    .addOption(neededOption("-o, --output <DIR>", "the new folder"))
    .addHelpText("after", examples)
    .action((directory: string, options: QuantizeOptions) => quantize(directory, options, terminal));
}

async function quantize(directory: string, { dtype, output }: QuantizeOptions, terminal: Terminal): Promise<void> {
  const { signal } = terminal;
  if ((await placeOf(directory)) === (await placeOf(output))) {
    throw new UsageError(`--output: expected another folder than the model's, got ${output}`);
  }
  if ((await stat(output).catch(() => undefined))?.isDirectory() === false) {
    throw new UsageError(`--output: expected a folder's name, got ${output}, which is no folder`);
  }
  const { files, close } = await readDirectory(directory);
  try {
    const model = await quantizeModel(files, architectures, { dtype, signal, onWarning: warnings(terminal) });
    const replaced = (name: string) => isReplaced(name, model.folder);
    const target = join(output, model.folder);
    const others = await otherFiles(directory, output, replaced);
    await expectOwn(output, target, model.config, others);
    await mkdir(target, { recursive: true });
    await replaceFile(join(target, WEIGHTS), (path) => writeWeights(path, model, terminal));
    for (const name of others) {
      await mkdir(dirname(join(output, name)), { recursive: true });
      await replaceFile(join(output, name), (path) => copyFile(join(directory, name), path));
    }
    await replaceFile(join(target, "config.json"), (path) => writeFile(path, model.config));
    const weights = [...files].filter(([name]) => name.endsWith(".safetensors") && replaced(name));
    const before = weights.reduce((sum, [, { size }]) => sum + (size ?? 0), 0);
    const sizes = `${formatBytes(before)} -> ${formatBytes(model.fileSize)}`;
    await print(terminal, `${escapeControls(join(target, WEIGHTS))}: ${sizes}\n`);
  } finally {
    await close();
  }
}

/** Weights and config of the model itself; those of modules behind it lie in folders of their own. */
function isReplaced(name: string, folder: string): boolean {
  const file = name.startsWith(folder) ? name.slice(folder.length) : "/";
  return !file.includes("/") && (file === "config.json" || /\.safetensors(\.index\.json)?$/.test(file));
}

/** The same weights for other runtimes. */
const otherWeights = /\.(bin|onnx|onnx_data|gguf|h5|ot|msgpack|pt|pth)$/;

async function writeWeights(
  path: string,
  { fileSize, pieces }: Awaited<ReturnType<typeof quantizeModel>>,
  terminal: Terminal,
): Promise<void> {
  const progress = createProgress(terminal);
  const file = await open(path, "w");
  let loaded = 0;
  try {
    for await (const { offset, bytes } of pieces()) {
      // A disk that fills up takes a part, and refuses the rest.
      for (let done = 0; done < bytes.length; ) {
        done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
      }
      loaded += bytes.length;
      const share = (100 * loaded) / fileSize;
      progress.update({ status: "progress", file: WEIGHTS, progress: share, loaded, total: fileSize });
    }
  } finally {
    progress.clear();
    await file.close();
  }
}

/** Tokenizer, generation settings, modules: everything but the weights and the config, by paths within the folder. */
async function otherFiles(directory: string, output: string, replaced: (name: string) => boolean): Promise<string[]> {
  const [from, place] = [await placeOf(directory), await placeOf(output)];
  const names: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const name = relative(directory, join(entry.parentPath, entry.name));
    if (entry.isDirectory() || replaced(name.replaceAll(sep, "/"))) continue;
    if (!relative(place, resolve(from, name)).startsWith("..")) continue;
    if (!otherWeights.test(name)) names.push(name);
  }
  return names;
}

/** Throws where the new folder holds another model: what stayed of it would be taken for this one's, and the rest would be lost. */
async function expectOwn(output: string, target: string, config: string, others: readonly string[]): Promise<void> {
  const entries = await readdir(output, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const nameOf = (entry: (typeof entries)[number]) => relative(output, join(entry.parentPath, entry.name));
  const files = entries.filter((entry) => !entry.isDirectory());
  const own = ["config.json", WEIGHTS].map((name) => relative(output, join(target, name)));
  const written = new Set([...others, ...own]);
  const other = files
    .map(nameOf)
    .find((name) => /\.(safetensors|json|model|txt|jinja)$/.test(name) && !written.has(name));
  if (other !== undefined) {
    throw new UsageError(`--output: expected a new folder, got ${output} with ${other}, which the model does not have`);
  }
  // A link is written over, and what it leads to stays.
  const kept = files.filter((entry) => !entry.isSymbolicLink());
  const lost = kept.map(nameOf).find((name) => written.has(name));
  if (lost === undefined || (await isQuantizedForm(join(target, "config.json"), config))) return;
  throw new UsageError(`--output: expected a new folder, got ${output} with ${lost}, which would be lost`);
}

/** Whether a config is that of the same model in 8 or 4 bits. */
async function isQuantizedForm(path: string, config: string): Promise<boolean> {
  const [found, made] = [await readFile(path, "utf8").catch(() => ""), config].map((text) => {
    try {
      const { quantization_config: form, ...rest } = JSON.parse(text);
      return { form, rest: JSON.stringify(rest) };
    } catch {
      return undefined;
    }
  });
  return (
    found?.form?.quant_method !== undefined &&
    found.form.quant_method === made?.form.quant_method &&
    found.rest === made?.rest
  );
}
