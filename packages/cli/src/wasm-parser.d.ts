/** The part of @webassemblyjs/wasm-parser 1.14 that is used here; the package has no types of its own. */
declare module "@webassemblyjs/wasm-parser" {
  interface NumberLiteral {
    readonly value: number;
    readonly loc: { readonly end: { readonly column: number } };
  }
  interface SectionMetadata {
    readonly section: string;
    /** `loc.end` is where the payload begins. */
    readonly size: NumberLiteral;
  }
  type Field =
    | { readonly type: "Memory"; readonly limits: { readonly min: number } }
    | { readonly type: "ModuleExport"; readonly name: string; readonly descr: { readonly exportType: string } }
    | {
        readonly type: "Data";
        readonly offset: { readonly args: readonly NumberLiteral[] };
        readonly init: { readonly values: readonly number[] };
      }
    | { readonly type: "Global" | "TypeInstruction" | "Func" | "ModuleImport" };
  interface Program {
    readonly body: readonly {
      readonly fields: readonly Field[];
      readonly metadata: { readonly sections: readonly SectionMetadata[] };
    }[];
  }
  export function decode(
    bytes: Uint8Array,
    options?: { readonly ignoreCodeSection?: boolean; readonly ignoreDataSection?: boolean },
  ): Program;
}
