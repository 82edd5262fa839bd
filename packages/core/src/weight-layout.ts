// How many bytes weights take, in rows and in panels (docs/kernels.md).
import { alignUp } from "./memory.ts";
import type { StoredForm, WeightDtype } from "./weights.ts";

/** Outputs side by side in one panel. */
export const PANEL = 8;
/** Inputs that share a scale. */
export const GROUP = 32;
/** Rows of the largest register tiles, of all products: pieces that begin there waste none. */
export const TILE_ROWS = 12;
/** Rows that are better in one piece than in pieces of fewer. */
export const FEW_ROWS = 3;
/** The most rows for which products widen f16 weights as they go, and have to know whether some are infinite. */
export const WIDENING_ROWS = 6;

/** Bytes of one row of values, in a table or a file. */
export function rowBytes(columns: number, form: StoredForm): number {
  if (form === "q4") return Math.ceil(columns / 2);
  return columns * (form === "f32" ? 4 : form === "f16" || form === "bf16" ? 2 : 1);
}

/** Bytes of the scales of a quantized matrix, in a table or a file; 0 for others. */
export function scaleBytes(rows: number, columns: number, form: StoredForm): number {
  if (form === "q4") return rows * Math.ceil(columns / GROUP) * 2;
  return form === "q8" || form === "u8" ? rows * 4 : 0;
}

/** Where the scales of a quantized table begin: behind its rows. */
export function scalesOffset(rows: number, columns: number, dtype: WeightDtype): number {
  return alignUp(rows * rowBytes(columns, dtype));
}

/** Bytes of one panel, without the scales that 8-bit weights have behind the last. */
export function onePanelBytes(inputs: number, dtype: WeightDtype): number {
  const groups = Math.ceil(inputs / GROUP);
  // The head of a group: sums of 8-bit weights, or scales of 4-bit ones, two bytes for each output.
  if (dtype === "q8" || dtype === "q4") return groups * PANEL * (2 + (dtype === "q8" ? GROUP : GROUP / 2));
  return PANEL * rowBytes(inputs, dtype);
}

/** Bytes of a packed weight. */
export function panelBytes(outputs: number, inputs: number, dtype: WeightDtype): number {
  const panels = Math.ceil(outputs / PANEL);
  return panels * (onePanelBytes(inputs, dtype) + (dtype === "q8" ? PANEL * 4 : 0));
}
