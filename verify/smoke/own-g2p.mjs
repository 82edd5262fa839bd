// What `import { g2p } from "kiloformer/g2p"` says elsewhere must be what it says here, bit for bit.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { project } from "./project.mjs";

let expected;

/** Throws where it is not. */
export async function checkOwnG2P(said) {
  if (!expected) {
    const { sayOwn } = await import(pathToFileURL(join(project, "own-g2p.js")));
    expected = await sayOwn();
  }
  const [here, there] = [expected, said].map((value) => JSON.stringify(value));
  if (here !== there) throw new Error(`expected ${here}, got ${there}`);
  return `"${said[0][0].ipa}" as in Node, ${said.flat().length} ways bit for bit`;
}
