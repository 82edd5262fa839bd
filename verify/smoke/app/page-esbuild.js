// esbuild leaves `new URL(..., import.meta.url)` alone: its loader `file` copies the kernels and gives their names.
import relaxed from "@kiloformer/core/kernels-relaxed.wasm";
import simd from "@kiloformer/core/kernels-simd.wasm";
import { Pipeline } from "kiloformer";
import { expose } from "./expose.js";

const wasm = { relaxed: new URL(relaxed, import.meta.url), simd: new URL(simd, import.meta.url) };
expose(Pipeline, () => new Worker(new URL("./worker-esbuild.js", import.meta.url), { type: "module" }), { wasm });
