// What the engine and the machine can do at most: loops in AssemblyScript, whose file is made where the benchmark runs.

/** Twelve sums that do not wait for each other keep every unit of a core busy. */
const sums = Array.from({ length: 12 }, (_, index) => `a${index}`);
const begin = (zero) => sums.map((sum) => `let ${sum} = ${zero}.splat(0);`).join(" ");
const each = (expression) => sums.map((sum) => `${sum} = ${expression(sum)};`).join(" ");
const total = (type) => `${type}.extract_lane(${sums.reduce((left, right) => `${type}.add(${left}, ${right})`)}, 0)`;

// Operands come from memory: a constant inside a loop is made anew in each turn.
const source = `
export function fusedMultiplyAdd(count: i32): f32 {
  ${begin("f32x4")}
  const x = v128.load(64), y = v128.load(128);
  for (let i = 0; i < count; i++) { ${each((sum) => `f32x4.relaxed_madd(x, y, ${sum})`)} }
  return ${total("f32x4")};
}
export function multiplyThenAdd(count: i32): f32 {
  ${begin("f32x4")}
  const x = v128.load(64);
  for (let i = 0; i < count; i++) { ${each((sum) => `f32x4.add(x, f32x4.mul(${sum}, x))`)} }
  return ${total("f32x4")};
}
export function dotProduct8(count: i32): i32 {
  ${begin("i32x4")}
  const x = v128.load(64), y = v128.load(128);
  for (let i = 0; i < count; i++) { ${each((sum) => `i32x4.relaxed_dot_i8x16_i7x16_add_s(x, y, ${sum})`)} }
  return ${total("i32x4")};
}
export function readMemory(begin: usize, bytes: i32): f32 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const part = bytes / 4;
  for (let place = begin, end = begin + part; place < end; place += 32) {
    a = f32x4.add(a, f32x4.add(v128.load(place), v128.load(place, 16)));
    const second = place + part, third = second + part, fourth = third + part;
    b = f32x4.add(b, f32x4.add(v128.load(second), v128.load(second, 16)));
    c = f32x4.add(c, f32x4.add(v128.load(third), v128.load(third, 16)));
    d = f32x4.add(d, f32x4.add(v128.load(fourth), v128.load(fourth, 16)));
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), 0);
}
`;

/** The loops as a WebAssembly module. */
export async function limitsModule() {
  const asc = (await import("assemblyscript/asc")).default;
  const features = { enable: ["simd", "relaxed-simd"], optimizeLevel: 3, runtime: "stub", initialMemory: 2 };
  const { binary, error, stderr } = await asc.compileString(source, features);
  if (error) throw new Error(`limits: ${stderr}`);
  return binary;
}
