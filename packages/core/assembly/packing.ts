// Into panels, and single rows out of panels and tables.
import { BFloat16, Float16, panelStep, widen, widenOne } from "./weights";

/** Byte offset of output `row`, input `column` in a packed weight of `K` inputs. */
function panelOffset<T>(row: i32, column: i32, K: i32): usize {
  const start = ((<usize>row >> 3) * K + column) * panelStep<T>();
  if (sizeof<T>() == 4) return start + (row & 7) * 4;
  return start + (row & 3) * 4 + ((row >> 2) & 1) * 2;
}

function pack<T>(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  rowStride: i32,
  columnStride: i32,
  row0: i32,
  column0: i32,
  K: i32,
): void {
  const rowStep = <usize>rowStride * sizeof<T>(), columnStep = <usize>columnStride * sizeof<T>();
  // Of a transposed matrix eight columns at a time, as rows lie together in the source.
  const block = columnStride == 1 ? columns : min(columns, 8);
  for (let column = 0; column < columns; column += block, src += columnStep * block) {
    const count = <usize>min(block, columns - column);
    let line = src;
    for (let row = 0; row < rows; row++, line += rowStep) {
      let from = line, to = dst + panelOffset<T>(row0 + row, column0 + column, K);
      for (const end = to + count * panelStep<T>(); to < end; to += panelStep<T>(), from += columnStep) store<T>(to, load<T>(from));
    }
  }
}

/**
 * Writes a block of `rows` outputs and `columns` inputs into a packed weight `[N, K]`, from output `row0` and input `column0` on.
 * Element `(r, c)` of the source is at `src + 4 * (r * rowStride + c * columnStride)`.
 */
export function pack_f32(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  rowStride: i32,
  columnStride: i32,
  row0: i32,
  column0: i32,
  N: i32,
  K: i32,
): void {
  pack<f32>(src, dst, rows, columns, rowStride, columnStride, row0, column0, K);
}

/** The same for f16 and bf16: two bytes for each element, panels with interleaved halves. */
export function pack_u16(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  rowStride: i32,
  columnStride: i32,
  row0: i32,
  column0: i32,
  N: i32,
  K: i32,
): void {
  pack<u16>(src, dst, rows, columns, rowStride, columnStride, row0, column0, K);
}

function embedPanels<T>(ids: usize, w: usize, y: usize, rows: i32, D: i32): void {
  for (let row = 0; row < rows; row++) {
    let from = w + panelOffset<T>(load<i32>(ids + row * 4), 0, D);
    for (let column = 0; column < D; column++) {
      store<f32>(y, widenOne<T>(from));
      from += panelStep<T>();
      y += 4;
    }
  }
}

/** `y[t] = w[ids[t]]`: rows of a packed weight `[V, D]`. */
export function embed_panels_f32(ids: usize, w: usize, y: usize, T: i32, D: i32): void {
  embedPanels<f32>(ids, w, y, T, D);
}

/** The same, widened from f16. */
export function embed_panels_f16(ids: usize, w: usize, y: usize, T: i32, D: i32): void {
  embedPanels<Float16>(ids, w, y, T, D);
}

/** The same, widened from bf16. */
export function embed_panels_bf16(ids: usize, w: usize, y: usize, T: i32, D: i32): void {
  embedPanels<BFloat16>(ids, w, y, T, D);
}

function widenRow<T>(src: usize, dst: usize, n: i32): void {
  for (; n >= 4; n -= 4, src += 8, dst += 16) v128.store(dst, widen<T>(i32x4.shl(v128.load16x4_u(src), 16)));
  for (; n > 0; n--, src += 2, dst += 4) store<f32>(dst, widenOne<T>(src));
}

/** `y[t] = table[ids[t]]`: rows of a row-major table `[V, D]`. */
export function embed_rows_f32(ids: usize, table: usize, y: usize, T: i32, D: i32): void {
  const size = <usize>D * 4;
  for (let row = 0; row < T; row++) memory.copy(y + row * size, table + load<i32>(ids + row * 4) * size, size);
}

/** The same, widened from f16. */
export function embed_rows_f16(ids: usize, table: usize, y: usize, T: i32, D: i32): void {
  for (let row = 0; row < T; row++)
    widenRow<Float16>(table + <usize>load<i32>(ids + row * 4) * D * 2, y + <usize>row * D * 4, D);
}

/** The same, widened from bf16. */
export function embed_rows_bf16(ids: usize, table: usize, y: usize, T: i32, D: i32): void {
  for (let row = 0; row < T; row++)
    widenRow<BFloat16>(table + <usize>load<i32>(ids + row * 4) * D * 2, y + <usize>row * D * 4, D);
}

/** Every f16 value as the f32 of the same value; infinities, NaN and subnormals included. */
export function widen_f16(src: usize, dst: usize, n: i32): void {
  widenRow<Float16>(src, dst, n);
}

/** Every bf16 value as the f32 of the same value. */
export function widen_bf16(src: usize, dst: usize, n: i32): void {
  widenRow<BFloat16>(src, dst, n);
}
