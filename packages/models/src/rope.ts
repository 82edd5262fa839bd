import type { ConfigReader } from "./config.ts";

const { fround } = Math;

/** Angles of rotary position embedding, by position. */
export interface Rope {
  /** R / 2 */
  readonly half: number;
  /** The factor by which scaling stretches the context that `max_position_embeddings` names. */
  readonly contextFactor: number;
  /**
   * Writes cosines and sines of `count` positions from `position` on: `[count, R / 2]` each, from `offset`.
   * @param reaches the length that the sequence reaches: dynamic scaling depends on it
   */
  write(cos: Float32Array, sin: Float32Array, offset: number, position: number, count: number, reaches: number): void;
}

type Frequencies = (reaches: number) => Float32Array;

/**
 * Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older configs. Each step is rounded to float32 where
 * PyTorch rounds, so that angles are equal at high positions too.
 * @see transformers 5.18, modeling_rope_utils.py
 */
export function readRope(config: ConfigReader, headWidth: number, contextLength: number): Rope {
  const parameters = config.object("rope_parameters");
  const scaling = config.object("rope_scaling");
  const nested = scaling ?? parameters;
  const outerTheta = config.number("rope_theta", 0, 10_000);
  const theta = nested ? nested.number("rope_theta", 0, outerTheta) : outerTheta;
  for (const reader of [config, nested]) {
    reader?.refuse("partial_rotary_factor", "this family turns every channel", [1]);
  }
  const kind = nested ? ropeKind(nested) : ropeKinds.default;
  const base = { headWidth, theta, contextLength };
  const { frequencies, contextFactor } = kind(base, nested as ConfigReader, config);
  return new RopeTable(headWidth / 2, frequencies, contextFactor);
}

interface RopeBase {
  readonly headWidth: number;
  readonly theta: number;
  readonly contextLength: number;
}
interface RopeKind {
  readonly frequencies: Frequencies;
  readonly contextFactor: number;
}

/** `rope_type`, or `type` in older configs, decides the scaling. */
function ropeKind(reader: ConfigReader): (base: RopeBase, reader: ConfigReader, config: ConfigReader) => RopeKind {
  const key = reader.has("rope_type") ? "rope_type" : "type";
  if (key === "rope_type") reader.ignore("type");
  return reader.oneOf(key, ropeKinds, "default");
}

/** 1 / theta^(2i / E) in float32, as PyTorch computes it. */
function inverseFrequencies(headWidth: number, theta: number): Float32Array {
  const base = fround(theta);
  return Float32Array.from({ length: headWidth / 2 }, (_, i) =>
    fround(1 / fround(base ** fround((2 * i) / headWidth))),
  );
}

const ropeKinds = {
  default: ({ headWidth, theta }: RopeBase): RopeKind => {
    const fixed = inverseFrequencies(headWidth, theta);
    return { frequencies: () => fixed, contextFactor: 1 };
  },
  linear: ({ headWidth, theta }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0);
    const fixed = inverseFrequencies(headWidth, theta).map((frequency) => frequency / fround(factor));
    return { frequencies: () => fixed, contextFactor: factor };
  },
  dynamic: ({ headWidth, theta, contextLength }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0);
    const power = headWidth / (headWidth - 2);
    const fixed = inverseFrequencies(headWidth, theta);
    const frequencies = (reaches: number) => {
      if (reaches <= contextLength) return fixed;
      const stretch = fround(fround(fround(factor * reaches) / contextLength) - (factor - 1));
      return inverseFrequencies(headWidth, fround(fround(theta) * fround(stretch ** power)));
    };
    return { frequencies, contextFactor: factor };
  },
  llama3: ({ headWidth, theta, contextLength }: RopeBase, reader: ConfigReader, config: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0);
    const low = reader.number("low_freq_factor", 0);
    const high = reader.number("high_freq_factor", 0);
    const inner = reader.integer("original_max_position_embeddings", {}, contextLength);
    const original = config.integer("original_max_position_embeddings", {}, inner);
    const fixed = inverseFrequencies(headWidth, theta).map((frequency) => {
      const wavelength = fround(fround(2 * Math.PI) / frequency);
      if (wavelength < original / high) return frequency;
      if (wavelength > original / low) return fround(frequency / fround(factor));
      const smooth = fround(fround(fround(original / wavelength) - low) / (high - low));
      const slow = fround(fround(fround(1 - smooth) * frequency) / fround(factor));
      return fround(slow + fround(smooth * frequency));
    });
    return { frequencies: () => fixed, contextFactor: 1 };
  },
};

/** Positions whose angles are computed at once. */
const ROWS = 64;

class RopeTable implements Rope {
  readonly half: number;
  readonly contextFactor: number;
  readonly #frequencies: Frequencies;
  #rows = 0;
  #cos = new Float32Array(0);
  #sin = new Float32Array(0);

  constructor(half: number, frequencies: Frequencies, contextFactor: number) {
    this.half = half;
    this.#frequencies = frequencies;
    this.contextFactor = contextFactor;
  }

  write(cos: Float32Array, sin: Float32Array, offset: number, position: number, count: number, reaches: number): void {
    const frequencies = this.#frequencies(reaches);
    const end = position + count;
    if (frequencies !== this.#frequencies(0)) {
      this.#compute(frequencies, position, end, cos, sin, offset);
      return;
    }
    if (end > this.#rows) this.#extend(frequencies, end);
    const { half } = this;
    cos.set(this.#cos.subarray(position * half, end * half), offset);
    sin.set(this.#sin.subarray(position * half, end * half), offset);
  }

  /** Keeps the angles of every position seen so far: they are the same at each step. */
  #extend(frequencies: Float32Array, end: number): void {
    const rows = Math.max(Math.ceil(end / ROWS) * ROWS, Math.min(this.#rows * 2, 8192));
    const cos = new Float32Array(rows * this.half);
    const sin = new Float32Array(rows * this.half);
    cos.set(this.#cos);
    sin.set(this.#sin);
    this.#compute(frequencies, this.#rows, rows, cos, sin, this.#rows * this.half);
    this.#rows = rows;
    this.#cos = cos;
    this.#sin = sin;
  }

  #compute(
    frequencies: Float32Array,
    begin: number,
    end: number,
    cos: Float32Array,
    sin: Float32Array,
    offset: number,
  ) {
    let next = offset;
    for (let position = begin; position < end; position++) {
      for (const frequency of frequencies) {
        const angle = fround(position * frequency);
        cos[next] = Math.cos(angle);
        sin[next++] = Math.sin(angle);
      }
    }
  }
}
