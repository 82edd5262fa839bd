// Every encoder's folder that is at hand: what PyTorch computes, row by row, on every build.
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { EncoderModel } from "../src/architecture.ts";
import { encoderOf } from "../src/encoding/encoder.ts";
import { firstRows } from "../src/layers.ts";
import { architectures } from "../src/registry.ts";
import { expectNear, openFolder, readExpected } from "./open.ts";
import { builds, readJson, shared } from "./shared.ts";

const kinds = ["encoder", "masked-lm", "sequence-classification", "token-classification"];
const ours = fileURLToPath(new URL("../../../verify/fixtures/", import.meta.url));
const folders = [ours, `${shared}references/`]
  .filter(existsSync)
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((folder) => existsSync(join(folder, "expected.safetensors")))
  .filter((folder) => kinds.includes(readJson(join(folder, "expected.json")).kind));

/** Ids of each row without its padding. */
function rowsOf({ ids, has }: ReturnType<typeof readExpected>) {
  const masks = ids("attention_mask");
  const types = has("token_type_ids") ? ids("token_type_ids") : undefined;
  return ids("input_ids").map((row, index) => {
    const length = masks[index].lastIndexOf(1) + 1;
    return { ids: row.slice(0, length), typeIds: types?.[index].slice(0, length) };
  });
}

describe.each(folders.map((folder) => [basename(folder), folder]))("%s", (_, folder) => {
  const expected = readExpected(folder);
  const { facts, file, shape } = expected;
  const rows = rowsOf(expected);

  test.each(builds)("computes what PyTorch computes, %s build", async (build) => {
    const loaded = await openFolder(folder, architectures, build);
    expect(loaded.warnings).toEqual([]);
    const { heads } = loaded.model as EncoderModel;
    const encoder = encoderOf(loaded);
    let compared = 0;
    const near = (name: string, row: number, values: Float32Array) => {
      const whole = file.array(name) as Float32Array;
      const size = whole.length / shape(name)[0];
      const part = whole.subarray(row * size, row * size + values.length);
      expectNear(`${name} of row ${row}`, values, part, facts.pytorch_float32_error[name], whole);
      compared++;
    };
    for (const [index, row] of rows.entries()) {
      if (facts.kind === "encoder") {
        const states = await encoder.hiddenStates(row);
        for (const [layer, state] of states.entries()) near(`hidden_states.${layer}`, index, state);
        near("last_hidden_state", index, states.at(-1)!);
        if (expected.has("pooler_output")) {
          const [pooled] = await encoder.run(
            [row],
            (x, batch) => heads.pooler!(firstRows(x, batch)),
            () => 1,
          );
          near("pooler_output", index, pooled);
        }
        continue;
      }
      const length = row.ids.length;
      const [logits] =
        facts.kind === "masked-lm"
          ? await encoder.run([row], heads.maskedLm!, () => length)
          : facts.kind === "token-classification"
            ? await encoder.run([row], heads.tokenClassification!, () => length)
            : await encoder.run([row], heads.sequenceClassification!, () => 1);
      near("logits", index, logits);
    }
    expect(compared).toBeGreaterThanOrEqual(rows.length);
    loaded.runtime.dispose();
  });

  test.each(builds)("rows that are picked are those of all, bit for bit, %s build", async (build) => {
    const loaded = await openFolder(folder, architectures, build);
    const encoder = encoderOf(loaded);
    const { hiddenSize: D } = loaded.model as EncoderModel;
    const all = await encoder.states(rows);
    const placesOf = ({ ids }: { readonly ids: readonly number[] }) => {
      return ids.length < 3 ? [0] : [0, ids.length >> 1, ids.length - 1];
    };
    for (const picks of [() => [0], placesOf]) {
      const picked = await encoder.states(rows, { picks });
      for (const [index, row] of rows.entries()) {
        const expected = picks(row).map((place) => all[index].subarray(place * D, (place + 1) * D));
        expect(picked[index], `row ${index}`).toEqual(Float32Array.from(expected.flatMap((values) => [...values])));
      }
    }
    for (const place of [-1, 0.5, rows[0].ids.length]) {
      const refused = encoder.states([rows[0]], { picks: () => [place] });
      await expect(refused).rejects.toMatchObject({ code: "bad-option" });
    }
    const layers = encoder.hiddenStates(rows[0], { picks: () => [0] } as never);
    await expect(layers).rejects.toMatchObject({ code: "unknown-option" });
    loaded.runtime.dispose();
  });

  test("a row of a batch is the row alone, bit for bit", async () => {
    const loaded = await openFolder(folder, architectures, builds.at(-1)!);
    const encoder = encoderOf(loaded);
    const together = await encoder.states(rows);
    for (const [index, row] of rows.entries()) {
      const [alone] = await encoder.states([row]);
      expect(together[index]).toEqual(alone);
    }
    loaded.runtime.dispose();
  });
});
