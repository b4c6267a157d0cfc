/** Reading what a validator shows over HTTP. */

/** A page's status and text. */
export async function page(http: string, path: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(`http://${http}${path}`);
  return { status: answer.status, text: await answer.text() };
}

/** What /metrics tells, read as Prometheus reads it. Throws where a line is none. */
export class Scrape {
  /** By the whole name, as in `name{a="b",c="d"}`. */
  readonly values = new Map<string, number>();
  /** The types, by the names of the metrics. */
  readonly types = new Map<string, string>();
  /** The names of all series. */
  readonly names = new Set<string>();

  constructor(text: string) {
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('# HELP ')) continue;
      const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line) ?? [];
      if (name !== undefined && type !== undefined) this.types.set(name, type);
      else this.read(line);
    }
  }

  static async of(http: string): Promise<Scrape> {
    return new Scrape((await page(http, '/metrics')).text);
  }

  private read(line: string): void {
    const [, series, name, value] =
      /^(([a-z_][a-z0-9_]*)(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line) ?? [];
    if (series === undefined || name === undefined || Number.isNaN(Number(value?.replace('Nan', '0')))) {
      throw new Error(`not a line of metrics: ${line}`);
    }
    this.values.set(series, Number(value));
    this.names.add(name);
  }
}
