import type { ConfigReader } from "./config.ts";

/** What `quantization_config` says of files that `kiloformer quantize` wrote; others have formats of their own. */
export const quantizationConfig = (bits: 4 | 8) =>
  bits === 8
    ? { quant_method: "kiloformer", bits }
    : { quant_method: "kiloformer", bits, group_size: 32, nibble_order: "low-first" };

/** Takes our own `quantization_config`: the tensors say the rest. Refuses those of other tools. */
export function checkQuantization(config: ConfigReader): void {
  const quantization = config.object("quantization_config");
  if (!quantization) return;
  if (quantization.given("quant_method") !== "kiloformer") {
    config.refuse("quantization_config", "of quantized checkpoints those that kiloformer quantize wrote are supported");
  }
  quantization.ignore("quant_method");
  const bits = quantization.integer("bits");
  if (bits !== 4 && bits !== 8) throw quantization.bad("bits", "4 or 8");
  if (bits === 8) return;
  quantization.oneOf("nibble_order", { "low-first": 0 });
  if (quantization.integer("group_size") !== 32) throw quantization.bad("group_size", "32");
}
