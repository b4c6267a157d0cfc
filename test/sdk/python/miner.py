"""A Hourcoin miner over gRPC: mines one block, sees the next round begin, and shows how verdicts and faults look.

With a folder of vectors, it first proves its rules on them.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

import rules
import vectors
from hourcoin.v1.block_pb2 import Block, Output, Transaction
from hourcoin.v1.validator_service_pb2 import (
    ChainCode,
    CheckLockoutRequest,
    GetRoundInfoRequest,
    RoundInfo,
    SubmitBlockRequest,
    SubmitBlockResponse,
    SubmitResult,
    WatchRoundsRequest,
)
from hourcoin.v1.validator_service_pb2_grpc import ValidatorServiceStub

# Every call, and the search for one block, is given up after this time.
TIMEOUT_S = 10

# How often to begin again when another miner's block was first.
MAX_TRIES = 10

# Any 64 bits will do as a nonce; most miners count from 0.
FIRST_NONCE = 1 << 63

# The block does not go on the tip: someone else's block is there by now, and nothing was used up.
NOT_ON_TIP = (
    ChainCode.CHAIN_CODE_MISMATCHED_INDEX,
    ChainCode.CHAIN_CODE_MISMATCHED_PREVIOUS_HASH,
    ChainCode.CHAIN_CODE_ACHRONOLOGICAL_TIMESTAMP,
)


class MinerError(Exception):
    """The validator did what this miner did not expect."""


class ValidatorClock:
    """The validator's clock: what it last showed, and what has passed since."""

    def __init__(self, info: RoundInfo) -> None:
        self._shown = info.server_time
        self._speed = info.clock_speed or 1.0
        self._seen = time.monotonic()

    def now(self) -> int:
        return self._shown + int((time.monotonic() - self._seen) * 1000 * self._speed)

    def wait_for(self, timestamp: int) -> None:
        while (ahead_ms := timestamp - self.now()) > 0:
            seconds = ahead_ms / 1000 / self._speed
            if seconds > TIMEOUT_S:
                raise MinerError(f"the block's timestamp is {ahead_ms} ms ahead of the validator's clock")
            time.sleep(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description="Mines one Hourcoin block over gRPC.")
    parser.add_argument("address", help="the validator's gRPC, as host:port")
    parser.add_argument("miner_id", help="who mines, and whom the coinbase pays")
    parser.add_argument("vectors_folder", nargs="?", type=Path, help="the vectors to check the rules with first")
    arguments = parser.parse_args()
    try:
        run(arguments.address, arguments.miner_id, arguments.vectors_folder)
    except grpc.RpcError as error:
        print(f"miner: {error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    except (MinerError, vectors.VectorError, ValueError) as error:
        print(f"miner: {error}", file=sys.stderr)
        return 1
    return 0


def run(address: str, miner_id: str, vectors_folder: Path | None) -> None:
    if vectors_folder is not None:
        print(vectors.run(vectors_folder))
    with grpc.insecure_channel(address) as channel:
        validator = ValidatorServiceStub(channel)
        block = win_round(validator, miner_id)
        submit_late(validator, f"{miner_id}-late", block)
        ask_wrongly(validator)


def win_round(validator: ValidatorServiceStub, miner_id: str) -> Block:
    """Mines until a block is accepted, and sees the round that begins then."""
    for _ in range(MAX_TRIES):
        answer = validator.GetRoundInfo(GetRoundInfoRequest(miner_id=miner_id), timeout=TIMEOUT_S)
        info = answer.round_info
        clock = ValidatorClock(info)
        print(f"round {info.round}: block #{info.next_index}, tonce {info.tonce}")
        block = make_block(info, clock, miner_id)
        clock.wait_for(block.timestamp)
        # The stream is open before the block is submitted, so that the next round cannot be missed.
        with watch_rounds(validator, miner_id) as rounds:
            in_force = next(rounds)
            verdict = submit(validator, miner_id, block)
            if verdict.result == SubmitResult.SUBMIT_RESULT_ACCEPTED:
                print(f"accepted: block #{block.index} {block.hash.hex()} nonce {block.nonce}")
                upcoming = next(info for info in rounds if info.round > in_force.round)
                print(f"round {upcoming.round}: block #{upcoming.next_index}")
                return block
        if verdict.code not in NOT_ON_TIP:
            raise MinerError(f"the block was not accepted: {describe(verdict)}")
    raise MinerError(f"others were first {MAX_TRIES} times")


def make_block(info: RoundInfo, clock: ValidatorClock, miner_id: str) -> Block:
    if not info.HasField("tonce"):
        raise MinerError("the validator names no tonce for this round")
    start = clock.now()
    if info.HasField("tip_timestamp"):
        start = max(start, info.tip_timestamp + 1)
    timestamp = rules.first_valid_timestamp(start, info.tonce)
    coinbase = Transaction(outputs=[Output(to_addr=miner_id, value=2.0, timestamp=timestamp)])
    block = Block(
        index=info.next_index,
        timestamp=timestamp,
        prev_block_hash=info.prev_block_hash,
        nonce=FIRST_NONCE,
        transactions=[coinbase],
    )
    difficulty = rules.parse_difficulty(info.difficulty)
    give_up = time.monotonic() + TIMEOUT_S
    while not rules.meets_difficulty(digest := rules.block_hash(block), difficulty):
        if time.monotonic() > give_up:
            raise MinerError(f"no nonce found in {TIMEOUT_S} s for the difficulty {info.difficulty}")
        block.nonce += 1
    block.hash = digest
    return block


@contextmanager
def watch_rounds(validator: ValidatorServiceStub, miner_id: str) -> Iterator[Iterator[RoundInfo]]:
    """The rounds as they begin, after the one in force; the stream is cancelled when the block is left."""
    # A miner that stays would set no deadline here.
    call = validator.WatchRounds(WatchRoundsRequest(miner_id=miner_id), timeout=TIMEOUT_S)

    def rounds() -> Iterator[RoundInfo]:
        for answer in call:
            yield answer.round_info
        raise MinerError("the stream of rounds has ended: the validator is stopping")

    try:
        yield rounds()
    finally:
        call.cancel()
    if call.code() != grpc.StatusCode.CANCELLED:
        raise MinerError(f"the stream of rounds ended as {call.code().name}, not as CANCELLED")


def submit(validator: ValidatorServiceStub, miner_id: str, block: Block) -> SubmitBlockResponse:
    return validator.SubmitBlock(SubmitBlockRequest(miner_id=miner_id, block=block), timeout=TIMEOUT_S)


def submit_late(validator: ValidatorServiceStub, miner_id: str, block: Block) -> None:
    """Submits a block that is on the chain already. A rejection is an answer, not an error."""
    verdict = submit(validator, miner_id, block)
    print(f"rejected: {describe(verdict)}")
    if (verdict.result, verdict.code) != (
        SubmitResult.SUBMIT_RESULT_REJECTED_BLOCKCHAIN_VALIDATION,
        ChainCode.CHAIN_CODE_MISMATCHED_INDEX,
    ):
        raise MinerError("a late block should be rejected for its index")


def ask_wrongly(validator: ValidatorServiceStub) -> None:
    """Asks without a miner id. A fault is an error, and its google.rpc details say which field is wrong, and why."""
    try:
        validator.CheckLockout(CheckLockoutRequest(miner_id=""), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        if status is None:
            raise
        info, bad_request = ErrorInfo(), BadRequest()
        for detail in status.details:
            # Unpack goes by the detail's type, and leaves others alone.
            detail.Unpack(info) or detail.Unpack(bad_request)
        fault = f"{error.code().name} {info.reason} ({info.domain})"
        for violation in bad_request.field_violations:
            print(f"fault: {fault} {violation.field}: {violation.description}")
        if error.code() != grpc.StatusCode.INVALID_ARGUMENT or not bad_request.field_violations:
            raise MinerError(f"a fault without a field to blame: {fault}: {error.details()}") from error
    else:
        raise MinerError("an empty miner id should be a fault")


def describe(verdict: SubmitBlockResponse) -> str:
    result = name_of(SubmitResult, "SUBMIT_RESULT_", verdict.result)
    code = name_of(ChainCode, "CHAIN_CODE_", verdict.code)
    return f"{result} {code}: {verdict.message}"


def name_of(enum, prefix: str, number: int) -> str:
    """A value's name; its number where the validator is newer than the generated code."""
    return enum.Name(number).removeprefix(prefix) if number in enum.values() else str(number)


if __name__ == "__main__":
    sys.exit(main())
