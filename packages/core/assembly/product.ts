// The matrix product over packed weights, from the tiles: linear layers and both halves of attention.
import { tile1x8, tile1x32, tile2x8, tile2x24, tile3x8, tile3x16, tile4x8, tile5x8, tile6x8 } from "./tiles";
import { highWeights, lowWeights, panelStep } from "./weights";

/** Bytes of x that one pass over the weights works on, so that they stay in the second-level cache. */
const ROW_BLOCK_BYTES: i32 = 192 * 1024;

/**
 * `y[rows, columns] = x[rows, depth] · w + bias`, or added to y when `continued`. Strides are in bytes, `bias` 0 is none.
 * A sum runs over blocks of `blockLength` inputs: each starts at zero and takes its inputs in order, then the blocks are
 * added in order, then the bias. Half weights need `scratch` for one panel of one block in f32.
 */
export function product<T>(
  x: usize,
  xStride: usize,
  w: usize,
  panelStride: usize,
  bias: usize,
  y: usize,
  yStride: usize,
  rows: i32,
  columns: i32,
  depth: i32,
  blockLength: i32,
  continued: bool,
  scratch: usize,
): void {
  if (rows <= 0 || columns <= 0) return;
  if (rows < 4)
    return few<T>(x, xStride, w, panelStride, bias, y, yStride, rows, columns, depth, blockLength, continued);
  if (rows == 7) {
    product<T>(x, xStride, w, panelStride, bias, y, yStride, 4, columns, depth, blockLength, continued, scratch);
    few<T>(
      x + 4 * xStride,
      xStride,
      w,
      panelStride,
      bias,
      y + 4 * yStride,
      yStride,
      3,
      columns,
      depth,
      blockLength,
      continued,
    );
    return;
  }
  let tiles = (rows + 5) / 6;
  const rowsPerBlock = max(ROW_BLOCK_BYTES / 4 / max(depth, 1), 24);
  while (rows > 0) {
    // Tiles of equal height, or one row more.
    const blockTiles = min(tiles, max(rowsPerBlock / 6, 1));
    const blockRows = tiles == blockTiles ? rows : min(blockTiles * 6, rows - 4 * (tiles - blockTiles));
    many<T>(
      x,
      xStride,
      w,
      panelStride,
      bias,
      y,
      yStride,
      blockRows,
      blockTiles,
      columns,
      depth,
      blockLength,
      continued,
      scratch,
    );
    x += xStride * blockRows;
    y += yStride * blockRows;
    rows -= blockRows;
    tiles -= blockTiles;
  }
}

/** Four or more rows: panel by panel and block by block, each used by all row tiles while it is in the first-level cache. */
function many<T>(
  x: usize,
  xStride: usize,
  w: usize,
  panelStride: usize,
  bias: usize,
  y: usize,
  yStride: usize,
  rows: i32,
  tiles: i32,
  columns: i32,
  depth: i32,
  blockLength: i32,
  continued: bool,
  scratch: usize,
): void {
  for (let column = 0; column < columns; column += 8) {
    let start = 0;
    do {
      const length = min(depth - start, blockLength);
      let panel = w + <usize>start * panelStep<T>();
      if (sizeof<T>() == 2) {
        for (let k = 0; k < length; k++) {
          v128.store(scratch + k * 32, lowWeights<T>(panel + k * 16));
          v128.store(scratch + k * 32, highWeights<T>(panel + k * 16), 16);
        }
        panel = scratch;
      }
      const last = start + length >= depth;
      const tileBias = last && bias ? bias + column * 4 : 0;
      let tileX = x + start * 4,
        tileY = y + column * 4;
      let left = rows;
      for (let tile = tiles; tile > 0; tile--) {
        const height = (left + tile - 1) / tile;
        const add = continued || start > 0;
        if (height == 6) tile6x8<f32>(tileX, xStride, panel, length, tileY, yStride, columns - column, add, tileBias);
        else if (height == 5)
          tile5x8<f32>(tileX, xStride, panel, length, tileY, yStride, columns - column, add, tileBias);
        else tile4x8<f32>(tileX, xStride, panel, length, tileY, yStride, columns - column, add, tileBias);
        tileX += xStride * height;
        tileY += yStride * height;
        left -= height;
      }
      start += length;
    } while (start < depth);
    w += panelStride;
  }
}

/** One to three rows: several panels side by side, so that there are enough sums to keep the multipliers busy. */
function few<T>(
  x: usize,
  xStride: usize,
  w: usize,
  panelStride: usize,
  bias: usize,
  y: usize,
  yStride: usize,
  rows: i32,
  columns: i32,
  depth: i32,
  blockLength: i32,
  continued: bool,
): void {
  const group = rows == 1 ? 4 : rows == 2 ? 3 : 2;
  let column = 0;
  while (column < columns) {
    const panels = (columns - column + 7) / 8 >= group ? group : 1;
    let start = 0;
    do {
      const length = min(depth - start, blockLength);
      const block = w + <usize>start * panelStep<T>();
      const tileX = x + start * 4,
        tileY = y + column * 4;
      const tileBias = start + length >= depth && bias ? bias + column * 4 : 0;
      const left = columns - column;
      const add = continued || start > 0;
      if (rows == 1) {
        if (panels == 1) tile1x8<T>(tileX, block, length, tileY, left, add, tileBias);
        else tile1x32<T>(tileX, block, panelStride, length, tileY, left, add, tileBias);
      } else if (rows == 2) {
        if (panels == 1) tile2x8<T>(tileX, xStride, block, length, tileY, yStride, left, add, tileBias);
        else tile2x24<T>(tileX, xStride, block, panelStride, length, tileY, yStride, left, add, tileBias);
      } else {
        if (panels == 1) tile3x8<T>(tileX, xStride, block, length, tileY, yStride, left, add, tileBias);
        else tile3x16<T>(tileX, xStride, block, panelStride, length, tileY, yStride, left, add, tileBias);
      }
      start += length;
    } while (start < depth);
    w += panelStride * panels;
    column += panels * 8;
  }
}
