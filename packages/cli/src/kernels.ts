import { setFlagsFromString } from "node:v8";
import { supportsBuild } from "kiloformer";

/** Whether relaxed kernels run here. Node 20 has them behind a flag, which must be set before kernels are compiled. */
export function runsRelaxed(): boolean {
  if (!supportsBuild("relaxed")) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return supportsBuild("relaxed");
}
