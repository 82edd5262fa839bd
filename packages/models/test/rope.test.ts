import { describe, expect, test } from "vitest";
import { ConfigReader, type RawConfig } from "../src/config.ts";
import { decoderOf } from "../src/generation/decoder.ts";
import { llama } from "../src/llama.ts";
import { toSources } from "../src/pipeline/files.ts";
import { loadModel } from "../src/pipeline/load.ts";
import { type RopeDefaults, readRope } from "../src/rope.ts";
import { builds, debugRuntime, worstDifference } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

/** Heads of 16 channels. */
const families: Record<string, Omit<RopeDefaults, "contextLength">> = {
  llama: { headWidth: 16 },
  phi3: { headWidth: 16, partial: 1, original: 4096 },
  gpt_neox: { headWidth: 16, partial: 0.25, thetaKey: "rotary_emb_base", partialKey: "rotary_pct" },
};

function ropeOf(family: string, config: RawConfig) {
  const contextLength = config.max_position_embeddings as number;
  return readRope(new ConfigReader(config), { ...families[family], contextLength });
}

interface Golden {
  readonly name: string;
  readonly family: string;
  readonly config: RawConfig;
  readonly amplitude: number;
  /** At positions 1 and 4095. */
  readonly cos: readonly (readonly number[])[];
  readonly sin: readonly (readonly number[])[];
}

/** What the rotary embeddings of transformers 5.18.0 give on PyTorch 2.13.0, for sequences that reach 4096 positions. */
// biome-ignore-start format: one line for each value
const goldens: readonly Golden[] = [
  {
    name: "default",
    family: "llama",
    amplitude: 1,
    config: { max_position_embeddings: 8192, rope_theta: 10000 },
    cos: [
      [0.54030234, 0.95041531, 0.99500418, 0.99950004, 0.99994999, 0.99999499, 0.99999952, 0.99999994],
      [-0.065975994, 0.81592822, 0.45986333, -0.77125478, -0.9940331, 0.92748898, -0.57890791, 0.27235872],
    ],
    sin: [
      [0.84147096, 0.3109836, 0.099833421, 0.031617507, 0.0099998331, 0.0031622725, 0.00099999993, 0.00031622779],
      [-0.99782121, 0.57815319, 0.8879897, -0.63652658, -0.10907879, 0.37385052, -0.81539291, 0.96219581],
    ],
  },
  {
    name: "default of Llama 3",
    family: "llama",
    amplitude: 1,
    config: { max_position_embeddings: 8192, rope_theta: 500000 },
    cos: [
      [0.54030234, 0.98125583, 0.99929297, 0.99997342, 0.99999899, 0.99999994, 1, 1],
      [-0.065975994, -0.75886172, -0.99828064, 0.018333118, 0.88139868, 0.43293849, 0.97637862, 0.99910831],
    ],
    sin: [
      [0.84147096, 0.19270959, 0.037597168, 0.0072926003, 0.001414213, 0.00027424819, 5.3182957e-5, 1.0313385e-5],
      [-0.99782121, 0.65125179, -0.0586152, -0.99983191, -0.47237316, 0.90142345, 0.2160667, 0.04222076],
    ],
  },
  {
    name: "linear",
    family: "llama",
    amplitude: 1,
    config: { max_position_embeddings: 2048, rope_theta: 10000, rope_scaling: { type: "linear", factor: 2.5 } },
    cos: [
      [0.92106098, 0.99201065, 0.99920011, 0.99992001, 0.99999201, 0.99999923, 0.99999994, 1],
      [-0.33402333, -0.92802948, 0.90594709, 0.038158555, -0.78255576, 0.45058635, -0.06715323, 0.86882055],
    ],
    sin: [
      [0.38941836, 0.12615407, 0.039989334, 0.012648774, 0.003999989, 0.0012649108, 0.00040000002, 0.00012649111],
      [-0.94256479, 0.37250677, 0.42339095, 0.99927169, -0.62258047, -0.89273286, 0.99774265, 0.49512711],
    ],
  },
  {
    name: "dynamic, within the context",
    family: "llama",
    amplitude: 1,
    config: { max_position_embeddings: 4096, rope_theta: 10000, rope_scaling: { type: "dynamic", factor: 4 } },
    cos: [
      [0.54030234, 0.95041531, 0.99500418, 0.99950004, 0.99994999, 0.99999499, 0.99999952, 0.99999994],
      [-0.065975994, 0.81592822, 0.45986333, -0.77125478, -0.9940331, 0.92748898, -0.57890791, 0.27235872],
    ],
    sin: [
      [0.84147096, 0.3109836, 0.099833421, 0.031617507, 0.0099998331, 0.0031622725, 0.00099999993, 0.00031622779],
      [-0.99782121, 0.57815319, 0.8879897, -0.63652658, -0.10907879, 0.37385052, -0.81539291, 0.96219581],
    ],
  },
  {
    name: "dynamic, beyond the context",
    family: "llama",
    amplitude: 1,
    config: { max_position_embeddings: 2048, rope_theta: 10000, rope_scaling: { type: "dynamic", factor: 4 } },
    cos: [
      [0.54030234, 0.96859652, 0.99800742, 0.99987417, 0.99999207, 0.99999952, 1, 1],
      [-0.065975994, 0.094329946, 0.58850533, -0.53518552, -0.81583011, -0.57323331, 0.51420945, 0.966649],
    ],
    sin: [
      [0.84147096, 0.24863791, 0.063096568, 0.015864383, 0.0039864597, 0.0010016953, 0.00025169979, 6.3245549e-5],
      [-0.99782121, -0.99554098, 0.80849332, 0.84473455, -0.57829165, -0.8193922, 0.85766464, 0.25610489],
    ],
  },
  {
    name: "llama3",
    family: "llama",
    amplitude: 1,
    config: {
      max_position_embeddings: 131072,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    },
    cos: [
      [0.54030234, 0.98125583, 0.99929297, 0.99997342, 0.99999988, 1, 1, 1],
      [-0.065975994, -0.75886172, -0.99828064, 0.018333118, -0.54672527, 0.99016279, 0.9996295, 0.99998605],
    ],
    sin: [
      [0.84147096, 0.19270959, 0.037597168, 0.0072926003, 0.00052484602, 3.4281024e-5, 6.6478697e-6, 1.2891732e-6],
      [-0.99782121, 0.65125179, -0.0586152, -0.99983191, 0.83731204, 0.13992016, 0.027219664, 0.0052791396],
    ],
  },
  {
    name: "llama3 whose factors are the wrong way round, of which transformers only warns",
    family: "llama",
    amplitude: 1,
    config: {
      max_position_embeddings: 131072,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 16,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    },
    cos: [
      [0.54030234, 0.98125583, 0.99929297, 0.99999958, 1, 1, 1, 1],
      [-0.065975994, -0.75886172, -0.99828064, -0.83019418, 0.74922806, 0.99016279, 0.9996295, 0.99998605],
    ],
    sin: [
      [0.84147096, 0.19270959, 0.037597168, 0.00091158302, 0.00017677668, 3.4281024e-5, 6.6478697e-6, 1.2891732e-6],
      [-0.99782121, 0.65125179, -0.0586152, -0.55747432, 0.66231209, 0.13992016, 0.027219664, 0.0052791396],
    ],
  },
  {
    name: "yarn whose truncate is null",
    family: "llama",
    amplitude: 1.1667707,
    config: {
      max_position_embeddings: 32768,
      rope_theta: 1000000,
      rope_scaling: {
        rope_type: "yarn",
        factor: 5.3,
        beta_fast: 16,
        beta_slow: 2,
        truncate: null,
        original_max_position_embeddings: 4096,
      },
    },
    cos: [
      [0.63040894, 1.148371, 1.1661874, 1.1667674, 1.1667707, 1.1667707, 1.1667707, 1.1667707],
      [-0.076978855, 0.93298846, -0.89987749, -1.0902756, 0.83548874, 1.1557748, 1.1664224, 1.1667597],
    ],
    sin: [
      [0.98180366, 0.20639263, 0.03689038, 0.0027891051, 0.00022014542, 3.9148006e-5, 6.9616094e-6, 1.2379686e-6],
      [-1.1642286, -0.70063281, -0.74268055, -0.41551509, 0.81443995, 0.15980716, 0.028504955, 0.0050694654],
    ],
  },
  {
    name: "yarn",
    family: "llama",
    amplitude: 1.13862944,
    config: {
      max_position_embeddings: 32768,
      rope_theta: 1000000,
      rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 8192 },
    },
    cos: [
      [0.61520416, 1.1206735, 1.1380602, 1.1386193, 1.1386293, 1.1386294, 1.1386294, 1.1386294],
      [-0.075122207, 0.91048574, -0.87817341, -0.0089395596, -0.5224635, 1.1198128, 1.1380328, 1.1386106],
    ],
    sin: [
      [0.95812362, 0.20141466, 0.036000624, 0.0048022238, 0.00056931475, 5.062003e-5, 9.0016556e-6, 1.600746e-6],
      [-1.1361486, -0.6837343, -0.72476792, -1.1385944, 1.0116861, 0.20614591, 0.03685534, 0.0065550189],
    ],
  },
  {
    name: "yarn with all its keys",
    family: "llama",
    amplitude: 0.943632262,
    config: {
      max_position_embeddings: 32768,
      rope_theta: 1000000,
      rope_scaling: {
        rope_type: "yarn",
        factor: 5.3,
        beta_fast: 16,
        beta_slow: 2,
        truncate: false,
        mscale: 0.7,
        mscale_all_dim: 1.1,
        original_max_position_embeddings: 4096,
      },
    },
    cos: [
      [0.50984669, 0.92875135, 0.94316047, 0.94362956, 0.94363225, 0.94363225, 0.94363225, 0.94363225],
      [-0.062257074, 0.75455958, -0.72778088, -0.8817665, 0.67570615, 0.93473929, 0.94335055, 0.94362336],
    ],
    sin: [
      [0.79403913, 0.16692117, 0.029835299, 0.002255704, 0.00017804382, 3.1661166e-5, 5.6302401e-6, 1.0012139e-6],
      [-0.94157624, -0.56664062, -0.60064703, -0.33605012, 0.65868282, 0.12924492, 0.02305354, 0.0040999581],
    ],
  },
  {
    name: "longrope, within the original context",
    family: "phi3",
    amplitude: 1.19023807,
    config: {
      max_position_embeddings: 131072,
      original_max_position_embeddings: 4096,
      rope_theta: 10000,
      rope_scaling: {
        type: "longrope",
        short_factor: [1, 1.05, 1.1, 1.3, 1.6, 2, 2.4, 3],
        long_factor: [1, 1.2, 2, 4.5, 9, 14, 22, 31],
      },
    },
    cos: [
      [0.64308846, 1.1366658, 1.1853231, 1.189886, 1.1902149, 1.1902367, 1.190238, 1.1902381],
      [-0.078527145, -0.25185648, 0.0071340716, 0.72181851, 1.0659822, 1.1684626, -0.16072965, 1.0810651],
    ],
    sin: [
      [1.0015508, 0.35306877, 0.10805449, 0.028949942, 0.00743894, 0.001881931, 0.00049593259, 0.00012546212],
      [-1.1876448, 1.1632863, 1.1902168, -0.94638509, 0.52947956, 0.22663182, 1.1793357, 0.49796093],
    ],
  },
  {
    name: "longrope, beyond the original context",
    family: "phi3",
    amplitude: 1.24316312,
    config: {
      max_position_embeddings: 131072,
      original_max_position_embeddings: 2048,
      rope_theta: 10000,
      rope_scaling: {
        type: "longrope",
        short_factor: [1, 1.05, 1.1, 1.3, 1.6, 2, 2.4, 3],
        long_factor: [1, 1.2, 2, 4.5, 9, 14, 22, 31],
      },
    },
    cos: [
      [0.67168391, 1.2002469, 1.2416095, 1.2431325, 1.2431624, 1.2431631, 1.2431631, 1.2431631],
      [-0.082018919, -0.01228131, -1.0621094, -1.0895485, -0.20098968, 0.74821216, 1.2216895, 1.2420787],
    ],
    sin: [
      [1.0460856, 0.32382369, 0.062132258, 0.0087359883, 0.0013812921, 0.00028080193, 5.6507412e-5, 1.2681377e-5],
      [-1.2404546, -1.2431024, -0.64604825, -0.59861404, -1.226808, 0.99279058, 0.23006397, 0.051915143],
    ],
  },
  {
    name: "partial, 0.75",
    family: "phi3",
    amplitude: 1,
    config: { max_position_embeddings: 4096, rope_theta: 10000, partial_rotary_factor: 0.75 },
    cos: [
      [0.54030234, 0.97688168, 0.99892294, 0.99994999, 0.99999768, 0.99999988],
      [-0.065975994, -0.85428119, -0.0066882311, -0.9940331, -0.82399547, -0.32398108],
    ],
    sin: [
      [0.84147096, 0.21378064, 0.046399221, 0.0099998331, 0.0021544327, 0.00046415892],
      [-0.99782121, 0.51981115, 0.99997765, -0.10907879, 0.56659633, 0.94606358],
    ],
  },
  {
    name: "partial, 0.25",
    family: "gpt_neox",
    amplitude: 1,
    config: { max_position_embeddings: 4096, rotary_emb_base: 10000, rotary_pct: 0.25 },
    cos: [
      [0.54030234, 0.99994999],
      [-0.065975994, -0.9940331],
    ],
    sin: [
      [0.84147096, 0.0099998331],
      [-0.99782121, -0.10907879],
    ],
  },
  {
    name: "partial, an odd number of channels",
    family: "phi3",
    amplitude: 1,
    config: { max_position_embeddings: 4096, rope_theta: 10000, partial_rotary_factor: 0.45 },
    cos: [
      [0.54030234, 0.99741137, 0.99998659, 0.99999994],
      [-0.065975994, 0.82620037, -0.71006435, 0.044332352],
    ],
    sin: [
      [0.84147096, 0.071906447, 0.0051794499, 0.00037275933],
      [-0.99782121, -0.56337637, 0.70413679, 0.99901682],
    ],
  },
];
// biome-ignore-end format: one line for each value

describe("angles are those of transformers 5.18.0", () => {
  test.each(goldens.map((golden) => [golden.name, golden] as const))(
    "%s",
    (_, { family, config, amplitude, ...golden }) => {
      const rope = ropeOf(family, config);
      const { half } = rope;
      expect(half).toBe(golden.cos[0].length);
      for (const [row, position] of [1, 4095].entries()) {
        const [cos, sin] = [new Float32Array(half), new Float32Array(half)];
        rope.write(cos, sin, 0, position, 1, 4096);
        for (let i = 0; i < half; i++) {
          // A float's last place, and the digits above: some cosines of PyTorch are not the nearest float.
          expect(Math.abs(cos[i] - golden.cos[row][i]), `cos of channel ${i} at ${position}`).toBeLessThan(1.5e-7);
          expect(Math.abs(sin[i] - golden.sin[row][i]), `sin of channel ${i} at ${position}`).toBeLessThan(1.5e-7);
        }
      }
      const [cos, sin] = [new Float32Array(half), new Float32Array(half)];
      rope.write(cos, sin, 0, 0, 1, 4096);
      expect([...cos]).toEqual(Array(half).fill(Math.fround(amplitude)));
      expect([...sin]).toEqual(Array(half).fill(0));
    },
  );
});

test.each(goldens.map((golden) => [golden.name, golden] as const))(
  "angles of many positions are those of each, in any order: %s",
  (_, { family, config }) => {
    const rope = ropeOf(family, config);
    const { half } = rope;
    const write = (position: number, count: number) => {
      const [cos, sin] = [new Float32Array(count * half), new Float32Array(count * half)];
      rope.write(cos, sin, 0, position, count, 4096);
      return [...cos, ...sin];
    };
    const late = write(700, 1);
    const all = write(0, 900);
    for (const position of [0, 1, 63, 64, 127, 128, 700, 899]) {
      const own = position === 700 ? late : write(position, 1);
      const part = (begin: number) => all.slice(begin + position * half, begin + (position + 1) * half);
      expect(own).toEqual([...part(0), ...part(900 * half)]);
    }
  },
);

test("some scalings stretch the context, and one changes all angles as a text grows", () => {
  const longrope = { type: "longrope", short_factor: Array(8).fill(1), long_factor: Array(8).fill(2) };
  const cases: [object | null, number, number | undefined][] = [
    [null, 1, undefined],
    [{ type: "linear", factor: 2.5 }, 2.5, undefined],
    [{ type: "dynamic", factor: 4 }, 4, undefined],
    [{ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 }, 1, undefined],
    [{ type: "yarn", factor: 4, original_max_position_embeddings: 8192 }, 4, undefined],
    [{ type: "yarn", factor: 4, original_max_position_embeddings: 2048 }, 1, undefined],
    [{ ...longrope, original_max_position_embeddings: 4096 }, 1, 4096],
  ];
  for (const [rope_scaling, factor, beyond] of cases) {
    const { contextFactor, changesBeyond } = ropeOf("llama", { max_position_embeddings: 8192, rope_scaling });
    expect([contextFactor, changesBeyond], JSON.stringify(rope_scaling)).toEqual([factor, beyond]);
  }
});

test("null and empty parameters are the default", () => {
  const angles = (config: RawConfig) => {
    const [cos, sin] = [new Float32Array(8), new Float32Array(8)];
    ropeOf("llama", { max_position_embeddings: 64, ...config }).write(cos, sin, 0, 7, 1, 8);
    return [...cos, ...sin];
  };
  const usual = angles({ rope_theta: 10000 });
  expect(angles({})).toEqual(usual);
  expect(angles({ rope_scaling: null, rope_theta: null })).toEqual(usual);
  expect(angles({ rope_parameters: {} })).toEqual(usual);
  expect(angles({ rope_parameters: { rope_type: "default" }, rope_theta: 10000 })).toEqual(usual);
  expect(angles({ rope_parameters: { rope_theta: 10000 }, rope_theta: 500 })).toEqual(usual);
  expect(angles({ rope_parameters: { rope_theta: 500 } })).toEqual(angles({ rope_theta: 500 }));
  expect(angles({ rope_scaling: {}, rope_parameters: { rope_theta: 500 } })).toEqual(angles({ rope_theta: 500 }));
});

/** A small Llama whose queries and keys are large enough for attention to see where they are. */
function farFiles(rope: object) {
  const shape = { hidden_size: 32, num_attention_heads: 2, num_key_value_heads: 1 };
  const config = { ...shape, max_position_embeddings: 8192, ...rope };
  const { "vocab.json": _, ...files } = tinyFiles({
    config,
    shape,
    tensors: (tensors) => {
      for (const [name, { data }] of tensors) {
        if (!/[qk]_proj/.test(name)) continue;
        const values = new Float32Array(data.buffer);
        for (let i = 0; i < values.length; i++) values[i] *= 3;
      }
    },
  });
  return files;
}

const farLlama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
/** Logits at position 4103 by transformers 5.18.0 on PyTorch 2.13.0, float32, eager attention. */
// biome-ignore-start format: one line for each model
const far: [string, object, number[]][] = [
  [
    "default",
    { rope_theta: 10000 },
    [
      -4.2232089, 8.3169146, 1.4107277, 2.8263271, 1.0557015, -8.6708345, -1.9777615, 6.3601804, 3.6268611, 3.9810328,
      -1.6213044, -16.121868, 4.9007969, 1.435791, -4.109643, 3.0081251, -2.9763041, 4.2864175, -8.2521334,
    ],
  ],
  [
    "llama3",
    { rope_theta: 500000, rope_scaling: { ...farLlama3, original_max_position_embeddings: 1024 } },
    [
      -6.6674867, 9.9867048, 0.7993269, 3.4056282, 1.7335852, -8.6066914, -0.54368305, 7.0729184, 5.434164, 5.9388142,
      -3.1442685, -19.048447, 5.6783504, 0.078073978, -7.4583998, 1.8698946, -1.674975, 6.3366814, -7.6963863,
    ],
  ],
  [
    "yarn",
    { rope_theta: 10000, rope_scaling: { rope_type: "yarn", factor: 8, original_max_position_embeddings: 1024 } },
    [
      -5.4185243, 9.3968897, -0.013632774, 2.7448301, 2.21614, -4.8185802, 1.0731708, 6.3714938, 4.3505201, 7.0180445,
      -3.6539426, -16.956352, 3.9718659, 3.590934, -4.845602, 2.4520617, 2.1113997, 5.2071762, -5.6789632,
    ],
  ],
];
// biome-ignore-end format: one line for each model

describe.each(builds)("%s build", (build) => {
  test.each(far)("logits at position 4103 are PyTorch's: %s", async (_, rope, expected) => {
    const runtime = await debugRuntime(build);
    const loaded = await loadModel(toSources(farFiles(rope)), [llama], { runtime, strict: true }, [], {});
    const decoder = decoderOf(loaded);
    const cache = decoder.newCache();
    const ids = Array.from({ length: 4104 }, (_, i) => 4 + ((i * 7 + 3 * (i >> 4)) % 15));
    const [logits] = await decoder.step([{ cache, ids }]);
    // A theta larger by a ten-thousandth changes them by 8e-5 to 3e-4 of the largest.
    expect(worstDifference(logits, expected).relative).toBeLessThan(5e-6);
    runtime.dispose();
  });
});
