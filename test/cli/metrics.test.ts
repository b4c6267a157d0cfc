/** The metrics of docs/: what the page, the alert rules and the board name is what a validator tells, and all of it is on the page. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { cleanup } from '../support/cleanup.js';
import { end, startValidator, temporaryFolder } from '../support/programs.js';
import { Scrape } from '../support/scrapes.js';

/** The repository: this file runs as dist/test/cli/metrics.test.js. */
const DOCS = fileURLToPath(new URL('../../../docs/', import.meta.url));

/** Prometheus' own, of every target. */
const OF_PROMETHEUS = ['up'];

const WORDS = ['by', 'without', 'and', 'or', 'unless', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'offset'];

describe('The metrics in docs/', () => {
  const later = cleanup();
  let scrape: Scrape;

  beforeEach(async () => {
    const { path, remove } = temporaryFolder();
    later(remove);
    const validator = await startValidator(path, ['--http', '127.0.0.1:0']);
    later(() => end(validator, 'SIGKILL'));
    const [, http] = await validator.printed(/^HTTP listening on (\S+)$/m);
    scrape = await Scrape.of(String(http));
  });

  /** Whether a validator tells a metric, or a series of one. */
  function isTold(name: string): boolean {
    const [, histogram] = /^(.*)_(?:bucket|sum|count)$/.exec(name) ?? [];
    return scrape.types.has(name) || (histogram !== undefined && scrape.types.get(histogram) === 'histogram');
  }

  /** What an expression of PromQL asks for that is not there. */
  function missing(expression: string): string[] {
    const series = [...scrape.values.keys()];
    const pairs = [...expression.matchAll(/([a-z_]\w*)\{([^}]*)\}/g)].flatMap(([, name, matchers]) =>
      [...String(matchers).matchAll(/(\w+)=("[^"]*")/g)]
        .filter(([, label]) => label !== 'job')
        .map(([, label, value]) => ({ name: String(name), pair: `${label}=${value}` })),
    );
    return [
      ...namesIn(expression).filter((name) => !isTold(name) && !OF_PROMETHEUS.includes(name)),
      ...pairs
        .filter(({ name, pair }) => !series.some((one) => one.startsWith(`${name}{`) && one.includes(pair)))
        .map(({ name, pair }) => `${name}{${pair}}`),
    ];
  }

  it('operations.md names every one, and no other', () => {
    const [, section = ''] =
      /^## Seen from outside$(.*?)^## /ms.exec(readFileSync(`${DOCS}operations.md`, 'utf8')) ?? [];
    const named = new Set(
      [...section.matchAll(/^\| (`hourcoin_.*?) \|/gm)].flatMap(([, cell]) => String(cell).match(/\w+/g)),
    );
    const told = [...scrape.types.keys()].filter((name) => name.startsWith('hourcoin_'));
    expect([...named].sort()).to.deep.equal(told.sort());
    for (const name of section.match(/hourcoin_\w+/g) ?? []) expect(isTold(name), name).to.equal(true);
  });

  it('operations.md has every label of each', () => {
    const page = readFileSync(`${DOCS}operations.md`, 'utf8');
    for (const series of scrape.values.keys()) {
      const [, name = '', labels = ''] = /^(hourcoin_\w+?)(?:_bucket|_sum|_count)?\{(.*)\}$/.exec(series) ?? [];
      for (const [, label] of labels.matchAll(/(\w+)="/g)) {
        if (label === 'le') continue;
        expect(page, series).to.match(new RegExp(`^\\| [^|]*\`${name}\`[^|]* \\| [^|]*\`${label}\``, 'm'));
      }
    }
  });

  it('alerts.yml asks for nothing else, and each rule says what it is about and what to do', () => {
    const { groups } = parse(readFileSync(`${DOCS}alerts.yml`, 'utf8')) as {
      groups: { rules: { alert: string; expr: string; labels: object; annotations: object }[] }[];
    };
    const rules = groups.flatMap(({ rules }) => rules);
    expect(rules.length).to.be.greaterThan(10);
    expect(new Set(rules.map(({ alert }) => alert)).size).to.equal(rules.length);
    for (const { alert, expr, labels, annotations } of rules) {
      expect(missing(expr), alert).to.deep.equal([]);
      expect(labels).to.have.all.keys('severity');
      expect(annotations).to.have.all.keys('summary', 'action');
    }
  });

  it('the board asks for nothing else', () => {
    const { panels } = JSON.parse(readFileSync(`${DOCS}grafana-hourcoin.json`, 'utf8')) as {
      panels: { title: string; targets?: { expr: string }[] }[];
    };
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).to.be.greaterThan(20);
    for (const expression of expressions) expect(missing(expression), expression).to.deep.equal([]);
  });
});

/** The metrics that an expression of PromQL names. */
function namesIn(expression: string): string[] {
  const bare = expression
    .replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ')
    .replace(/\b(?:by|without|on|ignoring) *\([^)]*\)/g, ' ');
  return [...bare.matchAll(/(?<![\w.])[a-z_]\w*(?! *\(|\w)/gi)].map(String).filter((name) => !WORDS.includes(name));
}
