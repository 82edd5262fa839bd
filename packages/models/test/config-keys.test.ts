// What keys of config.json come to, against the same model with other keys.
import { describe, expect, test } from "vitest";
import { openChanged } from "./open.ts";

const ids = [3, 7, 1, 9, 20];

async function logitsOf(folder: string, config: object = {}): Promise<Float32Array> {
  const pipeline = await openChanged(folder, config);
  const logits = await pipeline.logits(ids);
  await pipeline.dispose();
  return logits;
}

describe("MPNet counts positions from 2, and leaves out tokens of id 1", () => {
  test.each([0, 3, null, 100])("with pad_token_id %j", async (pad_token_id) => {
    expect(await logitsOf("mpnet-masked-lm", { pad_token_id })).toEqual(await logitsOf("mpnet-masked-lm"));
    const pipeline = await openChanged("mpnet-masked-lm", { pad_token_id });
    expect((await pipeline.encode(Array(31).fill(5))).length).toBe(31 * 18);
    await expect(pipeline.encode(Array(32).fill(5))).rejects.toMatchObject({ code: "prompt-too-long" });
    await pipeline.dispose();
  });

  test("and needs a position behind those", async () => {
    const opening = openChanged("mpnet-masked-lm", { max_position_embeddings: 2 });
    await expect(opening).rejects.toMatchObject({ code: "bad-value", fields: { key: "max_position_embeddings" } });
  });
});
