/** hourcoin.yaml: a validator's options by their long names. Whatever is not exactly that is refused, with the line and what to do. */

import { type Argument, InvalidArgumentError, type Option } from 'commander';
import { Composer, type CST, isMap, isScalar, isSeq, LineCounter, type Node, Parser, type Scalar } from 'yaml';
import { readValue } from './arguments.js';
import { ExitError } from './exit.js';

/** What a file sets, and the line of it. */
export interface FileValue {
  readonly value: unknown;
  readonly line: number;
}

/** What may be set, by the name that it has in the file. */
type Known = ReadonlyMap<string, Argument | Option>;

/** Throws the ExitError of what is at an offset of the text. */
type Refuse = (offset: number, why: string) => never;

/** A mapping with lists in it has two. yaml goes as deep as the stack, and then the process may end. */
const DEEPEST = 8;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Reads what a file sets. Throws an ExitError that names the file, line and column, and says what to do. */
export function readConfigFile(path: string, text: string, known: Known): Map<string, FileValue> {
  const lines = new LineCounter();
  const refuse: Refuse = (offset, why) => {
    const { line, col } = lines.linePos(offset);
    throw new ExitError(`${path}:${line}:${col}: ${why}`, 2);
  };
  const values = new Map<string, FileValue>();
  for (const { key, value } of entries(parse(text, lines, refuse), refuse)) {
    const name = scalarText(key, refuse);
    const [offset] = key.range ?? [0];
    const declared = known.get(name) ?? refuse(offset, `there is no option '${name}': ${hint(name, known)}`);
    const before = values.get(name);
    if (before !== undefined) refuse(offset, `${name} is set twice, first in line ${before.line}: keep one of them`);
    values.set(name, { value: readSetting(name, declared, value, offset, refuse), line: lines.linePos(offset).line });
  }
  return values;
}

/** The one document of a file; null where it is empty. */
function parse(text: string, lines: LineCounter, refuse: Refuse): Node | null {
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const deep = tooDeep(tokens, DEEPEST);
  if (deep !== undefined) refuse(deep.offset, 'this is nested too deeply: an option has one value, or a list of them');
  // Every value stays the text that it is, for the parsers of the command line: a difficulty never becomes a double.
  const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, prettyErrors: false });
  const [document, another] = [...composer.compose(tokens, true, text.length)];
  const [problem] = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
  if (problem !== undefined) refuse(problem.pos[0], `this is not YAML as it is read here: ${problem.message}`);
  if (another !== undefined) refuse(another.range[0], 'a second document begins here: keep one of them');
  return document?.contents ?? null;
}

/** The first token that is nested in more than so many others. */
function tooDeep(tokens: readonly (CST.Token | null | undefined)[], depth: number): CST.Token | undefined {
  for (const token of tokens) {
    if (!token) continue;
    if (depth === 0) return token;
    const inside =
      'items' in token
        ? token.items.flatMap((item) => [item.key, item.value])
        : token.type === 'document'
          ? [token.value]
          : [];
    const found = tooDeep(inside, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function* entries(contents: Node | null, refuse: Refuse): Generator<{ key: Node; value: Node | null }> {
  // An empty file sets nothing.
  if (contents === null || (isScalar(contents) && contents.value === '')) return;
  if (!isMap<Node, Node | null>(contents)) {
    return refuse(contents.range?.[0] ?? 0, 'this is no list of options: write one a line, as in "log-level: debug"');
  }
  yield* contents.items;
}

/** A value, or the values of a list, as the command line's parsers read them. */
function readSetting(
  name: string,
  declared: Argument | Option,
  node: Node | null,
  keyOffset: number,
  refuse: Refuse,
): unknown {
  const items = isSeq<Node | null>(node) ? node.items : [node];
  const offset = node?.range?.[0] ?? keyOffset;
  if (items.length === 0) refuse(offset, `the list of ${name} is empty: leave it out`);
  let value: unknown;
  for (const item of items) {
    const at = item?.range?.[0] ?? offset;
    const text = isScalar(item) && isNothing(item) ? undefined : item && scalarText(item, refuse);
    if (text === undefined || text === null) return refuse(at, `${name} has no value: give it one, or leave it out`);
    try {
      value = readValue(declared, text, value);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      refuse(at, `'${text}' is invalid for ${name}. ${error.message}`);
    }
  }
  if (isSeq(node) && !Array.isArray(value)) refuse(offset, `${name} has one value: write it without a list`);
  if (!isSeq(node) && Array.isArray(value)) refuse(offset, `${name} is a list: write each value in a line with "- "`);
  return value;
}

/** YAML's ways of writing null. A value of that text stands in quotes. */
function isNothing({ type, value }: Scalar): boolean {
  return type === 'PLAIN' && /^(|~|null|Null|NULL)$/.test(String(value));
}

function scalarText(node: Node, refuse: Refuse): string {
  const [offset] = node.range ?? [0];
  if (!isScalar(node)) refuse(offset, 'here stands one value: no mapping, list or alias');
  const text = String((node as Scalar).value);
  if (CONTROL.test(text)) refuse(offset, 'a value is one line, without control characters');
  return text;
}

/** What may have been meant. */
function hint(name: string, known: Known): string {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const [nearest] = [...known.keys()]
    .map((one) => ({ one, distance: editDistance(plain(name), plain(one)) }))
    .sort((a, b) => a.distance - b.distance);
  if (nearest === undefined || nearest.distance > nearest.one.length / 3) return 'see hourcoin validator --help';
  return `did you mean ${nearest.one}?`;
}

/** How many letters must be put in, left out or replaced to make one text of the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const [left = 0, above = 0, diagonal = 0] = [next[j], row[j + 1], row[j]];
      next.push(Math.min(left + 1, above + 1, diagonal + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
