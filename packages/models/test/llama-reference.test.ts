import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Pipeline } from "../src/index.ts";
import { builds, debugRuntime, readArrays, readJson, shared, worstDifference } from "./shared.ts";

const ours = fileURLToPath(new URL("../../../verify/fixtures/", import.meta.url));
const folders = [
  ...["llama-rope-linear", "llama-rope-dynamic", "llama-biases", "llama-gelu-far", "llama-bare-tied"].map(
    (name) => ours + name,
  ),
  ...["llama", "llama-f16", "llama-tied-bf16", "llama3-rope", "llama3-rope-older-config"]
    .map((name) => `${shared}references/${name}`)
    .filter(existsSync),
];

describe.each(folders.map((folder) => [basename(folder), folder]))("%s computes what PyTorch computes", (_, folder) => {
  const expected = readArrays(`${folder}/expected.safetensors`);
  const facts = readJson(`${folder}/expected.json`);
  const config = readJson(`${folder}/config.json`);
  const ids = Array.from(expected("input_ids") as unknown as BigInt64Array, Number);
  const rows = [ids.slice(0, ids.length / 2), ids.slice(ids.length / 2)];
  const tolerance = (name: string) => Math.max(1e-5, 4 * facts.pytorch_float32_error[name]);

  test.each(builds)("hidden states and logits of both rows stay within the tolerance, %s build", async (build) => {
    const runtime = await debugRuntime(build);
    const pipeline = await Pipeline.fromDirectory(folder, { runtime, strict: true, onWarning: () => {} });
    for (const [row, rowIds] of rows.entries()) {
      const states = await pipeline.hiddenStates(rowIds);
      for (const [layer, state] of states.entries()) {
        const name = `hidden_states.${layer}`;
        const whole = expected(name);
        const part = whole.subarray((row * whole.length) / 2, ((row + 1) * whole.length) / 2);
        expect(state.length, name).toBe(part.length);
        const { relative, index } = worstDifference(state, part);
        expect(relative, `${name} row ${row} index ${index}`).toBeLessThanOrEqual(tolerance(name));
      }
      expect(states).toHaveLength(config.num_hidden_layers + 1);
      const logits = await pipeline.logits(rowIds);
      const whole = expected("logits");
      const part = whole.subarray((row * whole.length) / 2, ((row + 1) * whole.length) / 2);
      expect(logits.length).toBe(part.length);
      const { relative, index } = worstDifference(logits, part);
      expect(relative, `logits row ${row} index ${index}`).toBeLessThanOrEqual(tolerance("logits"));
    }
    await pipeline.dispose();
    runtime.dispose();
  });

  test.each(builds)("greedy and penalised ids are equal, %s build", async (build) => {
    const runtime = await debugRuntime(build);
    const pipeline = await Pipeline.fromDirectory(folder, { runtime, onWarning: () => {} });
    const generated = async (prompt: number[], options: object = {}) => {
      const base = { return_dict_in_generate: true, max_new_tokens: 24, eos_token_id: null } as const;
      return (await pipeline.generate(prompt, { ...base, ...options })).ids;
    };
    const list = (name: string) => Array.from(expected(name) as unknown as BigInt64Array, Number);
    expect([...(await generated(rows[0])), ...(await generated(rows[1]))]).toEqual(list("greedy"));
    if (!facts.eos_token_id_of_greedy_eos_and_beam3_eos) return runtime.dispose();
    expect(await generated(rows[0], { repetition_penalty: 1.3 })).toEqual(list("greedy_repetition_1.3"));
    expect(await generated(rows[0], { no_repeat_ngram_size: 2 })).toEqual(list("greedy_no_repeat_2"));
    const eos = facts.eos_token_id_of_greedy_eos_and_beam3_eos;
    expect([...(await generated(rows[0], { eos_token_id: eos })), eos]).toEqual(list("greedy_eos"));
    runtime.dispose();
  });
});
