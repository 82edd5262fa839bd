import type { ConfigReader } from "./config.ts";

const { fround } = Math;

/** Angles of rotary position embedding, by position. */
export interface Rope {
  /** R / 2, R the channels of a head that turn. */
  readonly half: number;
  /** The factor by which scaling stretches the context that `max_position_embeddings` names. */
  readonly contextFactor: number;
  /** The length beyond which the angles of every position are other ones, for scalings that have two kinds. */
  readonly changesBeyond: number | undefined;
  /**
   * Writes cosines and sines of `count` positions from `position` on: `[count, R / 2]` each, from `offset`.
   * @param reaches the length that the sequence reaches: some scalings depend on it
   */
  write(cos: Float32Array, sin: Float32Array, offset: number, position: number, count: number, reaches: number): void;
}

/** What a family says of its rotary embedding, where its config does not. */
export interface RopeDefaults {
  /** E */
  readonly headWidth: number;
  /** `max_position_embeddings` */
  readonly contextLength: number;
  /** Default 10 000. */
  readonly theta?: number;
  /** The key of theta in older configs. Default `rope_theta`. */
  readonly thetaKey?: string;
  /** The part of each head's channels that turns, unless the config says. Undefined: all, and a config may not say less. */
  readonly partial?: number;
  /** The key of that part in older configs. Default `partial_rotary_factor`. */
  readonly partialKey?: string;
  /** `original_max_position_embeddings` of families that have it beside the parameters, not among them. */
  readonly original?: number;
  /** The scalings that the family knows. Default all. */
  readonly kinds?: readonly RopeKindName[];
  /** Other names of scalings. */
  readonly aliases?: Readonly<Record<string, RopeKindName>>;
}

/** The parameters of a config that has them once: those of an older release go first, but where they say nothing. */
function parametersOf(config: ConfigReader): ConfigReader | null {
  const older = config.object("rope_scaling");
  const isEmpty = older && Object.keys(older.raw).length === 0;
  return (isEmpty ? undefined : older) ?? config.object("rope_parameters") ?? null;
}

/**
 * Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older configs.
 * @param nested where the parameters are, for configs that have several; null: nowhere
 * @see transformers 5.18, modeling_rope_utils.py
 */
export function readRope(
  config: ConfigReader,
  defaults: RopeDefaults,
  nested: ConfigReader | null = parametersOf(config),
): Rope {
  const { contextLength, thetaKey = "rope_theta" } = defaults;
  config.object("rope_parameters");
  const outerTheta = config.number(thetaKey, 0, defaults.theta ?? 10_000);
  const theta = nested ? nested.number("rope_theta", 0, outerTheta) : outerTheta;
  const width = readWidth(config, nested, defaults);
  const given = defaults.original || config.has("original_max_position_embeddings") || !nested ? config : nested;
  const original = given.integer("original_max_position_embeddings", {}, defaults.original ?? contextLength);
  nested?.refuse("original_max_position_embeddings", "the one beside these parameters goes before it", [original]);
  const base = { width, theta: fround(theta), contextLength, original };
  return ropeTable(base, nested ? ropeKind(nested, defaults)(base, nested) : ropeKinds.default(base));
}

/** The channels of a head that turn. */
function readWidth(config: ConfigReader, nested: ConfigReader | null, defaults: RopeDefaults): number {
  const { headWidth, partial, partialKey = "partial_rotary_factor" } = defaults;
  if (partial === undefined) {
    for (const reader of [config, nested]) reader?.refuse(partialKey, "this family turns all channels", [1]);
    if (headWidth % 2 === 0) return headWidth;
    if (config.has("head_dim")) throw config.bad("head_dim", "even, as rotary embedding turns pairs");
    throw config.bad("num_attention_heads", "such that heads are of even width, as rotary embedding turns pairs");
  }
  const outer = config.number(partialKey, 0, partial);
  const factor = nested ? nested.number("partial_rotary_factor", 0, outer) : outer;
  const width = Math.floor(headWidth * factor);
  if (width >= 1 && Math.ceil(width / 2) * 2 <= headWidth) return width;
  const reader = nested?.has("partial_rotary_factor") ? nested : config;
  const key = reader === config ? partialKey : "partial_rotary_factor";
  throw reader.bad(key, `such that an even number of a head's ${headWidth} channels turns`);
}

interface RopeBase {
  /** R */ readonly width: number;
  readonly theta: number;
  readonly contextLength: number;
  /** The context before it was stretched. */
  readonly original: number;
}
interface RopeKind {
  /** R / 2 angles of one step, for a sequence that reaches a length. */
  readonly frequencies: (reaches: number) => Float32Array;
  readonly contextFactor?: number;
  readonly changesBeyond?: number;
  /** Factor on cosines and sines. */
  readonly amplitude?: number;
}

type RopeKindName = keyof typeof ropeKinds;

/** `rope_type`, or `type` in older configs, decides the scaling; a factor needs one. */
function ropeKind(reader: ConfigReader, { kinds, aliases = {} }: RopeDefaults) {
  const key = reader.has("type") && !reader.has("rope_type") ? "type" : "rope_type";
  if (key === "rope_type") reader.ignore("type");
  const names = kinds ?? (Object.keys(ropeKinds) as RopeKindName[]);
  const known = { ...Object.fromEntries(names.map((name) => [name, name])), ...aliases };
  return ropeKinds[reader.oneOf(key, known, reader.has("factor") ? undefined : "default")];
}

/** theta^(2i / R) in float32, as PyTorch computes it: angles must be equal at high positions too. */
function wavelengths(width: number, theta: number): Float32Array {
  return Float32Array.from({ length: Math.ceil(width / 2) }, (_, i) => theta ** fround((2 * i) / width));
}

/** Made when first needed: a config may name sizes that no file has. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Angles of one step without a scaling. */
const plain = (width: number, theta: number) => wavelengths(width, theta).map((wavelength) => 1 / wavelength);
const isFactor = (value: unknown): value is number => Number.isFinite(value) && (value as number) > 0;

const ropeKinds = {
  default: ({ width, theta }: RopeBase): RopeKind => {
    return { frequencies: once(() => plain(width, theta)) };
  },

  linear: ({ width, theta }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0);
    const slowed = () => plain(width, theta).map((frequency) => frequency / fround(factor));
    return { frequencies: once(slowed), contextFactor: factor };
  },

  dynamic: ({ width, theta, contextLength }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0);
    const power = width / (width - 2);
    const fixed = once(() => plain(width, theta));
    const frequencies = (reaches: number) => {
      if (reaches <= contextLength) return fixed();
      const stretch = fround(fround(fround(factor * reaches) / contextLength) - (factor - 1));
      return plain(width, fround(theta * fround(stretch ** power)));
    };
    return { frequencies, contextFactor: factor };
  },

  /** @see Meta, Llama 3.1 */
  llama3: ({ width, theta, original }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0);
    const low = reader.number("low_freq_factor", 0);
    const high = reader.number("high_freq_factor", 0);
    const scaled = (frequency: number) => {
      // PyTorch divides a number by a tensor as reciprocal and product.
      const wavelength = fround(fround(1 / frequency) * fround(2 * Math.PI));
      if (wavelength > original / low) return fround(frequency / fround(factor));
      if (wavelength < original / high) return frequency;
      const smooth = fround(fround(fround(fround(1 / wavelength) * original) - low) / (high - low));
      const slow = fround(fround(fround(1 - smooth) * frequency) / fround(factor));
      return fround(slow + fround(smooth * frequency));
    };
    return { frequencies: once(() => plain(width, theta).map(scaled)) };
  },

  /** @see Peng et al., "YaRN", 2023 */
  yarn: ({ width, theta, original, contextLength }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0, contextLength / original);
    const fast = reader.number("beta_fast", 0, 32);
    const slow = reader.number("beta_slow", 0, 1);
    // Null is false there.
    const whole = reader.given("truncate") !== null && reader.boolean("truncate", true);
    const magnitude = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
    const [scale, scaleAll] = [reader.number("mscale", -1, 0), reader.number("mscale_all_dim", -1, 0)];
    const usual = scale && scaleAll ? magnitude(scale) / magnitude(scaleAll) : magnitude(1);
    // The channel that turns so many times within the original context.
    const channel = (turns: number) => (width * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
    const begin = Math.max(whole ? Math.floor(channel(fast)) : channel(fast), 0);
    let end = Math.min(whole ? Math.ceil(channel(slow)) : channel(slow), width - 1);
    if (begin === end) end += 0.001;
    const scaled = (wavelength: number, i: number) => {
      const ramp = Math.min(Math.max(fround(fround(i - fround(begin)) / fround(end - begin)), 0), 1);
      const kept = fround(1 - ramp);
      const stretched = fround(fround(1 / fround(fround(factor) * wavelength)) * fround(1 - kept));
      return fround(stretched + fround(fround(1 / wavelength) * kept));
    };
    const contextFactor = (factor * original) / contextLength;
    const frequencies = once(() => wavelengths(width, theta).map(scaled));
    return { frequencies, contextFactor, amplitude: reader.number("attention_factor", 0, usual) };
  },

  /** @see Ding et al., "LongRoPE", 2024 */
  longrope: ({ width, theta, original, contextLength }: RopeBase, reader: ConfigReader): RopeKind => {
    const factor = reader.number("factor", 0, contextLength / original);
    const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    const [short, long] = ["short_factor", "long_factor"].map((key) => {
      const factors = reader.list(key, Math.ceil(width / 2), "numbers above 0", isFactor);
      if (!factors) throw reader.bad(key, `a list of ${Math.ceil(width / 2)} numbers above 0`);
      return wavelengths(width, theta).map((wavelength, i) => 1 / fround(fround(factors[i]) * wavelength));
    });
    const frequencies = (reaches: number) => (reaches > original ? long : short);
    return { frequencies, changesBeyond: original, amplitude: reader.number("attention_factor", 0, usual) };
  },
};

/** Positions whose angles are computed at once. */
const ROWS = 64;

/** Keeps the angles of every position seen so far, where they are the same at each step. */
function ropeTable(
  { width }: RopeBase,
  { frequencies, contextFactor = 1, changesBeyond, amplitude = 1 }: RopeKind,
): Rope {
  const half = Math.ceil(width / 2);
  const factor = fround(amplitude);
  let kept = { rows: 0, cos: new Float32Array(0), sin: new Float32Array(0) };

  const compute = (own: Float32Array, begin: number, end: number, cos: Float32Array, sin: Float32Array, at: number) => {
    let next = at;
    for (let position = begin; position < end; position++) {
      for (const frequency of own) {
        const angle = fround(position * frequency);
        cos[next] = fround(Math.cos(angle)) * factor;
        sin[next++] = fround(Math.sin(angle)) * factor;
      }
    }
  };

  const extend = (own: Float32Array, end: number) => {
    const rows = Math.max(Math.ceil(end / ROWS) * ROWS, Math.min(kept.rows * 2, 8192));
    const [cos, sin] = [kept.cos, kept.sin].map((known) => {
      const values = new Float32Array(rows * half);
      values.set(known);
      return values;
    });
    compute(own, kept.rows, rows, cos, sin, kept.rows * half);
    kept = { rows, cos, sin };
  };

  return {
    half,
    contextFactor: Math.max(1, contextFactor),
    changesBeyond,
    write(cos, sin, offset, position, count, reaches) {
      const own = frequencies(reaches);
      const end = position + count;
      if (own !== frequencies(0)) return compute(own, position, end, cos, sin, offset);
      if (end > kept.rows) extend(own, end);
      cos.set(kept.cos.subarray(position * half, end * half), offset);
      sin.set(kept.sin.subarray(position * half, end * half), offset);
    },
  };
}
