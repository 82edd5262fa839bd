import type { Numbers } from "./numbers.ts";

/** Softmax of each row; a row that is all minus infinity becomes NaN. */
export function softmax(x: Numbers, y: Numbers, rows: number, columns: number): void {
  for (let row = 0; row < rows; row++) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < columns; i++) largest = Math.max(largest, x[row * columns + i]);
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += Math.exp(x[row * columns + i] - largest);
    for (let i = 0; i < columns; i++) y[row * columns + i] = Math.exp(x[row * columns + i] - largest) / sum;
  }
}

/** Turns channel pairs i and i + R / 2 of each head by its row's angles, in place; cos and sin are `[rows, R / 2]`. */
export function rope(
  x: Numbers,
  cos: Numbers,
  sin: Numbers,
  rows: number,
  heads: number,
  E: number,
  R: number,
  rowStride: number,
): void {
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      for (let i = 0; i < R / 2; i++) {
        const low = row * rowStride + head * E + i;
        const [a, b, c, s] = [x[low], x[low + R / 2], cos[(row * R) / 2 + i], sin[(row * R) / 2 + i]];
        x[low] = a * c - b * s;
        x[low + R / 2] = b * c + a * s;
      }
    }
  }
}

/**
 * `y[r, h] = softmax(scale * q[r, h] · keys) · values`: q and y are `[rows, H, E]`, keys and values `[S, K, E]`, and the
 * queries are the last `rows` of the S positions. Causal: row r sees keys 0 to S - rows + r; otherwise all.
 */
export function attention(
  q: Numbers,
  keys: Numbers,
  values: Numbers,
  y: Numbers,
  rows: number,
  S: number,
  causal: boolean,
  H: number,
  K: number,
  E: number,
  scale: number,
): void {
  for (let row = 0; row < rows; row++) {
    const visible = causal ? S - rows + row + 1 : S;
    const weights = new Float64Array(visible);
    for (let head = 0; head < H; head++) {
      const group = Math.floor(head / (H / K));
      const out = (row * H + head) * E;
      weights.fill(0);
      for (let s = 0; s < visible; s++) {
        for (let e = 0; e < E; e++) weights[s] += q[out + e] * keys[(s * K + group) * E + e] * scale;
      }
      softmax(weights, weights, 1, visible);
      for (let e = 0; e < E; e++) {
        let sum = 0;
        for (let s = 0; s < visible; s++) sum += weights[s] * values[(s * K + group) * E + e];
        y[out + e] = sum;
      }
    }
  }
}

/** What `attentionGeneral` has beside queries, keys and values. */
export interface GeneralAttention {
  readonly position: number;
  readonly S: number;
  readonly before: number;
  readonly after: number;
  readonly globals: number;
  readonly globalBlock: number;
  readonly H: number;
  readonly K: number;
  readonly E: number;
  readonly scale: number;
  readonly bias?: Numbers;
  readonly biasStride: number;
  readonly center: number;
  readonly globalBias?: Numbers;
}

/**
 * The same where a row at position p sees keys p - before to p + after of S, and `globals` keys that lie before them; biases are
 * added by distance: `bias[h, s - p + center]`, `globalBias[h, g - b + globals - 1]`, b the block of p.
 */
export function attentionGeneral(
  q: Numbers,
  keys: Numbers,
  values: Numbers,
  y: Numbers,
  rows: number,
  options: GeneralAttention,
): void {
  const { position, S, before, after, globals, globalBlock, H, K, E, scale } = options;
  const { bias, biasStride, center, globalBias } = options;
  for (let row = 0; row < rows; row++) {
    const p = position + row;
    const block = Math.min(Math.floor(p / globalBlock), globals - 1);
    const seen = Array.from({ length: globals }, (_, g) => g);
    for (let s = Math.max(0, p - before); s < Math.min(S, p + after + 1); s++) seen.push(globals + s);
    for (let head = 0; head < H; head++) {
      const group = Math.floor(head / (H / K));
      const out = (row * H + head) * E;
      const weights = Float64Array.from(seen, (s) => {
        let score = 0;
        for (let e = 0; e < E; e++) score += q[out + e] * keys[(s * K + group) * E + e] * scale;
        if (s < globals)
          return score + (globalBias ? globalBias[head * (2 * globals - 1) + s - block + globals - 1] : 0);
        return score + (bias ? bias[head * biasStride + s - globals - p + center] : 0);
      });
      softmax(weights, weights, 1, weights.length);
      for (let e = 0; e < E; e++) {
        y[out + e] = seen.reduce((sum, s, index) => sum + weights[index] * values[(s * K + group) * E + e], 0);
      }
    }
  }
}

/** Keys and values `[S, K, E]` as pages of 64 positions; what lies behind position S is `filler`. */
export function packPages(
  keys: Numbers,
  values: Numbers,
  S: number,
  K: number,
  E: number,
  filler: number,
): Float32Array[] {
  const E8 = Math.ceil(E / 8) * 8;
  const pages: Float32Array[] = [];
  for (let start = 0; start < S; start += 64) {
    const page = new Float32Array(K * 64 * (E + E8)).fill(filler);
    for (let place = 0; place < Math.min(64, S - start); place++) {
      for (let head = 0; head < K; head++) {
        const from = ((start + place) * K + head) * E;
        for (let e = 0; e < E; e++) page[((head * 8 + (place >> 3)) * E + e) * 8 + (place & 7)] = keys[from + e];
        for (let e = 0; e < E8; e++) {
          const panel = (head * E8) / 8 + (e >> 3);
          page[K * 64 * E + (panel * 64 + place) * 8 + (e & 7)] = e < E ? values[from + e] : 0;
        }
      }
    }
    pages.push(page);
  }
  return pages;
}
