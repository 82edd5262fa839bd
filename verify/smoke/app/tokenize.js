// What tokenizers make of texts must not depend on the engine: its expressions, its Unicode, its way to sort.
import { Tokenizer } from "@kiloformer/tokenizers";

const attempt = (run) => {
  try {
    return run();
  } catch (error) {
    return error.code ?? String(error);
  }
};

/** Of each folder `{ name, files, texts }`, whose files may be zipped: ids, offsets, words and the text that comes back, or the error's code. */
export async function tokenizeAll(folders, read) {
  const results = [];
  for (const { name, files, texts } of folders) {
    const entry = async (file) => [file.replace(/\.gz$/, ""), await read(name, file)];
    const opened = Object.fromEntries(await Promise.all(files.map(entry)));
    const tokenizer = attempt(() => Tokenizer.from(opened));
    const encode = (text) => {
      const { ids, offsets, word_ids } = tokenizer.encode(text);
      return [ids, offsets, word_ids, tokenizer.decode(ids)];
    };
    results.push(typeof tokenizer === "string" ? tokenizer : texts.map((text) => attempt(() => encode(text))));
  }
  return results;
}

/** The same on a page: JSON in and out, as lone surrogates come through nothing else. */
export async function tokenizeHere({ base, folders }) {
  const read = async (name, file) => {
    const { body } = await fetch(`${base}${name}/${file}`);
    const content = file.endsWith(".gz") ? body.pipeThrough(new DecompressionStream("gzip")) : body;
    return new Uint8Array(await new Response(content).arrayBuffer());
  };
  return JSON.stringify(await tokenizeAll(JSON.parse(folders), read));
}
