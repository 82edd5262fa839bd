// WebAssembly's addresses are 32 bits without a sign: what lies across or beyond 2 GiB computes the same bits.
import { type KernelBuild, Runtime } from "@kiloformer/core";
import { describe, expect, test } from "vitest";
import type { PipelineOptions } from "../src/index.ts";
import { computeFixture, fixtureFiles } from "./open.ts";
import { builds } from "./shared.ts";

const GIB = 2 ** 30;
type DtypeOption = PipelineOptions["dtype"];

/** What a fixture's model computes in a runtime whose memory is taken up to `address`. */
async function computeAbove(address: number, name: string, build: KernelBuild, dtype: DtypeOption, threads: number) {
  const runtime = await Runtime.create({ build, threads, leastShared: 1 });
  if (address > 0) runtime.memory.reserve(address, "what lies below");
  try {
    return await computeFixture(name, { runtime, dtype });
  } finally {
    runtime.dispose();
  }
}

describe.each(builds)("%s kernels", (build) => {
  test.each<[name: string, dtype: DtypeOption, threads: number]>([
    ["bert-masked-lm-tied", "auto", 1],
    ["gpt_neox-serial", "auto", 2],
    ["llama-odd-generation", "float16", 1],
    ["llama-odd-generation", "q8", 1],
    ["qwen3-bf16", "auto", 1],
    ["qwen3-bf16", "q4", 2],
    ["longt5-tglobal-long", "auto", 1],
  ])("%s as %s with %d threads", async (name, dtype, threads) => {
    const low = await computeAbove(0, name, build, dtype, threads);
    const weights = fixtureFiles(name)["model.safetensors"].length;
    for (const address of [2 * GIB - weights / 2, 3 * GIB])
      expect(await computeAbove(address, name, build, dtype, threads)).toEqual(low);
  });
});
