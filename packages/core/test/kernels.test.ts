import { describe, expect, test } from "vitest";
import { cases } from "./kernels-cases.ts";
import { builds } from "./kernels-harness.ts";

const exportsOf = (module: WebAssembly.Module, kind: string) =>
  WebAssembly.Module.exports(module)
    .filter((each) => each.kind === kind)
    .map(({ name }) => name);

describe.each(builds)("$name kernels", (build) => {
  for (const kernel of exportsOf(build.module, "function")) {
    test(`${kernel} ${cases[kernel]?.behaviour ?? "has a case"}`, () => {
      expect(cases, `a case for the export ${kernel}`).toHaveProperty(kernel);
      cases[kernel].sweep(build);
    });
  }
});

test("both builds export the same kernels, and every case has one", () => {
  for (const { module } of builds) expect(exportsOf(module, "function").sort()).toEqual(Object.keys(cases).sort());
});

test("a module tells which build it is", () => {
  for (const { module, name, kernels } of builds) {
    expect(exportsOf(module, "global").sort()).toEqual(["DOT_STEPS", "RELAXED"]);
    expect(kernels.RELAXED).toHaveProperty("value", name === "relaxed" ? 1 : 0);
  }
});

test("the modules import a memory and nothing else", () => {
  for (const { module } of builds) {
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  }
});
