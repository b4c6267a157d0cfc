import { expect } from 'chai';
import { ClientError, Status } from 'nice-grpc-common';
import { BadRequest, ErrorInfo, RetryInfo, RichClientError } from 'nice-grpc-error-details';
import { cancelled, Fault, type FaultReason } from '../../src/engine/fault.js';
import { ERROR_DOMAIN, faultFromGrpc, faultToGrpc } from '../../src/wire/faults.js';
import { detailsOf } from '../support/grpc.js';

/** Every reason there is: the compiler sees to it. */
const STATUSES: Readonly<Record<FaultReason, Status>> = {
  MALFORMED: Status.INVALID_ARGUMENT,
  LIMIT_EXCEEDED: Status.INVALID_ARGUMENT,
  NOT_FOUND: Status.NOT_FOUND,
  OVERLOADED: Status.RESOURCE_EXHAUSTED,
  UNAUTHENTICATED: Status.UNAUTHENTICATED,
  UNAVAILABLE: Status.UNAVAILABLE,
  CANCELLED: Status.CANCELLED,
};
const REASONS = Object.keys(STATUSES) as FaultReason[];
const RETRIED: readonly FaultReason[] = ['OVERLOADED', 'UNAVAILABLE'];

/** What a server sends of a fault: its status, and the details by their types' names. */
function onTheWire(fault: Fault) {
  const { code, details, metadata } = faultToGrpc(fault);
  return { code, text: details, details: metadata === undefined ? {} : detailsOf({ code, details, metadata }) };
}

/** What a client sees of that. */
function received({ code, text, details }: ReturnType<typeof onTheWire>): RichClientError {
  const types = [ErrorInfo, BadRequest, RetryInfo];
  const extra = types.flatMap((type) => (type.$type in details ? [type.fromPartial(details[type.$type] ?? {})] : []));
  return new RichClientError('/hourcoin.v1.ValidatorService/SubmitBlock', Number(code), text, extra);
}

describe('Faults on gRPC', () => {
  it('are of the domain hourcoin', () => expect(ERROR_DOMAIN).to.equal('hourcoin'));

  for (const reason of REASONS) {
    it(`of reason ${reason} have status ${Status[STATUSES[reason]]}, their text, and an ErrorInfo with the reason`, () => {
      const error = onTheWire(new Fault(reason, 'why it is so'));
      expect(error.code).to.equal(STATUSES[reason]);
      expect(error.text).to.equal('why it is so');
      expect(error.details).to.deep.include({ 'google.rpc.ErrorInfo': { reason, domain: 'hourcoin' } });
    });

    const retried = RETRIED.includes(reason);
    it(`of reason ${reason} ${retried ? 'say when to ask again, a second later' : 'are not to be asked again as they are'}`, () => {
      const { 'google.rpc.ErrorInfo': _, ...further } = onTheWire(new Fault(reason, 'why')).details;
      expect(further).to.deep.equal(retried ? { 'google.rpc.RetryInfo': { retryDelay: { seconds: 1 } } } : {});
    });

    it(`of reason ${reason} come back to a client as they were`, () => {
      for (const field of reason === 'MALFORMED' || reason === 'LIMIT_EXCEEDED' ? ['', 'block.hash'] : ['']) {
        const fault = faultFromGrpc(received(onTheWire(new Fault(reason, 'why it is so', field))));
        expect(fault).to.be.instanceOf(Fault);
        expect({ reason: fault?.reason, message: fault?.message, field: fault?.field }).to.deep.equal({
          reason,
          message: 'why it is so',
          field,
        });
      }
    });
  }

  it('say when to ask again where that is known, and a client learns it', () => {
    for (const [retryMs, retryDelay] of [
      [1, { nanos: 1_000_000 }],
      [1_234, { seconds: 1, nanos: 234_000_000 }],
      [3_600_000, { seconds: 3_600 }],
    ] as const) {
      const error = onTheWire(new Fault('OVERLOADED', 'why', '', retryMs));
      expect(error.details['google.rpc.RetryInfo']).to.deep.equal({ retryDelay });
      expect(faultFromGrpc(received(error))).to.include({ reason: 'OVERLOADED', retryMs });
    }
    expect(faultFromGrpc(received(onTheWire(new Fault('NOT_FOUND', 'why'))))?.retryMs).to.equal(undefined);
  });

  it('name the field that is wrong, in a BadRequest', () => {
    const description = 'a block has at most 1000 transactions';
    const { details } = onTheWire(new Fault('LIMIT_EXCEEDED', description, 'block.transactions'));
    expect(details).to.have.all.keys('google.rpc.ErrorInfo', 'google.rpc.BadRequest');
    const fieldViolations = [{ field: 'block.transactions', description }];
    expect(details['google.rpc.BadRequest']).to.deep.equal({ fieldViolations });
  });

  it('are known by their status alone where the validator gives no reason', () => {
    const table: ReadonlyArray<readonly [Status, FaultReason | undefined]> = [
      [Status.INVALID_ARGUMENT, 'MALFORMED'],
      [Status.NOT_FOUND, 'NOT_FOUND'],
      [Status.RESOURCE_EXHAUSTED, 'OVERLOADED'],
      [Status.UNAVAILABLE, 'UNAVAILABLE'],
      [Status.CANCELLED, 'CANCELLED'],
      [Status.INTERNAL, undefined],
      [Status.UNKNOWN, undefined],
      [Status.UNIMPLEMENTED, undefined],
      [Status.DEADLINE_EXCEEDED, undefined],
    ];
    for (const [status, reason] of table) {
      for (const error of [new ClientError('/path', status, 'why'), new RichClientError('/path', status, 'why', [])])
        expect(faultFromGrpc(error)?.reason, Status[status]).to.equal(reason);
    }
  });

  it('of a reason that is not known are no faults of ours', () => {
    const info = ErrorInfo.fromPartial({ reason: 'QUOTA', domain: 'proxy.example' });
    expect(faultFromGrpc(new RichClientError('/path', Status.UNAVAILABLE, 'why', [info]))).to.equal(undefined);
  });

  it('name no field where a BadRequest names none', () => {
    const empty = BadRequest.fromPartial({});
    expect(faultFromGrpc(new RichClientError('/path', Status.INVALID_ARGUMENT, 'why', [empty]))?.field).to.equal('');
  });

  it('of a caller that gave up are CANCELLED', () => {
    expect(cancelled().reason).to.equal('CANCELLED');
    expect(cancelled().name).to.equal('Fault');
    expect(cancelled().field).to.equal('');
  });
});
