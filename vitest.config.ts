import { defineConfig } from "vitest/config";

/** Tests that measure time, or that the processor rests: they run alone, one file after another. */
const timed = [
  "packages/core/test/safetensors.test.ts",
  "packages/models/test/{pipeline-generation,runtime-rows,threads}.test.ts",
  "packages/tokenizers/test/{bad-inputs,charsmap,growth,normalizers}.test.ts",
];

/** Of these `npm test` runs a part, and `npm run test:slow` all. */
const slow = ["packages/models/test/{peer-bugs,threads}.test.ts", "packages/tokenizers/test/growth.test.ts"];

export default defineConfig({
  resolve: { conditions: ["@kiloformer/source"] },
  ssr: { resolve: { conditions: ["@kiloformer/source", "node", "import"], externalConditions: ["node"] } },
  test: {
    testTimeout: 120_000,
    pool: "forks",
    execArgv: ["--expose-gc"],
    projects: [
      {
        extends: true,
        test: { name: "timed", include: timed, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: {
          name: "all others",
          include: ["packages/*/test/**/*.test.ts", "verify/*/*.test.ts"],
          exclude: timed,
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "slow",
          include: slow,
          maxWorkers: 1,
          env: { KILOFORMER_SLOW: "1" },
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
