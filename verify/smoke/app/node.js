// A user's Node program: `kiloformer` resolves through the package's exports, the model is a folder.
import { readFile } from "node:fs/promises";
import { Pipeline } from "kiloformer";
import { describeError, tellAll } from "./story.js";

const { directory, stories, threads } = JSON.parse(await readFile(process.argv[2], "utf8"));
// `fromFiles` of a folder's files: what `fromDirectory` does, so one class stands in for the other.
const FromDirectory = { fromFiles: (path, options) => Pipeline.fromDirectory(path, options) };
try {
  console.log(JSON.stringify(await tellAll(FromDirectory, () => directory, stories, { threads })));
} catch (error) {
  console.log(JSON.stringify(describeError(error)));
}
