/** The validator is stopped in the middle of everything: streams, requests that wait, and submissions on both protocols. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { requestToJson } from '../../src/wire/requests.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { jsonTcpAddress, overGrpc } from '../support/clients.js';
import { run } from '../support/ended.js';
import { end, startValidator, temporaryFolder } from '../support/programs.js';
import { framed, RawClient } from '../support/sockets.js';
import { present } from '../support/stores.js';
import { until } from '../support/wait.js';
import { watching } from '../support/watching.js';

/** Requests that a connection sends at once. */
const PIPELINED = 300;

/** Longer than a connection that has broken the protocol is drained for, milliseconds. */
const SLOWLY_MS = 1_500;

describe('SIGTERM with everything open', () => {
  const later = cleanup();

  it('Whoever reads slowly still gets every answer whole, within --grace', async () => {
    const folder = temporaryFolder();
    later(folder.remove);
    const validator = await startValidator(folder.path, ['--grace', '15000', '--log-level', 'warn']);
    later(() => end(validator, 'SIGKILL'));
    const reader = await RawClient.connect(jsonTcpAddress(validator));
    later(() => reader.destroy());
    reader.socket.pause();
    void reader.send(Buffer.concat(Array.from({ length: 100_000 }, () => framed('"GetBlockchainInfo"'))));
    // While another is served, the reader's answers come to stand still, and some wait in the validator.
    const other = await RawClient.connect(jsonTcpAddress(validator));
    later(() => other.destroy());
    for (let asked = 0; asked < 3_000; asked++) await other.ask('"GetBlockchainInfo"');
    other.destroy();
    const exit = end(validator);
    await sleep(SLOWLY_MS);
    reader.socket.resume();
    const answers = await reader.answers();
    for (const answer of answers) expect(answer).to.match(/^\{"BlockchainInfo":.*\}$/);
    const bytes = answers.reduce((sum, answer) => sum + 4 + Buffer.byteLength(answer), 0);
    expect(bytes, 'whole frames').to.equal(reader.pieces.reduce((sum, { length }) => sum + length, 0));
    reader.destroy();
    expect(await exit).to.equal(0);
  });

  it('Streams end, what was taken is answered and kept, the rest is told or cut; exit code 0', async () => {
    const folder = temporaryFolder();
    later(folder.remove);
    const validator = await startValidator(folder.path, [String(EASY), '--log-level', 'warn']);
    later(() => end(validator, 'SIGKILL'));
    const client = overGrpc(validator);
    later(() => client.close());
    const ends: string[] = [];
    const onInterrupted = ({ message }: Error): void => void ends.push(message);
    const streams = [
      watching(client.watchRounds('watcher', { onInterrupted })),
      watching(client.watchBlocks(0, { onInterrupted })),
    ] as const;
    const block = winning(await client.getRoundInfo('alice'), 'alice');
    expect((await client.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
    await Promise.all([streams[0].count(2), streams[1].count(1)]);

    // Attempts of ever new miners, which are each made durable, and a connection that asks without end.
    const next = winning(await client.getRoundInfo('bob'), 'bob');
    const spoilt = { ...next, hash: Buffer.alloc(32) };
    const submitter = await RawClient.connect(jsonTcpAddress(validator));
    const asker = await RawClient.connect(jsonTcpAddress(validator));
    later(() => {
      submitter.destroy();
      asker.destroy();
    });
    const ids = Array.from({ length: PIPELINED }, (_, number) => `miner ${number}`);
    const submissions = ids.map((minerId) => framed(requestToJson({ call: 'SubmitBlock', minerId, block: spoilt })));
    const questions = ids.map((minerId) => framed(requestToJson({ call: 'GetRoundInfo', minerId })));
    void submitter.send(Buffer.concat(submissions));
    void asker.send(Buffer.concat(questions));
    await until(() => submitter.pieces.length > 0, 'the first are answered');
    const exit = end(validator);
    const [verdicts, rounds] = await Promise.all([submitter.answers(), asker.answers()]);
    expect(await exit).to.equal(0);

    for (const round of rounds) expect(round).to.match(/^\{"(RoundInfo|Error)":/);
    const told = verdicts.filter((verdict) => verdict.includes('RejectedInvalidHash')).length;
    expect(told).to.be.greaterThan(0);
    for (const verdict of verdicts) expect(verdict).to.match(/"RejectedInvalidHash"|"Not taken: /);
    for (const stream of streams) expect(stream.messages.length).to.be.greaterThan(0);
    await until(() => ends.length >= 2, 'the streams are told of it');
    for (const message of ends.slice(0, 2)) expect(message).to.contain('has ended the stream');
    client.close();

    // Answers come in the order of the requests: the first so many were acknowledged.
    const again = await startValidator(folder.path, ['--log-level', 'warn']);
    later(() => end(again, 'SIGKILL'));
    const reader = overGrpc(again);
    later(() => reader.close());
    for (const minerId of ids.slice(0, told)) {
      expect(await reader.getMiner(minerId), minerId).to.include({ hasAttempted: true });
    }
    expect((await reader.getRoundInfo('')).nextIndex).to.equal(1);
    expect(present((await reader.getBlock({ index: 0 })).block).hash.equals(block.hash)).to.equal(true);
    expect(await end(again)).to.equal(0);
    expect((await run(['verify', '--data', folder.path])).code).to.equal(0);
  });
});
