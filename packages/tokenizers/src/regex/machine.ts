import { mismatch } from "../errors.ts";
import type { Finder } from "../finder.ts";

/** What an instruction does. After it comes `next`, where nothing else is said. */
export const run = 0; // takes from `min` to `max` code points of a set, as many as it can, and gives them back one by one
export const possessiveRun = 1; // the same, but gives none back
export const choice = 2; // the first of `branches` that leads to a match
export const atomic = 3; // a match of the program at branches[0], whichever is found first
export const look = 4; // goes on if there is a match of branches[1] here or up to `max` before; or none, if `min` is 1
export const save = 5; // sets the register `min` to the position
export const unlessEmpty = 6; // to branches[0] if the position is beyond the register `min`, else to branches[1]
export const searchStart = 7; // goes on where the search began
export const sameText = 8; // the text between the registers `min` and `min + 1` once more
export const accept = 9; // a match; this is instruction 0
export const acceptBehind = 10; // a match if it ends where the lookbehind began; this is instruction 1

/** One step of a program. All have the same fields, so that the machine stays monomorphic. */
export interface Instruction {
  readonly op: number;
  readonly next: number;
  /** By kind: 1 for the characters of a set; for a choice the bits of the branches that can begin with one. For kind 0, which is no kind, -1. */
  readonly table: number[];
  readonly branches: number[];
  readonly min: number;
  readonly max: number;
  /** Whether this fails at a position where it failed before. */
  readonly canRemember: boolean;
}

/** A set of characters: the expression that matches one, and the table that its instructions share. */
export interface CharacterTable {
  readonly members: RegExp;
  readonly table: number[];
}

/** Where characters of a set follow one another. */
interface Run {
  readonly table: readonly number[];
  readonly begin: number;
  readonly end: number;
}
const noRun: Run = { table: [], begin: 0, end: -1 };

/** What a pattern is compiled to. */
export interface Program {
  readonly where: string;
  readonly source: string;
  readonly instructions: readonly Instruction[];
  /** The choice that every match begins with. */
  readonly start: number;
  readonly sets: readonly CharacterTable[];
  readonly registers: number;
}

/** The kind of what is in no set, such as the end of the text. */
const endKind = 1;
/** The `max` of a run of any length. */
export const endless = 2 ** 30 - 1;
// A run of so many characters is looked at in another way, which takes long to begin with.
const longRun = 64;
const smallStack = 1 << 12;
const keptStack = 1 << 16;
const largestStack = 1 << 27;
// What searches may take of a short text: about a second.
const manySteps = 4e7;

/**
 * A compiled regular expression: a backtracking machine whose stack is an array.
 *
 * It sees the text as kinds of characters: two are of one kind where no set of the pattern tells them apart. So a set
 * is a small table by kind, and a choice knows from the next character which of its branches are worth a try. When a
 * search takes far more steps than the text has characters, the machine begins to remember what it tried in vain.
 */
export class Pattern implements Finder {
  begin = 0;
  end = 0;
  readonly #program: Program;
  readonly #registers: Int32Array;
  /** By code point, 0 where it is not known yet. Units that begin a surrogate pair stay unknown. */
  readonly #kinds = new Uint16Array(0x110000);
  readonly #kindBySignature = new Map<string, number>();
  /** Three numbers for each state to go back to: instruction, position, and what is left to try there. */
  #stack: Int32Array = new Int32Array(smallStack);
  /** Whether what matches depends on where a search began. */
  readonly #asksForStart: boolean;
  #text = "";
  /** Where the search began, and the last call; and where a call stopped from which the search goes on, or -1. */
  #from = 0;
  #last = 0;
  #stoppedAt = -1;
  /** The last long run in this text. */
  #longRun = noRun;
  /** Counted from the beginning of a text on. */
  #steps = 0;
  #mostSteps = 0;
  /** What is left, in this text, for searches that take long. */
  #spareSteps = 0;
  /** A bit for each position and instruction that was tried, once the search takes long. */
  #tried: Uint8Array | undefined;

  constructor(program: Program) {
    this.#program = program;
    this.#registers = new Int32Array(program.registers);
    this.#asksForStart = program.instructions.some(({ op }) => op === searchStart);
    this.#learn("");
  }

  /** @throws {TokenizerError} `unsupported` where this takes too many steps or too much memory */
  exec(text: string, from: number, until = text.length): boolean {
    const { start, instructions } = this.#program;
    const { table } = instructions[start];
    // Back in a text: it is encoded anew, or several times at once.
    if (from === 0 || from < this.#last || text !== this.#text) {
      this.#longRun = noRun;
      this.#steps = 0;
      this.#spareSteps = manySteps + 128 * text.length;
      this.#stoppedAt = -1;
    }
    this.#last = from;
    this.#text = text;
    if (from !== this.#stoppedAt) {
      // A search takes long by itself, or as all of them together do.
      this.#mostSteps = Math.min(this.#steps + smallStack + 8 * (text.length - from), manySteps + 512 * text.length);
      this.#from = from;
      this.#tried = undefined;
    }
    if (this.#registers.length > 0) this.#registers.fill(-1);
    let end = -1;
    let begin = from;
    let isStopped = false;
    while (!isStopped) {
      if (table[this.#kindAt(begin)] > 0) end = this.#match(start, begin, 0);
      this.begin = begin;
      if (end >= 0 || begin >= text.length) break;
      begin = this.#skip(table, 0, this.#after(begin), until);
      isStopped = begin >= until && begin < text.length && !this.#asksForStart;
    }
    this.end = end >= 0 ? end : begin;
    this.#stoppedAt = isStopped ? begin : -1;
    if (this.#stack.length > keptStack) this.#stack = new Int32Array(smallStack);
    if (isStopped) return false;
    if (this.#tried) this.#spareSteps = this.#mostSteps - this.#steps;
    this.#tried = undefined;
    return end >= 0;
  }

  #kindAt(position: number): number {
    const text = this.#text;
    if (position >= text.length) return endKind;
    const codePoint = text.codePointAt(position)!;
    const kind = this.#kinds[codePoint];
    if (kind > 0) return kind;
    const learned = this.#learn(String.fromCodePoint(codePoint));
    if (codePoint >> 10 !== 0x36) this.#kinds[codePoint] = learned;
    return learned;
  }

  /** The kind of a character, and of no character. */
  #learn(character: string): number {
    const { sets, instructions } = this.#program;
    const members = sets.map((set) => Number(set.members.test(character)));
    const signature = members.join("");
    const known = this.#kindBySignature.get(signature);
    if (known) return known;
    const kind = this.#kindBySignature.size + endKind;
    this.#kindBySignature.set(signature, kind);
    for (const [index, { table }] of sets.entries()) table[kind] = members[index];
    for (const { op, branches, table } of instructions) {
      if (op !== choice) continue;
      table[kind] = branches.reduce((bits, branch, index) => bits | (Number(this.#canBegin(branch, kind)) << index), 0);
    }
    return kind;
  }

  /** Whether the program at `pc` can match before a character of this kind. */
  #canBegin(pc: number, kind: number): boolean {
    const reached = new Set([pc]);
    for (const at of reached) {
      const { op, next, table, branches, min } = this.#program.instructions[at];
      if (op >= sameText || table[kind] > 0) return true;
      if (op <= choice && table.length > kind && (op === choice || min > 0)) continue;
      for (const follower of branches.length > 0 ? branches : [next]) reached.add(follower);
    }
    return false;
  }

  #after(position: number): number {
    return position + (this.#text.codePointAt(position)! > 0xffff ? 2 : 1);
  }

  #before(position: number): number {
    return position - (this.#text.codePointAt(position - 2)! > 0xffff ? 2 : 1);
  }

  /** Runs the program at `pc` from `position` on, with the stack above `base`: the end of its match, or -1. */
  #match(pc: number, position: number, base: number): number {
    const { instructions } = this.#program;
    const text = this.#text;
    const { length } = text;
    const kinds = this.#kinds;
    const registers = this.#registers;
    let stack = this.#stack;
    let top = base;
    let left = -1; // what is left to try, where the machine went back to a state; never negative there
    for (;;) {
      const instruction = instructions[pc];
      const { op, min } = instruction;
      let { next } = instruction;
      let keep = -1; // what will be left to try
      let failed = false;
      switch (op) {
        case run:
        case possessiveRun:
          if (left < 0) {
            const { table, max } = instruction;
            failed = max > 1 && this.#isVain(pc, position);
            if (failed) break;
            let count = 0;
            keep = position;
            for (; count < max; count++) {
              const known = position < length ? kinds[text.charCodeAt(position)] : 0;
              if (table[known || this.#kindAt(position)] === 0) break;
              position = known > 0 ? position + 1 : this.#after(position);
              if (count < min) keep = position;
              else if (count === longRun && max === endless) {
                const begin = position;
                position = this.#skipRun(table, begin);
                count += position - begin;
              }
            }
            failed = count < min;
            this.#steps += count;
          } else {
            position = this.#before(position);
            keep = left;
          }
          if (position > keep + 1 && op === run) position = this.#giveBack(instructions[next], position, keep);
          // Before acceptance nothing can fail.
          if (position === keep || op === possessiveRun || next === 0) keep = -1;
          break;
        case choice: {
          const { branches } = instruction;
          const bits = left < 0 ? instruction.table[this.#kindAt(position)] : left;
          failed = bits === 0 || (left < 0 && this.#isVain(pc, position));
          if (failed) break;
          next = branches[31 - Math.clz32(bits & -bits)];
          const rest = bits & (bits - 1);
          if (rest === 0) break;
          keep = rest;
          // If acceptance is to be tried next, what is below it will never be.
          if (branches[31 - Math.clz32(rest & -rest)] === 0) top = base;
          break;
        }
        case atomic:
          position = this.#match(instruction.branches[0], position, top);
          stack = this.#stack;
          failed = position < 0;
          break;
        case look: {
          const { end } = this;
          this.end = position;
          let found = -1;
          for (let count = 0, at = position; found < 0 && at >= 0 && count <= instruction.max; count++) {
            this.#steps++;
            found = this.#match(instruction.branches[1], at, top);
            at = this.#before(at);
          }
          stack = this.#stack;
          this.end = end;
          failed = found < 0 !== min > 0;
          break;
        }
        case save:
          failed = left >= 0;
          keep = registers[min] + 1;
          registers[min] = failed ? left - 1 : position;
          break;
        case unlessEmpty:
          next = instruction.branches[position > registers[min] ? 0 : 1];
          break;
        case searchStart:
          failed = position !== this.#from;
          break;
        case sameText: {
          const group = text.slice(registers[min], registers[min + 1]);
          failed = registers[min + 1] < 0 || !text.startsWith(group, position);
          position += group.length;
          this.#steps += group.length;
          break;
        }
        default:
          failed = op === acceptBehind && position !== this.end;
          if (!failed) return position;
      }
      if (failed) {
        if (top === base) return -1;
        left = stack[--top];
        position = stack[--top];
        pc = stack[--top];
        continue;
      }
      if (keep >= 0) {
        if (top + 3 > stack.length) stack = this.#grow();
        stack[top++] = pc;
        stack[top++] = position;
        stack[top++] = keep;
      }
      left = -1;
      pc = next;
    }
  }

  /** Goes on from `position` over characters that a table says `value` for, as far as their kinds are known, and to `until` or one unit more. */
  #skip(table: readonly number[], value: number, position: number, until: number): number {
    const text = this.#text;
    const kinds = this.#kinds;
    const end = Math.min(until, text.length);
    for (let at = position; ; at += 2) {
      while (at < end && table[kinds[text.charCodeAt(at)]] === value) at++;
      const codePoint = at < end ? text.codePointAt(at)! : 0;
      if (codePoint <= 0xffff || table[kinds[codePoint]] !== value) return at;
    }
  }

  /** The same for the members of a set, to the end of their run, which another branch may ask for again. */
  #skipRun(table: readonly number[], position: number): number {
    const { table: last, begin, end } = this.#longRun;
    if (table === last && begin <= position && position <= end) return end;
    this.#longRun = { table, begin: position, end: this.#skip(table, 1, position, this.#text.length) };
    return this.#longRun.end;
  }

  /** Where a run of several goes on: what comes next may need a character of a set, and then fails behind all others. */
  #giveBack({ op, min, table }: Instruction, position: number, least: number): number {
    if (op > possessiveRun || min === 0) return position;
    if (position - least > longRun) {
      // The engine's own expressions look fastest.
      const { members } = this.#program.sets.find((set) => set.table === table)!;
      if (!members.test(this.#text.slice(least, this.#after(position)))) return least;
    }
    let at = position;
    while (at > least && table[this.#kindAt(at)] === 0) at = this.#before(at);
    return at;
  }

  /** Counts the steps, and says whether this state was tried before, so that it will fail again. */
  #isVain(pc: number, position: number): boolean {
    const { instructions } = this.#program;
    if (++this.#steps > this.#mostSteps) {
      const states = (this.#text.length - this.#from + 1) * instructions.length;
      if (this.#tried || states > 2 ** 32) throw this.#tooMuch();
      this.#tried = new Uint8Array(Math.ceil(states / 8));
      this.#mostSteps = this.#steps + this.#spareSteps;
    }
    if (!this.#tried || !instructions[pc].canRemember) return false;
    const state = (position - this.#from) * instructions.length + pc;
    const bit = 1 << (state & 7);
    const isTried = (this.#tried[state >>> 3] & bit) !== 0;
    this.#tried[state >>> 3] |= bit;
    return isTried;
  }

  #grow(): Int32Array {
    if (this.#stack.length >= largestStack) throw this.#tooMuch();
    const grown = new Int32Array(2 * this.#stack.length);
    grown.set(this.#stack);
    this.#stack = grown;
    return grown;
  }

  #tooMuch(): Error {
    const { where, source } = this.#program;
    return mismatch("unsupported", where, "a regular expression that takes less time and memory", source);
  }
}
