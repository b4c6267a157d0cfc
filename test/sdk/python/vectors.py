"""Runs the vectors of test/vectors, which deployed programs made, through rules.py."""

import json
import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import rules

Row = dict[str, Any]


class VectorError(Exception):
    """A vector that the rules do not reproduce, or that cannot be read."""


def run(folder: Path) -> str:
    """Checks them all, and says how many there were."""
    hashing = check(folder / "hashing.json", outputs=output, blocks=block)
    tonce = check(folder / "tonce.json", tonces=tonces, pairs=pair, first_valid=first_valid, challenge=challenge)
    difficulty = check(folder / "difficulty.json", checks=difficulty_check, format=difficulty_format)
    return f"vectors: hashing {hashing}, tonce {tonce}, difficulty {difficulty}"


def check(path: Path, **sections: Callable[[Row], Row]) -> int:
    """Compares what each section's function makes of a row with what the row says; the number of rows."""
    try:
        vectors = json.loads(path.read_text(encoding="utf-8"))
        rows = [(section, position, row) for section in sections for position, row in enumerate(vectors[section])]
    except Exception as error:
        raise VectorError(f"vectors: {path}: {error!r}") from error
    for section, position, row in rows:
        where = f"vectors: {path.name}: {section}[{position}]"
        try:
            computed = sections[section](row)
            expected = {name: row[name] for name in computed}
        except Exception as error:
            raise VectorError(f"{where}: {error!r}") from error
        for name, value in computed.items():
            if value != expected[name]:
                raise VectorError(f"{where}: {name} is {expected[name]}, and computed {value}")
    return len(rows)


def output(row: Row) -> Row:
    data = rules.output_bytes(read_output(row))
    return {"bytes": data.hex(), "sha256": sha256(data).hexdigest()}


def block(row: Row) -> Row:
    block = read_block(row["block"])
    digest = rules.block_hash(block)
    return {
        "transaction_bytes": [rules.transaction_bytes(transaction).hex() for transaction in block.transactions],
        "bytes": rules.block_bytes(block).hex(),
        "hash": digest.hex(),
        "work": str(rules.work(digest)),
    }


def tonces(row: Row) -> Row:
    previous = int(row["previous_timestamp"])
    return {"sha256": rules.timestamp_hash(previous).hex(), "tonce": rules.tonce_after(previous)}


def pair(row: Row) -> Row:
    return {"passes": rules.meets_tonce(int(row["timestamp"]), row["tonce"])}


def first_valid(row: Row) -> Row:
    return {"first_valid": str(rules.first_valid_timestamp(int(row["start"]), row["tonce"]))}


def challenge(row: Row) -> Row:
    elapsed = int(row["now"]) - int(row["previous_timestamp"])
    over = rules.challenge_is_over(elapsed)
    return {
        "elapsed_ms": str(elapsed),
        "seconds_remaining": rules.challenge_seconds_remaining(elapsed),
        "over": over,
        "passes": over or rules.meets_tonce(int(row["timestamp"]), row["tonce"]),
        "tonce_after": 1 if over else row["tonce"],
    }


def difficulty_check(row: Row) -> Row:
    digest = bytes.fromhex(row["hash"])
    return {
        "work": str(rules.work(digest)),
        "passes": rules.meets_difficulty(digest, int(row["difficulty"])),
    }


def difficulty_format(row: Row) -> Row:
    return {
        "text": rules.format_difficulty(int(row["difficulty"])),
        "difficulty": str(rules.parse_difficulty(row["text"])),
    }


# Numbers that may need more than 53 bits are decimal strings, and doubles are the hexadecimal of their eight bytes.


def read_block(row: Row) -> SimpleNamespace:
    return SimpleNamespace(
        index=row["index"],
        timestamp=int(row["timestamp"]),
        prev_block_hash=bytes.fromhex(row["prev_block_hash"]),
        nonce=int(row["nonce"]),
        transactions=[
            SimpleNamespace(
                inputs=[read_output(spent) for spent in transaction["inputs"]],
                outputs=[read_output(made) for made in transaction["outputs"]],
            )
            for transaction in row["transactions"]
        ],
    )


def read_output(row: Row) -> SimpleNamespace:
    (value,) = struct.unpack(">d", bytes.fromhex(row["value_bits"]))
    return SimpleNamespace(to_addr=row["to_addr"], value=value, timestamp=int(row["timestamp"]))
