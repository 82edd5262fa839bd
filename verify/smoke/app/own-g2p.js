// Our own grapheme-to-phoneme model, which comes with the package: nothing says where it is.
import { g2p } from "kiloformer/g2p";

const texts = ["Hello 안녕하세요", "The 3 knights said: 'Enough!'", "제3장, K팝", ""];

/** All that is said, on the kernels whose bits are the same everywhere. */
export async function sayOwn() {
  const pipeline = await g2p({ deterministic: true });
  const said = await pipeline.pronounceBatch(texts, { num_return_sequences: 2 });
  await pipeline.dispose();
  return said;
}
