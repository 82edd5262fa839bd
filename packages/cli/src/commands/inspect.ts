import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import {
  Checkpoint,
  headerLimits,
  KiloformerError,
  type MemoryPlan,
  PAGE,
  Pipeline,
  parseJsonObject,
  type RawConfig,
  readAll,
  readHeader,
  type Source,
  type TensorInfo,
} from "kiloformer";
import { fileSource, readDirectory } from "kiloformer/node";
import { UsageError } from "../errors.ts";
import { alignColumns, formatBytes, formatCount, plural } from "../format.ts";
import { isWasm } from "../packed-file.ts";
import { warnings } from "../progress.ts";
import { dtypeTotals, listTensors, parametersOf } from "../tensors.ts";
import { escapeControls, print, type Terminal } from "../terminal.ts";
import { mainSizes } from "./config-sizes.ts";
import { inspectPacked } from "./inspect-packed.ts";

/** The largest published are some tens of kilobytes. */
const CONFIG_BYTES = 16 * 2 ** 20;

/** What the headers and the config say; nothing else is read. */
interface Inspection {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Of a folder only. */
  readonly config?: RawConfig;
  readonly plan?: MemoryPlan;
  /** Why the runtime does not open this folder. */
  readonly problem?: string;
}

const examples = `
Only headers and config.json are read, so that this is quick for a model of any size. Of a packed file the sections are
read back, and its size after compression is measured.

Examples:
  kiloformer inspect ./stories
  kiloformer inspect g2p.wasm
  kiloformer inspect model-00001-of-00003.safetensors
  kiloformer inspect --json ./stories | jq .memory`;

/** Adds `kiloformer inspect`. */
export function addInspect(program: Command, terminal: Terminal): void {
  program
    .command("inspect")
    .description("config, tensors, parameters, bytes, and what a model takes in memory")
    .argument("<PATH>", "a model's folder, one .safetensors file, or a file of kiloformer pack")
    .option("--json", "one JSON object, with every tensor")
    .addHelpText("after", examples)
    .action(async (path: string, { json }: { json?: boolean }) => {
      await print(terminal, await inspect(path, json === true, terminal));
    });
}

async function inspect(path: string, json: boolean, terminal: Terminal): Promise<string> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const got = cause.code === "ENOENT" ? "nothing there" : `an error: ${cause.message}`;
    throw new UsageError(`${path}: expected a model's folder or a .safetensors file, got ${got}`, undefined, { cause });
  });
  if (!info.isFile() && !info.isDirectory()) {
    throw new UsageError(`${path}: expected a model's folder or a file, got something else`);
  }
  if (info.isFile() && (await isWasm(path))) return inspectPacked(path, json);
  const inspection = info.isDirectory() ? await openFolder(path, terminal) : await inspectFile(path, terminal);
  return json ? `${JSON.stringify(toJson(inspection))}\n` : toText(inspection);
}

async function openFolder(path: string, terminal: Terminal): Promise<Inspection> {
  const { files, close } = await readDirectory(path);
  try {
    return await inspectFolder(path, files, terminal);
  } finally {
    await close();
  }
}

async function inspectFile(path: string, { signal }: Terminal): Promise<Inspection> {
  const source = await fileSource(path);
  try {
    const file = basename(path);
    const { tensors, metadata } = await readHeader(source, { file, signal, maxHeaderBytes: headerLimits.node });
    return { path, tensors, metadata, files: [{ name: file, bytes: source.size }] };
  } finally {
    await source.close?.();
  }
}

async function inspectFolder(
  path: string,
  sources: ReadonlyMap<string, Source>,
  terminal: Terminal,
): Promise<Inspection> {
  const { signal } = terminal;
  const onWarning = warnings(terminal);
  // Weights of modules lie in folders of their own, and so do all of some models.
  const own = new Map([...sources].filter(([name]) => !name.includes("/")));
  const hasOwn = [...own.keys()].some((name) => name.endsWith(".safetensors"));
  const checkpoint = await Checkpoint.open(hasOwn ? own : sources, {
    signal,
    onWarning,
    maxHeaderBytes: headerLimits.node,
  });
  const { tensors, metadata } = checkpoint;
  const files = checkpoint.files.map((name) => ({ name, bytes: checkpoint.source(name).size }));
  const configFile = sources.get("config.json");
  const config =
    configFile && parseJsonObject(await readAll(configFile, { maxBytes: CONFIG_BYTES, signal }), "config.json");
  const found = { path, tensors, metadata, files, config };
  try {
    return { ...found, plan: await Pipeline.plan(sources, { signal, onWarning }) };
  } catch (error) {
    // That a model does not open here is a finding: what its files hold is still worth knowing.
    if (!(error instanceof KiloformerError)) throw error;
    return { ...found, problem: error.message };
  }
}

function toJson({ path, tensors, metadata, files, config, plan, problem }: Inspection): object {
  const list = [...tensors.values()];
  return {
    path,
    model_type: config?.model_type ?? null,
    opens: plan !== undefined,
    problem: problem ?? null,
    config: config ?? null,
    files,
    bytes: total(files.map(({ bytes }) => bytes)),
    metadata: Object.fromEntries(metadata),
    parameters: total(list.map((info) => parametersOf(info, tensors))),
    dtypes: Object.fromEntries(dtypeTotals(tensors)),
    memory: plan
      ? {
          weight_bytes: plan.weightBytes,
          cache_page_positions: PAGE,
          cache_page_bytes: plan.cachePageBytes,
          context_length: plan.contextLength,
          cache_bytes: plan.cacheBytes,
        }
      : null,
    tensors: list.map(({ name, dtype, shape, begin, end, file }) => ({ name, dtype, shape, bytes: end - begin, file })),
  };
}

function toText(inspection: Inspection): string {
  const { path, tensors, files, config, plan, problem } = inspection;
  const list = [...tensors.values()];
  const facts: [string, string][] = [["path", path]];
  if (config) facts.push(["model_type", describeType(config)]);
  if (config) facts.push(["config", mainSizes(config)]);
  if (problem) facts.push(["opens", `no: ${problem}`]);
  const sizes = files.map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`);
  facts.push(["parameters", formatCount(total(list.map((info) => parametersOf(info, tensors))))]);
  for (const [dtype, { tensors: count, parameters, bytes }] of dtypeTotals(tensors)) {
    facts.push([dtype, `${plural(count, "tensor")}, ${plural(parameters, "parameter")}, ${formatBytes(bytes)}`]);
  }
  facts.push(["on disk", shorten(sizes, formatBytes(total(files.map(({ bytes }) => bytes))))]);
  if (plan) facts.push(["in memory", describeMemory(plan)]);
  const lines = alignColumns(facts.map(([label, text]) => [label, escapeControls(text)]));
  return `${[...lines, "", ...listTensors(tensors)].join("\n")}\n`;
}

function describeType({ model_type: type }: RawConfig): string {
  return typeof type === "string" ? type : "none";
}

function describeMemory({ weightBytes, cachePageBytes, cacheBytes, contextLength }: MemoryPlan): string {
  const weights = `${formatBytes(weightBytes)} weights`;
  if (cachePageBytes === 0) return weights;
  const page = `${formatBytes(cachePageBytes)} for each ${PAGE} positions`;
  const whole = `${formatBytes(cacheBytes)} for the whole context of ${contextLength.toLocaleString("en-US")}`;
  return `${weights}; key/value cache ${page}, ${whole}`;
}

function shorten(parts: readonly string[], sum: string): string {
  if (parts.length === 1) return parts[0];
  return `${sum} in ${parts.length} files: ${parts.slice(0, 3).join(", ")}${parts.length > 3 ? ", ..." : ""}`;
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
