import relaxed from "@kiloformer/core/kernels-relaxed.wasm";
import simd from "@kiloformer/core/kernels-simd.wasm";
import { Pipeline } from "kiloformer";
import { serve } from "./serve.js";

serve(Pipeline, { wasm: { relaxed: new URL(relaxed, import.meta.url), simd: new URL(simd, import.meta.url) } });
