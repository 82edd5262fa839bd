import { readFile } from "node:fs/promises";
import type { PackedWeight } from "kiloformer";
import { alignColumns, formatBytes, plural } from "../format.ts";
import { type PackedSummary, readPacked } from "../packed-file.ts";
import { listTensors, type TensorLine } from "../tensors.ts";
import { escapeControls } from "../terminal.ts";
import { mainSizes } from "./config-sizes.ts";

/** What a packed file holds, as text or as one JSON object. */
export async function inspectPacked(path: string, json: boolean): Promise<string> {
  const summary = readPacked(path, await readFile(path));
  return json ? `${JSON.stringify(toJson(path, summary))}\n` : toText(path, summary);
}

function toJson(path: string, { directory, config, bytes, gzipBytes, ...rest }: PackedSummary): object {
  const { build, dtype, memory, weights, files } = directory;
  return {
    path,
    model_type: config.model_type ?? null,
    config,
    build,
    dtype,
    bytes,
    gzip_bytes: gzipBytes,
    memory: { pages: rest.pages, weights_at: memory.address, weight_bytes: memory.bytes },
    files: files.names.map(([name, , size]) => ({ name, bytes: size })),
    sections: rest.sections,
    segments: rest.segments ?? null,
    exports: rest.exports,
    weights,
  };
}

function toText(
  path: string,
  { directory, config, bytes, gzipBytes, pages, sections, exports }: PackedSummary,
): string {
  const { build, dtype, memory, weights, files } = directory;
  const kernels = exports.filter(({ kind }) => kind === "func").length;
  const others = exports.filter(({ kind }) => kind !== "func").map(({ name, kind }) => `${name} (${kind})`);
  const facts: [string, string][] = [
    ["path", path],
    ["model_type", String(config.model_type ?? "none")],
    ["config", mainSizes(config)],
    ["packed", `${build} build, dtype ${dtype}`],
    ["on disk", `${formatBytes(bytes)}, ${formatBytes(gzipBytes)} after gzip (fflate)`],
    ["in memory", `${formatBytes(memory.bytes)} weights at ${memory.address}, ${plural(pages, "page")} of 64 KiB`],
    ["files", files.names.map(([name, , size]) => `${name} ${formatBytes(size)}`).join(", ")],
    ["exports", [plural(kernels, "kernel"), ...others].join(", ")],
    ["sections", sections.map(({ name, bytes: size }) => `${name} ${formatBytes(size)}`).join(", ")],
  ];
  const lines = alignColumns(facts.map(([label, text]) => [label, escapeControls(text)]));
  const tensors = new Map(weights.map((weight) => [weight.address, lineOf(weight)]));
  return `${[...lines, "", ...listTensors(tensors)].join("\n")}\n`;
}

/** A fused weight by its first name, and what tells the others apart: `q_proj.weight + k_proj + v_proj`. */
function lineOf({ names: [first, ...others], shape, dtype, layout, bytes }: PackedWeight): TensorLine {
  const name = [first, ...others.map((other) => other.split(".").at(-2))].join(" + ");
  return { name, dtype: `${dtype} ${layout}`, shape, begin: 0, end: bytes };
}
