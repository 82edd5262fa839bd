import { setFlagsFromString } from "node:v8";
import { supportsBuild } from "kiloformer";

/** Whether relaxed kernels run here. Node 20 (V8 11) has them behind a flag, which must be set before kernels are compiled. */
export function runsRelaxed(): boolean {
  if (Number.parseInt(process.versions.v8, 10) < 12) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return supportsBuild("relaxed");
}
