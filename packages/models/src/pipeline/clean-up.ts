import type { DecodeStream } from "@kiloformer/tokenizers";

// What may yet be a space that goes, and its punctuation or contraction.
const unsure = / +[n' ]*[^ ]{0,3}$/;

/** A stream without the spaces that `cleanUp` takes away. */
export function cleaned(stream: DecodeStream, cleanUp: (text: string) => string): DecodeStream {
  let held = "";
  return {
    push(id) {
      const text = held + stream.push(id);
      const [rest = ""] = unsure.exec(text) ?? [];
      held = rest;
      return cleanUp(text.slice(0, text.length - rest.length));
    },
    end: () => cleanUp(held + stream.end()),
  };
}
