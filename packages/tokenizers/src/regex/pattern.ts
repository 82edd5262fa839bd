import { mismatch } from "../errors.ts";
import * as machine from "./machine.ts";

/** A part of a pattern. */
interface Part {
  /** The most code points that it can take. */
  readonly longest: number;
  /** Whether it can match the empty text. */
  readonly canBeEmpty: boolean;
  /** The table of a part that is one character of a set. */
  readonly table?: number[];
  /** Adds the instructions of this part, which go on at `next`; returns where they begin. */
  compile(next: number): number;
}

const mostRepeats = 1000;
const mostInstructions = 50_000;
const deepest = 200;

/** What other syntax is short for; the letters are those that, where case is ignored, equal one character too. */
const shorthands: Readonly<Record<string, string>> = {
  ".": "[^\\n]",
  "^": "(?:\\A|(?<=\\n)(?!\\z))",
  $: "(?=\\n|\\z)",
  "\\A": "(?<!(?m:.))",
  "\\z": "(?!(?m:.))",
  "\\Z": "(?=\\n?\\z)",
  "\\b": "(?:(?<=\\w)(?!\\w)|(?<!\\w)(?=\\w))",
  "\\B": "(?:(?<=\\w)(?=\\w)|(?<!\\w)(?!\\w))",
  ss: "(?:(?-i:[ßẞ])|[s][s])",
  st: "(?:(?-i:[ﬅﬆ])|[s][t])",
  ff: "(?:(?-i:[ﬀ])|[f][f])",
  fi: "(?:(?-i:[ﬁ])|[f][i])",
  fl: "(?:(?-i:[ﬂ])|[f][l])",
};

const word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
/** Classes that JavaScript does not know by one name. */
const classes = new Map([
  ["alnum", "\\p{Alphabetic}\\p{Nd}"],
  ["ascii", "\\0-\\x7f"],
  ["blank", "\\t\\p{Zs}"],
  ["graph", "[^\\p{space}\\p{Cc}\\p{Cn}\\p{Cs}]"],
  ["print", "[^\\p{Cc}\\p{Cn}\\p{Cs}\\p{Zl}\\p{Zp}]"],
  ["word", word],
  ["xdigit", "\\da-fA-F"],
]);

/**
 * Compiles a regular expression of a tokenizer file, which is in Oniguruma's syntax.
 * @param where what messages name
 * @throws {TokenizerError} `unsupported` where it is wrong or asks for what is not built in
 */
export function compilePattern(pattern: string, where: string): machine.Pattern {
  const instructions: machine.Instruction[] = [];
  const sets = new Map<string, machine.CharacterTable>();
  let source = pattern;
  let at = 0;
  let depth = 0;
  let groups = 0;
  let lastReference = 0;
  let isCut = false;
  let looks = 0;
  let loops = 0;

  function fail(): never {
    throw mismatch("unsupported", where, "a regular expression that is built in", pattern);
  }

  /** Takes what a sticky expression matches here. */
  function take(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = at;
    const found = sticky.exec(source);
    if (found) at = sticky.lastIndex;
    return found;
  }

  // What parts are made of.

  function add(op: number, next: number, fields: Partial<machine.Instruction> = {}): number {
    const { table = [-1], branches = [], min = 0, max = 0 } = fields;
    const canRemember = op <= machine.choice && looks + lastReference === 0;
    if (instructions.length > mostInstructions) fail();
    return instructions.push({ op, next, table, branches, min, max, canRemember }) - 1;
  }

  /** The branches by priority; a choice has at most 30, so that their bits are a small number. */
  function addChoice(branches: number[]): number {
    const first = branches.length > 30 ? [...branches.slice(0, 29), addChoice(branches.slice(29))] : branches;
    return add(machine.choice, 0, { branches: first });
  }

  function part(longest: number, canBeEmpty: boolean, compile: Part["compile"]): Part {
    return { longest, canBeEmpty, compile };
  }

  /** One character of a class as JavaScript's `v` flag reads it. */
  function oneOf(members: string, flags = "v"): Part {
    let set = sets.get(flags + members);
    if (!set) {
      try {
        set = { members: new RegExp(members, flags), table: [-1] };
      } catch {
        fail();
      }
      sets.set(flags + members, set);
    }
    const { table } = set;
    return { ...part(1, false, (next) => add(machine.run, next, { table, min: 1, max: 1 })), table };
  }

  function alternation(parts: Part[]): Part {
    if (parts.length === 1) return parts[0];
    const longest = Math.max(...parts.map((each) => each.longest));
    const canBeEmpty = parts.some((each) => each.canBeEmpty);
    return part(longest, canBeEmpty, (next) => addChoice(parts.map((each) => each.compile(next))));
  }

  function sequence(parts: Part[]): Part {
    if (parts.length === 1) return parts[0];
    const longest = parts.reduce((sum, each) => sum + each.longest, 0);
    const canBeEmpty = parts.every((each) => each.canBeEmpty);
    return part(longest, canBeEmpty, (next) => parts.reduceRight((entry, each) => each.compile(entry), next));
  }

  function repeat(once: Part, min: number, max: number, suffix: string): Part {
    const { table, longest, canBeEmpty } = once;
    const isLazy = suffix === "?";
    if (min > max) fail();
    if (table && !isLazy) {
      const op = suffix ? machine.possessiveRun : machine.run;
      return part(max, min === 0, (next) => add(op, next, { table, min, max }));
    }
    if (suffix === "+") return atomic(repeat(once, min, max, ""));
    // What takes no character is the same once as often.
    const least = longest > 0 ? min : Math.min(min, 1);
    const most = longest > 0 ? max : Math.min(max, 1);
    if (least > mostRepeats || (most > mostRepeats && most < machine.endless)) fail();
    const inOrder = (again: number, exit: number): number[] => (isLazy ? [exit, again] : [again, exit]);
    const rest = part(longest * (most - least), true, (next) => {
      let entry = next;
      if (most < machine.endless) {
        for (let count = least; count < most; count++) entry = addChoice(inOrder(once.compile(entry), next));
        return entry;
      }
      const branches: number[] = [];
      const loop = addChoice(branches);
      if (canBeEmpty) {
        const register = { min: 2 * groups + loops++ };
        entry = once.compile(add(machine.unlessEmpty, 0, { ...register, branches: [loop, next] }));
        entry = add(machine.save, entry, register);
      } else {
        entry = once.compile(loop);
      }
      branches.push(...inOrder(entry, next));
      return loop;
    });
    return sequence([...Array<Part>(least).fill(once), rest]);
  }

  function atomic({ longest, canBeEmpty, compile }: Part): Part {
    isCut = true;
    return part(longest, canBeEmpty, (next) => add(machine.atomic, next, { branches: [compile(0)] }));
  }

  function look(body: Part, isBehind: boolean, isNegated: boolean): Part {
    const max = isBehind ? body.longest : 0;
    if (max >= machine.endless) fail();
    isCut ||= groups > 0;
    return part(0, true, (next) => {
      looks++;
      const branches = [next, body.compile(Number(isBehind))];
      looks--;
      return add(machine.look, next, { branches, min: Number(isNegated), max });
    });
  }

  // The syntax. Options are the letters in force: "i" ignores case, with "m" a dot is any character.

  function alternatives(options: string): Part {
    const parts: Part[] = [];
    if (++depth > deepest) fail();
    do {
      const terms: Part[] = [];
      while (at < source.length && !/[|)]/.test(source[at])) terms.push(quantified(atom(options)));
      parts.push(sequence(terms));
    } while (take(/\|/y));
    depth--;
    return alternation(parts);
  }

  function quantified(once: Part): Part {
    const found = take(/([*+?])([?+]?)|\{(\d+)\}|\{(?=,?\d)(\d*),(\d*)\}(\??)/y);
    if (!found) return once;
    const [, symbol, suffix = found[6] ?? "", exactly, least = exactly, most = exactly] = found;
    const min = symbol ? Number(symbol === "+") : Number(least);
    return quantified(repeat(once, min, symbol === "?" ? 1 : Number(most || machine.endless), suffix));
  }

  function atom(options: string): Part {
    const ignoresCase = options.includes("i");
    if (take(/\(/y)) return group(options);
    if (take(/\[/y)) {
      const members = bracket();
      // Where case is ignored, JavaScript reads negated classes within others, and those of ligatures, otherwise.
      if (ignoresCase && /.\[\^(?!\\p\{[sdA]|\\d)|^\[\[.*u\{(df|fb0)/.test(members)) fail();
      return oneOf(members, ignoresCase ? "iv" : "v");
    }
    if (options.includes("m") && take(/\./y)) return oneOf("[^]");
    const short = take(/[.^$]|\\[AzZbB]/y) ?? (ignoresCase && take(/(?:ss|st|f[fil])(?![*+?{])|[ßﬀ-ﬂﬅﬆ]/iuy));
    if (short) {
      const key = short[0];
      source = (shorthands[key] ?? shorthands[key.toLowerCase().toUpperCase().toLowerCase()]) + source.slice(at);
      at = 0;
      return atom(options);
    }
    if (take(/\\G/y)) return part(0, true, (next) => add(machine.searchStart, next));
    const reference = Number(take(/\\([1-9])(?!\d)/y)?.[1]);
    if (reference) {
      if (ignoresCase) fail();
      lastReference = Math.max(lastReference, reference);
      return part(machine.endless, true, (next) => add(machine.sameText, next, { min: 2 * reference - 2 }));
    }
    if (/[*+?]/.test(source[at])) fail();
    const begin = at;
    const members = item();
    if (members[0] === "[") return oneOf(members.replace(word, `${word}²³¹¼-¾`));
    if (ignoresCase && source.slice(begin, at).toUpperCase().length > at - begin) fail();
    return oneOf(members, ignoresCase ? "iv" : "v");
  }

  function group(options: string): Part {
    if (take(/\?#[^)]*\)/y)) return sequence([]);
    const found = take(/\?(?:(:|>|<?[=!]|<[a-zA-Z_]\w*>)|([im]*)(?:-([im]*))?([:)]))/y);
    if (!found && source[at] === "?") fail();
    const [, kind = "", on = "", off = "", end] = found ?? [];
    const register = found ? 0 : 2 * groups++;
    const body = alternatives([...options, ...on].filter((letter) => !off.includes(letter)).join(""));
    // Options alone hold up to the end of the group around them.
    if (end !== ")" && !take(/\)/y)) fail();
    if (kind === ">") return atomic(body);
    if (/^<?[=!]/.test(kind)) return look(body, kind[0] === "<", kind.endsWith("!"));
    if (found) return body;
    return part(body.longest, body.canBeEmpty, (next) => {
      if (lastReference === 0) return body.compile(next);
      return add(machine.save, body.compile(add(machine.save, next, { min: register + 1 })), { min: register });
    });
  }

  /** A character or a class, as it is written in a JavaScript class. */
  function item(): string {
    const found = take(
      /\\(?:[tnrfv]|0(?!\d)|x[0-7][\da-fA-F]|u(?![dD][89a-fA-F])[\da-fA-F]{4})|\\(?:x(\{[\da-fA-F]+\})|([dhsw])|([DHSW])|([pP])\{(\^?)([\w -]+)\})|\\([^a-zA-Z\d])|([^\\])/suy,
    );
    if (!found) fail();
    const [all, hexadecimal, letter, notLetter, property, not, name, escaped, character = escaped] = found;
    if (hexadecimal) return `\\u${hexadecimal}`;
    if (name) return classOf(name, (property === "P") !== (not === "^"));
    const short = letter ?? notLetter?.toLowerCase();
    if (short) return classOf({ d: "digit", h: "xdigit", s: "space", w: "word" }[short]!, !letter);
    return character ? `\\u{${character.codePointAt(0)!.toString(16)}}` : all;
  }

  /** A class by its name, which may be spelled with spaces and in any case. */
  function classOf(name: string, isNegated: boolean): string {
    const lower = name.trim().toLowerCase().replace(/[ -]/g, "_");
    const title = lower.replace(/(?<![a-z])[a-z]/g, (letter) => letter.toUpperCase());
    let members = classes.get(lower);
    for (const spelling of [name, lower, title, `Script=${title}`]) {
      try {
        members ??= new RegExp(`\\p{${spelling}}`, "u").source;
      } catch {
        // The next spelling, then.
      }
    }
    return `[${isNegated ? "^" : ""}${members ?? fail()}]`;
  }

  /** The rest of a bracket class, as JavaScript's `v` flag reads it. */
  function bracket(): string {
    const negated = take(/\^/y) ? "^" : "";
    let operands = "";
    let members = take(/\]/y) ? "\\]" : "";
    if (++depth > deepest) fail();
    while (!take(/\]/y)) {
      const posix = take(/\[:(\^?)(\w+):\]/y);
      if (posix) {
        // This name, unlike that of the property, means the symbols too.
        const not = posix[1] === "^";
        members += posix[2] === "punct" ? `[${posix[1]}\\p{P}\\p{S}]` : classOf(posix[2], not);
      } else if (take(/&&/y)) {
        operands += `[${members}]&&`;
        members = "";
      } else if (take(/\[/y)) {
        members += bracket();
      } else {
        const begin = item();
        members += begin;
        if (!take(/-(?!\])/y)) continue;
        const end = take(/(?=\[|&&)/y) ? "[" : item();
        if (begin[0] === "[" || end[0] === "[") fail();
        members += `-${end}`;
      }
    }
    depth--;
    return `[${negated}${operands}[${members}]]`;
  }

  add(machine.accept, 0);
  add(machine.acceptBehind, 0);
  const whole = alternatives("");
  if (at < source.length || lastReference > groups || (lastReference > 0 && isCut)) fail();
  const start = addChoice([whole.compile(0)]);
  const registers = 2 * groups + loops;
  return new machine.Pattern({ where, source: pattern, instructions, start, sets: [...sets.values()], registers });
}
