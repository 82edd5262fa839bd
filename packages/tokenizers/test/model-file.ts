/** A piece of a `.model` file: its text, score and type (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte). */
export type PieceEntry = readonly [piece: string, score: number, type: number];

/** A NormalizerSpec. */
export interface NormalizerFields {
  readonly charsmap?: Uint8Array;
  readonly add_dummy_prefix?: boolean;
  readonly remove_extra_whitespaces?: boolean;
  readonly escape_whitespaces?: boolean;
}

/** What a `.model` file is made of; what is left out is left out of the file. */
export interface ModelFile extends NormalizerFields {
  readonly pieces: readonly PieceEntry[];
  readonly model_type?: number;
  readonly treat_whitespace_as_suffix?: boolean;
  readonly byte_fallback?: boolean;
  readonly unk_surface?: string;
  readonly bos_piece?: string;
  readonly denormalizer?: NormalizerFields;
}

/** The first pieces of most models. */
export const basics: readonly PieceEntry[] = [
  ["<unk>", 0, 2],
  ["<s>", 0, 3],
  ["</s>", 0, 3],
];

/** The 256 byte pieces. */
export const bytePieces: readonly PieceEntry[] = Array.from({ length: 256 }, (_, byte) => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  0,
  6,
]);

/** Normal pieces in order of merging: the first has the highest score. */
export const normal = (...pieces: string[]): PieceEntry[] => pieces.map((piece, index) => [piece, -index, 1]);

/** Encodes a SentencePiece `.model` file. */
export function modelFile(model: ModelFile): Uint8Array {
  const trainer = [
    number(3, model.model_type ?? 2),
    number(24, model.treat_whitespace_as_suffix),
    number(35, model.byte_fallback),
    bytes(44, model.unk_surface),
    bytes(46, model.bos_piece),
  ];
  return concatenate([
    ...model.pieces.map(([piece, score, type]) =>
      bytes(1, concatenate([bytes(1, piece), float(2, score), number(3, type)])),
    ),
    bytes(2, concatenate(trainer)),
    bytes(3, normalizerSpec(model)),
    bytes(5, model.denormalizer && normalizerSpec(model.denormalizer)),
  ]);
}

function normalizerSpec(spec: NormalizerFields): Uint8Array {
  return concatenate([
    bytes(2, spec.charsmap),
    number(3, spec.add_dummy_prefix),
    number(4, spec.remove_extra_whitespaces),
    number(5, spec.escape_whitespaces),
  ]);
}

/** A varint field. */
export function number(field: number, value: number | boolean | undefined): Uint8Array {
  return value === undefined ? new Uint8Array() : Uint8Array.from([...varint(field * 8), ...varint(Number(value))]);
}

/** A field with a length: text or bytes. */
export function bytes(field: number, value: string | Uint8Array | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array();
  const data = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return concatenate([Uint8Array.from([...varint(field * 8 + 2), ...varint(data.length)]), data]);
}

/** A float field. */
export function float(field: number, value: number): Uint8Array {
  return concatenate([Uint8Array.from(varint(field * 8 + 5)), new Uint8Array(Float32Array.of(value).buffer)]);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
