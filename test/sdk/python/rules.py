"""Hourcoin's rules: a block's bytes and hash, the difficulty, the tonce (docs/protocol.md, "Making a block").

Blocks, transactions and outputs are the generated messages, or any objects with the same fields.
"""

import struct
from collections.abc import Iterable
from hashlib import sha256
from typing import Protocol

# How long after the previous block timestamps must meet the tonce.
CHALLENGE_MS = 60_000

# How many timestamps to try: with a tonce of 31, one in 31 passes.
SEARCH_MS = 100_000


class Output(Protocol):
    to_addr: str
    value: float
    timestamp: int


class Transaction(Protocol):
    @property
    def inputs(self) -> Iterable[Output]: ...

    @property
    def outputs(self) -> Iterable[Output]: ...


class Block(Protocol):
    index: int
    timestamp: int
    prev_block_hash: bytes
    nonce: int

    @property
    def transactions(self) -> Iterable[Transaction]: ...


# Hashing. Byte orders differ on purpose: big-endian within outputs, little-endian in the block's own fields.


def output_bytes(output: Output) -> bytes:
    return output.to_addr.encode() + struct.pack(">d", output.value) + output.timestamp.to_bytes(16, "big")


def transaction_bytes(transaction: Transaction) -> bytes:
    return b"".join(output_bytes(output) for output in (*transaction.inputs, *transaction.outputs))


def block_bytes(block: Block) -> bytes:
    return b"".join(
        (
            block.index.to_bytes(4, "little"),
            block.timestamp.to_bytes(16, "little"),
            block.prev_block_hash,
            block.nonce.to_bytes(8, "little"),
            *map(transaction_bytes, block.transactions),
        )
    )


def block_hash(block: Block) -> bytes:
    return sha256(block_bytes(block)).digest()


# Difficulty: a number below 2^128, and what a hash comes to must be less than it.


def work(digest: bytes) -> int:
    return int.from_bytes(digest[16:], "little")


def meets_difficulty(digest: bytes, difficulty: int) -> bool:
    return difficulty > work(digest)


def parse_difficulty(text: str) -> int:
    return int(text, 16)


def format_difficulty(difficulty: int) -> str:
    return f"0x{difficulty:X}"


# Tonce, "time only used once": thins out the timestamps that a block may have in the first minute.


def timestamp_hash(timestamp: int) -> bytes:
    return sha256(timestamp.to_bytes(16, "little")).digest()


def tonce_after(previous_timestamp: int) -> int:
    """The tonce that the previous block's timestamp sets: 1 to 31."""
    return timestamp_hash(previous_timestamp)[-1] & 0x1F or 1


def meets_tonce(timestamp: int, tonce: int) -> bool:
    """Whether a block may have this timestamp during the challenge. Every one meets 1, and so it is with 0."""
    return int.from_bytes(timestamp_hash(timestamp)[-4:], "big") % max(tonce, 1) == 0


def first_valid_timestamp(start: int, tonce: int) -> int:
    for timestamp in range(start, start + SEARCH_MS):
        if meets_tonce(timestamp, tonce):
            return timestamp
    raise ValueError(f"no timestamp from {start} on meets the tonce {tonce}")


def challenge_is_over(elapsed_ms: int) -> bool:
    """Whether every timestamp passes, this long after the previous block's."""
    return elapsed_ms >= CHALLENGE_MS


def challenge_seconds_remaining(elapsed_ms: int) -> int:
    return (CHALLENGE_MS - min(max(elapsed_ms, 0), CHALLENGE_MS)) // 1000
