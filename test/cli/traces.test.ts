/** OpenTelemetry traces of a validator, as a collector of the test's own receives them. */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { createChannel, createClient, Metadata } from 'nice-grpc';
import { SubmitResult, ValidatorServiceDefinition } from '../../gen/hourcoin/v1/validator_service.js';
import { formatAddress } from '../../src/wire/address.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grpcAddress, jsonTcpAddress, overGrpc, overJsonTcp } from '../support/clients.js';
import { end, MAIN, type RunningValidator, start, temporaryFolder } from '../support/programs.js';
import { RawClient, unusedAddress } from '../support/sockets.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const TOKEN = `hck_${'x'.repeat(43)}`;

/** What is looked at of a span in OTLP's JSON. */
interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

describe('Traces', () => {
  const later = cleanup();

  /** A collector, and what it has received. */
  async function collector(): Promise<{ url: string; bodies: string[]; paths: string[]; spans: () => Span[] }> {
    const bodies: string[] = [];
    const paths: string[] = [];
    const server = createServer(async (request, response) => {
      paths.push(String(request.url));
      bodies.push(await textOf(request));
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    later(() => {
      server.close();
      server.closeAllConnections();
    });
    const spans = (): Span[] =>
      bodies.flatMap((body) => {
        const { resourceSpans } = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
        return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
      });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, paths, spans };
  }

  async function started(env: NodeJS.ProcessEnv): Promise<RunningValidator> {
    const { path, remove } = temporaryFolder();
    later(remove);
    const where = ['validator', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--data', path];
    const program = start(process.execPath, [MAIN, ...where], { env });
    later(() => end(program, 'SIGKILL'));
    const [, jsonTcp] = await program.printed(/^JSON\/TCP listening on (\S+)$/m);
    const [, grpc] = await program.printed(/^gRPC listening on (\S+)$/m);
    await program.printed(/^Waiting for miner connections\.\.\.$/m);
    return { ...program, jsonTcp: String(jsonTcp), grpc: `grpc://${grpc}` };
  }

  const toCollector = (url: string): NodeJS.ProcessEnv => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });

  it('A span for each request on either protocol, with the commit that it waited for, all sent when it stops', async () => {
    const { url, bodies, paths, spans } = await collector();
    const validator = await started(toCollector(url));
    const [jsonTcp, grpc] = [overJsonTcp(validator), overGrpc(validator)];
    later(() => [jsonTcp.close(), grpc.close()]);
    const block = winning(await jsonTcp.getRoundInfo('alice'), 'alice');
    expect((await grpc.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
    await grpc.getBlock({ index: 7 }).catch(() => {});
    for (const client of [jsonTcp, grpc]) client.close();
    expect(await end(validator)).to.equal(0);

    expect(new Set(paths)).to.deep.equal(new Set(['/v1/traces']));
    expect(bodies.join('')).to.include('"hourcoin-validator"');
    const told = spans().map(({ name, attributes }) => [
      name,
      ...attributes.map(({ key, value }) => `${key}=${value.stringValue}`),
    ]);
    expect(told).to.deep.include([
      'GetRoundInfo',
      'rpc.system=json-tcp',
      'rpc.method=GetRoundInfo',
      'hourcoin.result=OK',
    ]);
    expect(told).to.deep.include(['GetBlock', 'rpc.system=grpc', 'rpc.method=GetBlock', 'hourcoin.result=NOT_FOUND']);
    const submission = spans().find(({ name }) => name === 'SubmitBlock');
    const commit = spans().find(
      ({ parentSpanId }) => parentSpanId !== undefined && parentSpanId === submission?.spanId,
    );
    expect(commit).to.include({ name: 'commit', traceId: submission?.traceId });
    const times = [
      submission?.startTimeUnixNano,
      commit?.startTimeUnixNano,
      commit?.endTimeUnixNano,
      submission?.endTimeUnixNano,
    ];
    expect(times.map((time) => BigInt(time ?? 0))).to.deep.equal(times.map((time) => BigInt(time ?? 0)).sort(compare));
  });

  it("A gRPC call's span belongs to its caller's trace; what is no traceparent begins one", async () => {
    const { url, spans } = await collector();
    const validator = await started(toCollector(url));
    const channel = createChannel(formatAddress(grpcAddress(validator)));
    later(() => channel.close());
    const client = createClient(ValidatorServiceDefinition, channel);
    for (const traceparent of [`00-${TRACE}-${PARENT}-01`, 'nonsense', `00-${'0'.repeat(32)}-${PARENT}-01`]) {
      await client.getBlockchainInfo({}, { metadata: Metadata({ traceparent }) });
    }
    channel.close();
    expect(await end(validator)).to.equal(0);
    const [first, ...others] = spans().filter(({ name }) => name === 'GetBlockchainInfo');
    expect(first).to.include({ traceId: TRACE, parentSpanId: PARENT, kind: 2 });
    expect(others).to.have.length(2);
    for (const { traceId, parentSpanId } of others) {
      expect(traceId).to.match(/^(?!0af765)[0-9a-f]{32}$/);
      expect(parentSpanId ?? '').to.equal('');
    }
  });

  it('Neither keys, nor miner ids, nor the command line are in them', async () => {
    const { url, bodies } = await collector();
    const validator = await started({ ...toCollector(url), OTEL_EXPORTER_OTLP_HEADERS: 'authorization=s3cret' });
    const client = await RawClient.connect(jsonTcpAddress(validator));
    await client.ask(`{"GetRoundInfo":{"miner_id":"mallory","api_key":"${TOKEN}"}}`);
    await client.ask('{"GetRoundInfo":{"miner_id":"mallory"}}');
    client.destroy();
    expect(await end(validator)).to.equal(0);
    expect(bodies.join('')).to.include('GetRoundInfo');
    for (const secret of [TOKEN, 'mallory', 's3cret', '--data']) expect(bodies.join('')).not.to.include(secret);
  });

  it('A collector that is away costs one warning, and neither requests nor the stop', async () => {
    const away = formatAddress(await unusedAddress());
    const env = { ...toCollector(`http://${away}`), OTEL_BSP_SCHEDULE_DELAY: '50', OTEL_EXPORTER_OTLP_TIMEOUT: '200' };
    const validator = await started(env);
    const client = overJsonTcp(validator);
    later(() => client.close());
    const deadline = performance.now() + 10_000;
    while (!validator.stderr().includes('"Traces: ') && performance.now() < deadline)
      await client.getRoundInfo('alice');
    client.close();
    expect(await end(validator)).to.equal(0);
    expect(validator.stderr().match(/"Traces: /g)).to.have.length(1);
  });

  for (const [what, env] of [
    ['no variable', {}],
    ['OTEL_TRACES_EXPORTER=none', { OTEL_TRACES_EXPORTER: 'none' }],
    ['OTEL_SDK_DISABLED=true', { OTEL_SDK_DISABLED: 'true' }],
  ] as const) {
    it(`With ${what} nothing is sent`, async () => {
      const { url, bodies } = await collector();
      const validator = await started(what === 'no variable' ? env : { ...toCollector(url), ...env });
      const client = overJsonTcp(validator);
      await client.getRoundInfo('alice');
      client.close();
      expect(await end(validator)).to.equal(0);
      expect(bodies).to.deep.equal([]);
    });
  }
});

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += piece;
  return text;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
