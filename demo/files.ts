/** The files of a model's folder that the page opens, and which are missing. */
export function modelFiles(files: readonly File[]): {
  readonly chosen: Record<string, File>;
  readonly name: string;
  readonly missing: readonly string[];
} {
  const wanted = files.filter(({ name }) => /\.(safetensors|json|model)$/.test(name));
  const chosen = Object.fromEntries(wanted.map((file) => [file.name, file]));
  const has = (pattern: RegExp) => wanted.some(({ name }) => pattern.test(name));
  const missing = [
    ...(has(/^config\.json$/) ? [] : ["config.json"]),
    ...(has(/\.safetensors$/) ? [] : ["model.safetensors"]),
    ...(has(/^vocab\.json$|\.model$/) ? [] : ["vocab.json or tokenizer.model"]),
  ];
  const [folder] = files
    .map(({ webkitRelativePath }) => webkitRelativePath.split("/")[0])
    .filter((part) => part !== "");
  return { chosen, name: folder ?? "your model", missing };
}
