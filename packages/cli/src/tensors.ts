import type { TensorInfo } from "kiloformer";
import { alignColumns, formatBytes, plural } from "./format.ts";
import { escapeControls } from "./terminal.ts";

/** Names are any text, up to a megabyte. */
const NAME_CHARACTERS = 100;

/** A number of a layer or the like, in a name; 007 is none. */
const number = /(?<!\d)(?:0|[1-9]\d{0,8})(?!\d)/g;

/** What is told of a tensor. */
export interface TensorLine extends Pick<TensorInfo, "name" | "shape" | "begin" | "end"> {
  readonly dtype: string;
}

/** Tensors that differ in the numbers of their names only: one for each layer, say. */
interface Group {
  readonly info: TensorLine;
  readonly names: string[];
}

/** What tensors of one dtype add up to. */
export interface DtypeTotal {
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
}

/** A tensor's parameters: of quantized weights, two for each byte of 4 bits, and none for the scales. */
export function parametersOf({ name, dtype, shape }: TensorInfo, tensors: ReadonlyMap<string, TensorInfo>): number {
  const isQuantized = (info: TensorInfo | undefined) => info?.dtype === "I8" || info?.dtype === "U8";
  const owner = /^(.*)\.(scale|zero_point)$/s.exec(name)?.[1];
  if (owner !== undefined && isQuantized(tensors.get(owner))) return 0;
  const elements = shape.reduce((product, axis) => product * axis, 1);
  return dtype === "U8" && tensors.get(`${name}.scale`)?.shape.length === 2 ? 2 * elements : elements;
}

/** Totals by dtype, the one with the most bytes first. */
export function dtypeTotals(tensors: ReadonlyMap<string, TensorInfo>): Map<string, DtypeTotal> {
  const totals = new Map<string, DtypeTotal>();
  for (const info of tensors.values()) {
    const before = totals.get(info.dtype) ?? { tensors: 0, parameters: 0, bytes: 0 };
    totals.set(info.dtype, {
      tensors: before.tensors + 1,
      parameters: before.parameters + parametersOf(info, tensors),
      bytes: before.bytes + info.end - info.begin,
    });
  }
  return new Map([...totals].sort(([, a], [, b]) => b.bytes - a.bytes));
}

/** The tensors as an aligned list; those that differ by a number only share a line. */
export function listTensors(tensors: ReadonlyMap<unknown, TensorLine>): string[] {
  const groups = new Map<string, Group>();
  for (const info of tensors.values()) {
    const key = [info.name.replace(number, "#"), info.dtype, ...info.shape].join("\0");
    const group = groups.get(key);
    if (group) group.names.push(info.name);
    else groups.set(key, { info, names: [info.name] });
  }
  const rows = [...groups.values()].map(({ info, names }) => {
    const bytes = (info.end - info.begin) * names.length;
    const count = names.length > 1 ? `x ${names.length}` : "";
    return [`  ${showName(mergeNames(names))}`, info.dtype, `[${info.shape.join(", ")}]`, count, formatBytes(bytes)];
  });
  return [`${plural(tensors.size, "tensor")}:`, ...alignColumns(rows, [4])];
}

/** `h.0.w`, `h.1.w`, `h.2.w` -> `h.{0-2}.w`. */
function mergeNames(names: readonly string[]): string {
  if (names.length === 1) return names[0];
  const numbers = names.map((name) => name.match(number)!);
  let position = 0;
  return names[0].replace(number, () => {
    const values = new Set(numbers.map((list) => list[position]));
    position++;
    return values.size === 1 ? [...values][0] : `{${ranges([...values].map(Number))}}`;
  });
}

/** 0, 1, 2, 5 -> `0-2,5`. */
function ranges(values: readonly number[]): string {
  const parts: [from: number, to: number][] = [];
  for (const value of [...values].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last && value === last[1] + 1) last[1] = value;
    else parts.push([value, value]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

function showName(name: string): string {
  const short =
    name.length > NAME_CHARACTERS ? `${name.slice(0, NAME_CHARACTERS)}... (${name.length} characters)` : name;
  return short === "" ? '""' : escapeControls(short);
}
