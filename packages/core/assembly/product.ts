// The matrix product over packed weights, from the tiles: linear layers and both halves of attention.
import { finish } from "./activations";
import { tile1x32, tile1x8, tile2x16, tile2x8, tile3x8, tile4x8, tile5x8, tile6x8 } from "./tiles";
import { isSmall, panelStep, widenPanel } from "./weights";

/** Without fused multiply-add a product needs a register of its own, and six rows do not fit. */
const TILE_ROWS = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
/** Floats of x that one pass over the weights works on, so that they stay in the second-level cache. */
const ROW_BLOCK_FLOATS = 48 * 1024;
/** Rows of a pass at least. */
const LEAST_BLOCK = 4 * TILE_ROWS;
/** Floats of x that stay in the first-level cache while weights come through it. */
const FEW_FLOATS = 2048;
/** Bytes of weights that the second-level cache holds beside all else. */
const CHUNK_BYTES = 256 * 1024;

/**
 * `y[rows, columns] = activation(x[rows, depth] · w + bias) + residual`, or added to y when `continued`. Strides are in bytes, `bias` 0 is
 * none, `activation` 0 is none, and the residual lies `shift` bytes behind y (0: none); where there is one of the two, rows of y follow each other.
 * A sum runs over blocks of `blockLength` inputs: each starts at zero and takes its inputs in order, then the blocks are
 * added in order, then the bias. Half weights need `scratch` for one panel of one block in f32;
 * of f16 ones `isFinite` says that none is infinite or NaN, where that is known.
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
  activation: i32,
  shift: usize,
  isFinite: bool,
  scratch: usize,
): void {
  if (rows < 3) {
    few<T>(x, xStride, w, panelStride, bias, y, yStride, rows, columns, depth, blockLength, continued, isFinite, scratch);
    return finish(activation, shift, y, rows * columns);
  }
  // Fewer rows than this go two by two: of half weights because tiles want them widened first. Then so do pairs of f16 ones that may be infinite.
  let pairs = sizeof<T>() == 4 || !isFinite ? 3 : isSigned<T>() ? 17 : 7;
  // Memory gives two long streams faster than one. Where more weights come from there than caches hold, two rows lead, which read a chunk of
  // them in two streams; the other rows find it in the second-level cache. One stream of f32 is as fast beside few inputs; f16 weights of many
  // rows are better widened once for all.
  let isFar = panelStride * ((columns + 7) >> 3) > 2 * CHUNK_BYTES;
  if (sizeof<T>() == 4) {
    isFar = isFar && rows * depth > FEW_FLOATS;
    if (isFar) pairs = 4;
  } else if (!isSigned<T>()) isFar = isFar && rows < pairs;
  const chunk = isFar ? max<i32>((CHUNK_BYTES / panelStride) & ~1, 4) * 8 : columns;
  // Few rows need none of the divisions, which small products would notice.
  const most = rows > LEAST_BLOCK ? max(ROW_BLOCK_FLOATS / max(depth, 1), LEAST_BLOCK) : rows;
  for (let passes = rows > most ? (rows + most - 1) / most : 1; passes > 0; passes--) {
    const now = passes > 1 ? rows / passes : rows;
    for (let column = 0; column < columns; column += chunk) {
      const width = min(chunk, columns - column);
      const panels = w + panelStride * (column >> 3);
      const partBias = bias ? bias + column * 4 : 0;
      let partX = x, partY = y + column * 4;
      let left = now;
      while (left > 0 && (left < pairs || (isFar && left == now))) {
        const together = min(left, 2);
        few<T>(partX, xStride, panels, panelStride, partBias, partY, yStride, together, width, depth, blockLength, continued, isFinite, scratch);
        partX += xStride * together;
        partY += yStride * together;
        left -= together;
      }
      if (left > 0) many<T>(partX, xStride, panels, panelStride, partBias, partY, yStride, left, width, depth, blockLength, continued, scratch);
    }
    finish(activation, shift, y, now * columns);
    x += xStride * now;
    y += yStride * now;
    rows -= now;
  }
}

/**
 * Three or more rows, in tiles of equal height, the first ones a row higher: panel by panel and block by block, each used by all tiles
 * while it is in the first-level cache.
 */
function many<T>(
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
  const tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, least = tiles > 1 ? rows / tiles : rows, higher = rows - least * tiles;
  for (let column = 0; column < columns; column += 8, w += panelStride, y += 32) {
    let start = 0;
    do {
      const length = min(depth - start, blockLength);
      let panel = w + <usize>start * panelStep<T>();
      if (sizeof<T>() == 2) {
        widenPanel<T>(panel, scratch, length);
        panel = scratch;
      }
      const add = continued || start > 0;
      const tileBias = start + length >= depth && bias ? bias + column * 4 : 0;
      const tileColumns = columnsOf(columns - column, add, tileBias);
      let tileX = x + start * 4, tileY = y;
      for (let tile = 0; tile < tiles; tile++) {
        const height = tile < higher ? least + 1 : least;
        if (TILE_ROWS == 6 && height == 6) tile6x8(tileX, xStride, panel, length, tileY, yStride, tileColumns, add, tileBias);
        else if (height == 5) tile5x8(tileX, xStride, panel, length, tileY, yStride, tileColumns, add, tileBias);
        else if (height == 4) tile4x8(tileX, xStride, panel, length, tileY, yStride, tileColumns, add, tileBias);
        else tile3x8(tileX, xStride, panel, length, tileY, yStride, tileColumns, add, tileBias);
        tileX += xStride * height;
        tileY += yStride * height;
      }
      start += length;
    } while (start < depth);
  }
}

/** One or two rows: several panels side by side, so that there are enough sums to keep the multipliers busy. */
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
  isFinite: bool,
  scratch: usize,
): void {
  // One row reads four streams, each through a quarter of the panels, and two rows read two.
  const group = rows == 1 ? 4 : 2;
  const all = (columns + 7) >> 3, inGroups = all - (all % group);
  const apart = all / group;
  let isPlain = isFinite;
  for (let row = 0; row < rows; row++) if (!isSmall<T>(x + xStride * row, depth)) isPlain = false;
  for (let done = 0; rows > 0 && done < all; ) {
    const panels = done < inGroups ? group : 1;
    const first = panels > 1 ? done / group : done;
    const left = columns - first * 8;
    const to = y + first * 32;
    let start = 0;
    do {
      const length = min(depth - start, blockLength);
      const panel = w + panelStride * first + <usize>start * panelStep<T>();
      const tileX = x + start * 4;
      const add = continued || start > 0;
      const tileBias = start + length >= depth && bias ? bias + first * 32 : 0;
      if (isPlain) narrowTile<T>(rows, panels, apart, tileX, xStride, panel, panelStride, length, to, yStride, left, add, tileBias);
      else {
        for (let i = 0; i < panels; i++) {
          const at = i * apart;
          widenPanel<T>(panel + panelStride * at, scratch, length);
          const panelBias = tileBias ? tileBias + 32 * at : 0;
          narrowTile<f32>(rows, 1, 1, tileX, xStride, scratch, 0, length, to + 32 * at, yStride, left - 8 * at, add, panelBias);
        }
      }
      start += length;
    } while (start < depth);
    done += panels;
  }
}

function narrowTile<T>(
  rows: i32,
  panels: i32,
  apart: i32,
  x: usize,
  xStride: usize,
  panel: usize,
  panelStride: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  // Of the last of the panels.
  columns = columnsOf(columns - apart * (panels - 1) * 8, continued, bias);
  if (rows == 2) {
    if (panels == 1) return tile2x8<T>(x, xStride, panel, depth, y, yStride, columns, continued, bias);
    return tile2x16<T>(x, xStride, panel, panelStride * apart, depth, y, apart * 32, yStride, columns, continued, bias);
  }
  if (panels == 1) return tile1x8<T>(x, panel, depth, y, columns, continued, bias);
  return tile1x32<T>(x, panel, panelStride * apart, depth, y, apart * 32, columns, continued, bias);
}

/** What tiles take for `columns` outputs from the first of the tile's last panel on: 0 where there are eight, and nothing to add. */
@inline
function columnsOf(columns: i32, continued: bool, bias: usize): i32 {
  return columns >= 8 && !continued && !bias ? 0 : columns;
}
