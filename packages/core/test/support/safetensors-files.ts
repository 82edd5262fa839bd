import fc from "fast-check";

/** One generated `.safetensors` file: well-formed, or with up to three things wrong with it. */
export interface GeneratedFile {
  readonly bytes: Uint8Array;
  readonly mutations: readonly string[];
}

const encoder = new TextEncoder();
const widths: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  F8_E4M3FNUZ: 1,
  F8_E5M2FNUZ: 1,
  F6_E2M3: 0.75,
  F6_E3M2: 0.75,
  F4: 0.5,
  C64: 8,
};

interface Tensor {
  name: string;
  dtype: string;
  shape: number[];
}

interface Mutation {
  kind: number;
  at: number;
  value: number;
}

const oddNames = [
  "__proto__",
  "constructor",
  "",
  "a\0b",
  "../../x",
  "ü",
  "한",
  "😀",
  '"',
  "\\",
  "\n",
  "\ufeff",
  "\u2028",
];
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "h.0.attn.weight", "h.1.attn.weight", "wte") },
  { weight: 1, arbitrary: fc.constantFrom(...oddNames) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 6 }) },
);
const tensor: fc.Arbitrary<Tensor> = fc.record({
  name,
  dtype: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom("F32", "F16", "BF16", "U8", "I64") },
    { weight: 1, arbitrary: fc.constantFrom(...Object.keys(widths)) },
  ),
  shape: fc.array(fc.nat(4), { maxLength: 3 }),
});
const draft = fc.record({
  tensors: fc.uniqueArray(tensor, { maxLength: 5, selector: (each) => each.name }),
  metadata: fc.option(fc.array(fc.tuple(name, name), { maxLength: 2 }), { freq: 3 }),
  order: fc.nat(5),
  style: fc.nat(15),
  mutations: fc.array(fc.record({ kind: fc.nat(1000), at: fc.nat(1000), value: fc.nat(1000) }), { maxLength: 3 }),
});

/** Files near the format: about a third are well-formed. */
export const safetensorsFile: fc.Arbitrary<GeneratedFile> = draft.map(
  ({ tensors, metadata, order, style, mutations }) => {
    const file = new Draft(tensors, metadata, style);
    file.rotate(order);
    const names = mutations.map((mutation) => file.mutate(mutation));
    return { bytes: file.bytes(), mutations: names };
  },
);

const values = [
  ...["2.0", "2e0", "-0", "02", "9007199254740991", "9007199254740993", "18446744073709551614", "1e400", '"2"', "null"],
  ...["-1", "0", "1", "4", "18446744073709551616", "[1]", "{}", "true", "4294967296", "9223372036854775807", "NaN"],
];
const fieldValues = [
  ...['"f32"', '"F32"', '"F31"', "5", "null", '"F4"', '{"F32":null}', '"\\u0046\\u0033\\u0032"', "[]", '"constructor"'],
];
const extras = [
  ...['"x":1', '"x":[{"y":null}]', '"x":"\\ud800"', '"x":1e400', '"dtype":"F32"', '"shape":[]', '"data_offsets":[0,0]'],
  ...['"x":1,"x":2', '"":{}', `"x":${"[".repeat(126)}${"]".repeat(126)}`, `"x":${"[".repeat(125)}${"]".repeat(125)}`],
];
const entries = [
  ...['"__metadata__":null', '"__metadata__":{}', '"__metadata__":{"a":1}', '"__metadata__":{"a":"b","a":"c"}'],
  ...['"__metadata__":{"a":{"b":"c"}}', '"__metadata__":[]', '"a":["U8",[],[0,1]]', '"z":{}', '"z":null', '"z":[]'],
  ...[
    '"z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}',
    '"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}',
  ],
  ...['"\\ud83d\\ude00":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}', '"__metadata__":{"a":null}'],
];
const junk = [
  "\0",
  "\ufeff",
  "NaN",
  "\\",
  '"',
  ",",
  "{",
  "}",
  "[",
  "]",
  ":",
  " ",
  "\t",
  "\u00a0",
  "\v",
  "\\ud800",
  "\\u0061",
  "0",
];

/** A header in pieces of JSON text, so that a mutation can change one piece and leave the rest well-formed. */
class Draft {
  private readonly tensors: { key: string; fields: [name: string, value: string][] }[] = [];
  private readonly others: string[] = [];
  private readonly style: number;
  private dataBytes = 0;
  private edits: ((text: number[]) => void)[] = [];
  private length = (n: bigint) => n;

  constructor(tensors: readonly Tensor[], metadata: readonly [string, string][] | null, style: number) {
    this.style = style;
    const wide = (style & 1) === 1 ? [...tensors].sort((a, b) => widths[b.dtype] - widths[a.dtype]) : tensors;
    for (const { name, dtype, shape } of wide) {
      const size = Math.floor(shape.reduce((product, axis) => product * axis, 1) * widths[dtype]);
      const offsets = `[${this.dataBytes},${this.dataBytes + size}]`;
      this.dataBytes += size;
      const fields: [string, string][] = [
        ["dtype", `"${dtype}"`],
        ["shape", `[${shape.join(",")}]`],
        ["data_offsets", offsets],
      ];
      this.tensors.push({ key: this.text(name), fields: (style & 2) === 2 ? fields.reverse() : fields });
    }
    if (metadata) {
      const pairs = metadata.map(([key, value]) => `${this.text(key)}:${this.text(value)}`);
      this.others.push(`"__metadata__":{${pairs.join(",")}}`);
    }
  }

  /** The header's order need not be that of the data. */
  rotate(by: number): void {
    for (let turn = 0; turn < by && this.tensors.length > 0; turn++) this.tensors.push(this.tensors.shift()!);
  }

  mutate({ kind, at, value }: Mutation): string {
    const names = Object.keys(this.mutators);
    const chosen = names[kind % names.length];
    this.mutators[chosen](at, value);
    return chosen;
  }

  bytes(): Uint8Array {
    const space = (this.style & 4) === 4 ? " \n" : "";
    const tensors = this.tensors.map(({ key, fields }) => {
      return `${key}:${space}{${fields.map(([field, value]) => (field ? `"${field}":${value}` : value)).join(`,${space}`)}}`;
    });
    const text = `${space}{${[...this.others, ...tensors].join(`,${space}`)}}`;
    const header = this.edited(encoder.encode(text));
    const file = new Uint8Array(8 + header.length + Math.max(0, this.dataBytes));
    new DataView(file.buffer).setBigUint64(0, BigInt.asUintN(64, this.length(BigInt(header.length))), true);
    file.set(header, 8);
    return file;
  }

  private edited(text: Uint8Array): ArrayLike<number> {
    const padding = (this.style & 8) === 8 ? (8 - (text.length % 8)) % 8 : 0;
    if (padding + this.edits.length === 0) return text;
    const bytes: number[] = [];
    for (let index = 0; index < text.length; index++) bytes.push(text[index]);
    for (let pad = 0; pad < padding; pad++) bytes.push(0x20);
    for (const edit of this.edits) edit(bytes);
    return bytes;
  }

  private text(name: string): string {
    const json = JSON.stringify(name);
    return (this.style & 3) === 3 ? json.replace(/[a-z]/, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : json;
  }

  private pick(at: number): { key: string; fields: [name: string, value: string][] } {
    return this.tensors.length > 0 ? this.tensors[at % this.tensors.length] : { key: "", fields: [["", "0"]] };
  }

  private setField(field: string, at: number, change: (old: string) => string): void {
    const entry = this.pick(at).fields.find(([name]) => name === field);
    if (entry) entry[1] = change(entry[1]);
  }

  /** Replaces one of the numbers of `[1,2]`. */
  private setNumber(field: string, at: number, change: (old: string) => string): void {
    this.setField(field, at, (old) => {
      const parts = old.slice(1, -1).split(",");
      parts[at % parts.length] = change(parts[at % parts.length]);
      return `[${parts.join(",")}]`;
    });
  }

  private readonly mutators: Record<string, (at: number, value: number) => void> = {
    "shape value": (at, value) => this.setNumber("shape", at, () => values[value % values.length]),
    "offset value": (at, value) => this.setNumber("data_offsets", at, () => values[value % values.length]),
    "offset moved": (at, value) => this.setNumber("data_offsets", at, (old) => String(Number(old) + (value % 7) - 3)),
    "tensor moved": (at, value) => {
      const by = (value % 5) - 2;
      this.setField(
        "data_offsets",
        at,
        (old) =>
          `[${old
            .slice(1, -1)
            .split(",")
            .map((each) => Number(each) + by)}]`,
      );
    },
    "offsets swapped": (at) => this.setField("data_offsets", at, (old) => `[${old.slice(1, -1).split(",").reverse()}]`),
    "offset added": (at) => this.setField("data_offsets", at, (old) => `${old.slice(0, -1)},0]`),
    "offset removed": (at) => this.setField("data_offsets", at, (old) => old.replace(/,[^,]*\]$/, "]")),
    "axis added": (at) => this.setField("shape", at, (old) => (old === "[]" ? "[1]" : `${old.slice(0, -1)},1]`)),
    "axes added": (at, value) => this.setField("shape", at, () => `[${new Array(14 + (value % 5)).fill(1)}]`),
    "dtype value": (at, value) => this.setField("dtype", at, () => fieldValues[value % fieldValues.length]),
    "dtype other": (at, value) => {
      const names = Object.keys(widths);
      this.setField("dtype", at, () => `"${names[value % names.length]}"`);
    },
    "field removed": (at, value) => this.pick(at).fields.splice(value % 3, 1),
    "field repeated": (at, value) => this.pick(at).fields.push(["", extras[value % extras.length]]),
    "field added": (at, value) => this.pick(at).fields.unshift(["", extras[value % extras.length]]),
    "tensor repeated": (at) => {
      if (this.tensors.length > 0) this.tensors.push(this.pick(at));
    },
    "tensor removed": (at) => this.tensors.splice(at % Math.max(1, this.tensors.length), 1),
    "entry added": (_at, value) => this.others.push(entries[value % entries.length]),
    "data cut": (_at, value) => {
      this.dataBytes -= 1 + (value % 2);
    },
    "data added": (_at, value) => {
      this.dataBytes += 1 + (value % 9);
    },
    "length moved": (_at, value) =>
      this.edit(
        () => undefined,
        (n) => n + BigInt((value % 5) - 2),
      ),
    "length value": (_at, value) =>
      this.edit(
        () => undefined,
        () => [0n, -1n, 2n ** 32n + 60n, 100_000_001n, 7n][value % 5],
      ),
    "byte deleted": (at) => this.edit((text) => text.splice(at % Math.max(1, text.length), 1)),
    "byte replaced": (at, value) => this.edit((text) => text.splice(at % Math.max(1, text.length), 1, value % 256)),
    "text inserted": (at, value) => {
      const inserted = encoder.encode(junk[value % junk.length]);
      this.edit((text) => text.splice(at % (text.length + 1), 0, ...inserted));
    },
    "text cut": (at) => this.edit((text) => text.splice(at % Math.max(1, text.length))),
    "space around": (_at, value) => this.edit((text) => (value % 2 ? text.push(0x0a, 0x09) : text.unshift(0x20, 0x0d))),
  };

  private edit(edit: (text: number[]) => void, length = this.length): void {
    this.edits.push(edit);
    this.length = length;
  }
}
