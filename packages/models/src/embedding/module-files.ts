// The files that modules.json leads to.
import {
  ConfigError,
  listNames,
  parseJsonObject,
  parseSafetensors,
  readAll,
  type SafetensorsFile,
  type Source,
  type TensorInfo,
  toTensorArray,
  WeightError,
} from "@kiloformer/core";
import { fromBFloat16, fromFloat16 } from "@kiloformer/core/reference";
import { ConfigReader, show } from "../config.ts";
import { complain, readConfig } from "../pipeline/load.ts";
import type { PipelineOptions } from "../pipeline/options.ts";

export const MODULES = "modules.json";
/** The largest dense layers published are about 40 MB. */
const LAYER_BYTES = 2 ** 30;
/** A folder's name, or folders in each other: nothing that leads elsewhere. */
const safePath = /^\w[\w.-]*(\/\w[\w.-]*)*\/?$/;

/** An entry of modules.json. */
export interface ModuleEntry {
  /** The class's name, without where the library has it; "" for classes of others. */
  readonly kind: string;
  /** As the file has it. */
  readonly type: string;
  /** "" for the model's folder, else with a slash at its end. */
  readonly path: string;
}

/**
 * The list of modules.json.
 * @throws {ConfigError} as `parseJsonObject`; `not-a-list`, `bad-value`, `unsafe-path`
 */
export function parseModules(bytes: Uint8Array): ModuleEntry[] {
  const list = parseList(bytes);
  return list.map((entry, index) => {
    const { type, path } = Object(entry) as Record<string, unknown>;
    const where = `${MODULES}: expected [${index}]`;
    if (typeof type !== "string") throw bad("bad-value", `${where}.type to be a class's name, got ${show(type)}`, type);
    if (path !== "" && path !== "." && !(typeof path === "string" && safePath.test(path))) {
      throw bad("unsafe-path", `${where}.path to be a folder of the model, got ${show(path)}`, path);
    }
    const kind = /^sentence_transformers\.(?:\w+\.)*(\w+)$/.exec(type)?.[1] ?? "";
    return { kind, type, path: path === "." ? "" : (path as string).replace(/[^/]$/, "$&/") };
  });
}

/** An array is no root that the parser of configs takes: it becomes the only member of an object. */
function parseList(bytes: Uint8Array): unknown[] {
  const [before, after] = ['{"modules":', "}"].map((text) => new TextEncoder().encode(text));
  const whole = new Uint8Array(before.length + bytes.length + after.length);
  whole.set(before);
  whole.set(bytes, before.length);
  whole.set(after, before.length + bytes.length);
  const { modules, ...others } = parseJsonObject(whole, MODULES);
  if (Array.isArray(modules) && Object.keys(others).length === 0) return modules;
  throw bad("not-a-list", `${MODULES}: expected a list of modules, got ${show(modules)}`, modules);
}

function bad(code: string, message: string, value: unknown): ConfigError {
  return new ConfigError(code, message, { file: MODULES, value });
}

/** A JSON file, read key by key. */
export class ModuleConfig extends ConfigReader {
  text(key: string): string | undefined {
    this.ignore(key);
    if (!this.has(key)) return undefined;
    const value = this.raw[key];
    if (typeof value === "string") return value;
    throw this.bad(key, "text");
  }

  /** A count, or undefined where there is none. */
  count(key: string): number | undefined {
    return this.has(key) ? this.integer(key) : undefined;
  }
}

/** A model's files, as its modules read them. */
export class ModuleFiles {
  readonly sources: ReadonlyMap<string, Source>;
  readonly #options: PipelineOptions;

  constructor(sources: ReadonlyMap<string, Source>, options: PipelineOptions) {
    this.sources = sources;
    this.#options = options;
  }

  /**
   * What `read` makes of a JSON file, or of an empty one where there is none. Keys that it did not ask for are spoken of.
   * @throws {ConfigError} `unknown-key` with `strict`
   */
  async config<T>(name: string, read: (config: ModuleConfig) => T): Promise<T> {
    const config = new ModuleConfig((await readConfig(this.sources, name, this.#options.signal)) ?? {}, name);
    const result = read(config);
    const keys = config.finish(() => false);
    if (keys.length === 0) return result;
    const message = `${name}: expected only keys that this runtime knows, got ${listNames(keys)}`;
    complain(this.#options, new ConfigError("unknown-key", message, { keys }));
    return result;
  }

  /**
   * The weights in a module's folder.
   * @throws {ConfigError} `missing-file`
   */
  async weights(path: string): Promise<ModuleWeights> {
    const name = `${path}model.safetensors`;
    const source = this.sources.get(name);
    if (source) {
      const bytes = await readAll(source, { maxBytes: LAYER_BYTES, signal: this.#options.signal });
      return new ModuleWeights(parseSafetensors(bytes, { file: name }));
    }
    const pickled = `${path}pytorch_model.bin`;
    const got = this.sources.has(pickled) ? `${pickled} only, which is a Python pickle` : "none";
    throw new ConfigError("missing-file", `${name}: expected this file, got ${got}`, { file: name });
  }
}

/** The tensors of a module, in float64. */
export class ModuleWeights {
  readonly #file: SafetensorsFile;

  constructor(file: SafetensorsFile) {
    this.#file = file;
  }

  /** @throws {WeightError} `missing`, `misshaped`, `unsupported-dtype` */
  get(name: string, expected: readonly number[]): Float64Array {
    const { file, tensors } = this.#file;
    const info = tensors.get(name);
    if (!info)
      throw new WeightError("missing", `${file}: expected tensors that are missing: ${name}`, { missing: [name] });
    if (info.shape.join() !== expected.join()) {
      const shapes = `${name} of shape [${expected.join(", ")}], got [${info.shape.join(", ")}]`;
      throw new WeightError("misshaped", `${file}: expected ${shapes}`, { file, name, expected, actual: info.shape });
    }
    return toFloats(info, this.#file.view(name));
  }
}

/**
 * The values of a tensor.
 * @throws {WeightError} `unsupported-dtype`
 */
export function toFloats(
  { dtype, file, name }: Pick<TensorInfo, "dtype" | "file" | "name">,
  bytes: Uint8Array,
): Float64Array {
  const values = toTensorArray(dtype, bytes) as ArrayLike<number>;
  if (dtype === "F32" || dtype === "F64") return Float64Array.from(values);
  if (dtype === "F16") return Float64Array.from(values, fromFloat16);
  if (dtype === "BF16") return Float64Array.from(values, fromBFloat16);
  const message = `${file}: expected ${name} of dtype F64, F32, F16 or BF16, got ${dtype}`;
  throw new WeightError("unsupported-dtype", message, { file, name, actual: dtype });
}
