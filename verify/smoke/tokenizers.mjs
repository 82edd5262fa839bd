// The fixtures' tokenizers give in every browser what they give in Node, where `npm run tokenizers` compares them with the libraries.
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { project } from "./project.mjs";
import { root } from "./tools.mjs";

export const fixtures = join(root, "verify/fixtures/tokenizers");
const read = (name, file) => {
  const bytes = readFileSync(join(fixtures, name, file));
  return file.endsWith(".gz") ? gunzipSync(bytes) : bytes;
};

function readFolders() {
  const paths = readdirSync(fixtures, { recursive: true }).filter((path) => basename(path) === "vectors.json.gz");
  return paths.sort().map((path) => {
    const name = dirname(path).replaceAll(sep, "/");
    const files = readdirSync(join(fixtures, name)).filter((file) => file !== "vectors.json.gz");
    const { cases } = JSON.parse(read(name, "vectors.json.gz"));
    const texts = cases.map(({ text, a = text }) => a).filter((text) => typeof text === "string");
    return { name, files, texts };
  });
}

let expected;

/** Asks a page by `ask(argument)`; throws at the first difference. */
export async function checkTokenizers(ask) {
  const folders = readFolders();
  const { tokenizeAll } = await import(pathToFileURL(join(project, "tokenize.js")));
  expected ??= await tokenizeAll(folders, read);
  const told = JSON.parse(await ask({ base: "/tokenizers/", folders: JSON.stringify(folders) }));
  for (const [index, { name, texts }] of folders.entries()) {
    for (const [at, text] of texts.entries()) {
      const [here, there] = [expected[index][at], told[index][at]].map((value) => JSON.stringify(value));
      if (here !== there) throw new Error(`${name}, ${JSON.stringify(text)}: expected ${here}, got ${there}`);
    }
  }
  const opened = expected.filter((results) => typeof results !== "string");
  return `${opened.length} tokenizers, ${opened.flat().length} texts as in Node`;
}
