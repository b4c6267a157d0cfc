/** `hourcoin config`: checks what a validator would run with, without starting one, and shows where each value comes from. */

import { stringify } from 'yaml';
import { planDoors } from '../doors.js';
import { formatDifficulty } from '../engine/difficulty.js';
import { outsideTime } from '../outside-time.js';
import { makeLog } from './log.js';
import type { Configuration, Setting } from './settings.js';
import { colour, harmless, say } from './text.js';
import { doorOptions, type ValidatorArguments, warnOf } from './validator.js';

/** Where the comments begin. */
const COMMENT_COLUMN = 40;

/**
 * Prints it, as JSON or as a hourcoin.yaml that says the same, and then checks what needs no chain: addresses, certificates, time sources.
 *
 * Throws the StartError or ExitError that the validator would end with.
 */
export async function runConfig(
  { file, settings, values, strays }: Configuration<ValidatorArguments>,
  isJson: boolean,
): Promise<void> {
  const shown = settings.map((setting) => ({ ...setting, value: plain(setting.value) }));
  if (isJson) {
    const byName = Object.fromEntries(
      shown.map(({ name, value, source, where }) => [name, { value: value ?? null, source, where: where ?? null }]),
    );
    say(JSON.stringify({ file: file ?? null, settings: byName }, null, 2));
  } else {
    say(colour('dim', `# ${file === undefined ? 'No file was read' : `The file ${harmless(file)} was read`}.`));
    for (const setting of shown) say(line(setting));
  }
  const log = await makeLog('warn');
  warnOf(strays, log);
  planDoors(doorOptions(values), log);
  outsideTime(values, undefined, log);
}

/** A value as the file and JSON have it. */
function plain(value: unknown): unknown {
  return typeof value === 'bigint' ? formatDifficulty(value) : value;
}

/** A setting as hourcoin.yaml has it; one without a value is a comment. */
function line({ name, value, source, where }: Setting): string {
  const text = value === undefined ? `#${name}:` : stringify({ [name]: value }, { lineWidth: 0 }).trimEnd();
  const [first = '', ...others] = text.split('\n');
  const origin = value === undefined ? 'not set' : harmless(where ?? source);
  return [`${first.padEnd(COMMENT_COLUMN - 1)} ${colour('dim', `# ${origin}`)}`, ...others].join('\n');
}
