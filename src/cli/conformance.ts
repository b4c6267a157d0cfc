/** `hourcoin conformance`: holds running validators, ours or another's, against the sessions and rules of test/vectors. */

import { readFileSync } from 'node:fs';
import { connectTo } from '../client/connect.js';
import type { Credentials } from '../client/credentials.js';
import { ConnectionError } from '../client/errors.js';
import type { RuleFile } from '../conformance/rules.js';
import { runSession } from '../conformance/run.js';
import type { SessionFile } from '../conformance/session.js';
import { type Finding, GOOD_BLOCK, tryRules } from '../conformance/trial.js';
import { parseEndpoint } from '../wire/address.js';
import { readTls, type TlsOptions } from './credentials.js';
import { ExitError } from './exit.js';
import { colour, harmless, say } from './text.js';

const LOOKS = {
  conforms: { mark: '✓', style: 'green' },
  differs: { mark: '✗', style: 'red' },
  skipped: { mark: '–', style: 'dim' },
} as const;

export async function runConformance(validators: readonly string[], options: TlsOptions): Promise<void> {
  const credentials = readTls(options);
  const counts = { conforms: 0, differs: 0, skipped: 0 };
  const unreachable: Error[] = [];
  let accepted = 0;
  for (const validator of validators) {
    say(colour('bold', validator));
    try {
      for await (const { name, outcome, detail } of findings(validator, credentials)) {
        const { mark, style } = LOOKS[outcome];
        say(colour(style, `  ${mark} ${name}`));
        if (detail !== undefined) say(`      ${harmless(detail)}`);
        counts[outcome]++;
        if (name === GOOD_BLOCK && outcome !== 'skipped') accepted++;
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      unreachable.push(error);
    }
  }
  const { conforms, differs, skipped } = counts;
  say(`${conforms} conform, ${differs} differ, ${skipped} skipped`);
  if (unreachable[0] !== undefined) throw unreachable[0];
  if (differs > 0) throw new ExitError('it does not conform in all that was tried');
  if (accepted < validators.length) throw new ExitError('the rules could not be tried: see what was skipped');
}

/** The sessions that need no control of the validator, then the rules. */
async function* findings(validator: string, forTls: Credentials): AsyncGenerator<Finding, void> {
  const endpoint = parseEndpoint(validator);
  // Plain addresses may stand beside those that the files are for.
  const credentials = endpoint?.isSecure ? forTls : {};
  const client = connectTo(validator, undefined, credentials);
  try {
    // Whether anybody is there is told in one line, before anything is held against it.
    await client.getRoundInfo('conformance');
    for (const session of vectors<SessionFile>('sessions').sessions) {
      if (endpoint === undefined || session.wire !== endpoint.wire || session.needs.length > 0) continue;
      const detail = await runSession(session, endpoint, undefined, credentials);
      yield {
        name: session.name,
        ...(detail === undefined ? { outcome: 'conforms' } : { outcome: 'differs', detail }),
      };
    }
    yield* tryRules(client, vectors<RuleFile>('rules').rules);
  } finally {
    client.close();
  }
}

/** test/vectors/NAME.json: this file runs as dist/src/cli/conformance.js. */
function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}
