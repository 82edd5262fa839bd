// A page that lets its bundler, or its import map, find the kernels beside the package.
import { Pipeline } from "kiloformer";
import { expose } from "./expose.js";

expose(Pipeline, () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
