// A page that lets its bundler, or its import map, find the kernels beside the package, and our own G2P.
import { Pipeline } from "kiloformer";
import { expose } from "./expose.js";
import { sayOwn } from "./own-g2p.js";
import { tokenizeHere } from "./tokenize.js";

expose(Pipeline, () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
globalThis.sayOwn = sayOwn;
globalThis.tokenizeHere = tokenizeHere;
