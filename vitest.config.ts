import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@kiloformer/source"] },
  ssr: { resolve: { conditions: ["@kiloformer/source", "node", "import"], externalConditions: ["node"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "verify/*/*.test.ts"],
    testTimeout: 30_000,
    pool: "forks",
    execArgv: ["--expose-gc"],
  },
});
