export { fileSource } from "@kiloformer/core/node";
export { type OpenDirectory, readDirectory } from "./platform/directory-node.ts";
