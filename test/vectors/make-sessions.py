#!/usr/bin/env python3
"""Writes sessions.json: conversations with a validator of Hourcoin, on either wire, and what it must answer.

    python3 test/vectors/make-sessions.py       (from the repository's root; Python 3.9 or later, nothing else)

Everything here is derived from docs/spec.md (where its section 8 speaks it rules), docs/protocol.md and the comments of
proto/hourcoin/v1; no validator took part. A scenario is written once, in words of the domain, and told on both wires
where it makes sense. What the validator must answer is derived twice: each scenario says it literally, and `Model`,
a validator of a few lines that follows the page, must come to the same. The file is the same bytes every time.
"""

import base64
import hashlib
import json
import math
import pathlib
import struct
from fractions import Fraction

START = 1762800000000  # every clock begins here
EASY = 0x10000000000000000000000000000000  # one hash in sixteen
LAST = 4294967295  # an index that no chain reaches
HOUR = 3600000
CHALLENGE = 60000
WINDOW_PAST, WINDOW_FUTURE = 300000, 500
UTC_LATE = 37000  # how far UTC is behind TAI
ZEROS = bytes(32)
U64, U128 = 2**64 - 1, 2**128 - 1
BOTH = ("json-tcp", "grpc")
NOBODY = "conformance-nobody"  # whom sessions without a validator of their own speak of

# The results and codes, in the order of their numbers in the schemas, from 1.
RESULTS = (
    "Accepted RejectedMinerInLockout RejectedMinerAlreadyAttempted RejectedInvalidTimestamp RejectedTonceChallenge "
    "RejectedInvalidHash RejectedBlockchainValidation"
).split()
CODES = (
    "MismatchedIndex InvalidHash AchronologicalTimestamp MismatchedPreviousHash InvalidGenesisBlockFormat "
    "InvalidOutputValue InvalidInput InsufficientInputValue InvalidCoinbaseTransaction InvalidTransactionTimestamp "
    "DuplicateOutput"
).split()
TEXTS = {
    "Accepted": "Block accepted! You are now in 1-hour lockout.",
    "RejectedMinerInLockout": "Miner in lockout. %d seconds remaining.",
    "RejectedMinerAlreadyAttempted": "Already attempted this round",
    "RejectedInvalidTimestamp": "Invalid timestamp",
    "RejectedTonceChallenge": "Timestamp failed tonce challenge",
    "RejectedInvalidHash": "Block hash does not match its contents",
    "RejectedBlockchainValidation": "Blockchain validation failed: %s",
}
SOME_ERROR = '{"Error":{"message":"…"}}'
NOT_TAKEN = {"result": "RejectedBlockchainValidation", "message": "Not taken: …"}

# -- Hashing (spec, section 4; protocol, "Content hash") ---------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def double(value):
    return struct.pack(">d", value)


def output_bytes(output):
    return output["to_addr"].encode() + double(output["value"]) + output["timestamp"].to_bytes(16, "big")


def output_id(output):
    return sha256(output_bytes(output))


def transaction_bytes(transaction):
    return b"".join(output_bytes(output) for output in transaction["inputs"] + transaction["outputs"])


def block_hash(block):
    head = block["index"].to_bytes(4, "little") + block["timestamp"].to_bytes(16, "little")
    rest = b"".join(transaction_bytes(transaction) for transaction in block["transactions"])
    return sha256(head + block["prev_block_hash"] + block["nonce"].to_bytes(8, "little") + rest)


def work(block):
    return int.from_bytes(block_hash(block)[16:32], "little")


def counted(items):
    return len(items).to_bytes(4, "big") + b"".join(items)


def sized(data):
    return len(data).to_bytes(4, "big") + data


def content_hash(block):
    def output(one):
        return sized(one["to_addr"].encode()) + double(one["value"]) + one["timestamp"].to_bytes(8, "big")

    def transaction(one):
        return counted([output(each) for each in one["inputs"]]) + counted([output(each) for each in one["outputs"]])

    head = b"\x01" + block["index"].to_bytes(4, "big") + block["timestamp"].to_bytes(8, "big")
    hashes = sized(block["hash"]) + sized(block["prev_block_hash"])
    rest = counted([transaction(one) for one in block["transactions"]])
    return sha256(head + hashes + block["nonce"].to_bytes(8, "big") + rest)


# -- Tonce (spec, section 5) -------------------------------------------------------------------------------------------


def tonce_after(timestamp):
    return sha256(timestamp.to_bytes(16, "little"))[31] & 0x1F or 1


def meets(timestamp, tonce):
    return int.from_bytes(sha256(timestamp.to_bytes(16, "little"))[28:32], "big") % tonce == 0


# -- The validator of the page -----------------------------------------------------------------------------------------


class Model:
    """What a validator knows and answers. It has no wire; all times are whole, not offsets."""

    def __init__(self, difficulty, timescale):
        self.difficulty, self.timescale = difficulty, timescale
        self.now = self.round_start = START
        self.round = 1
        self.chain = []  # AcceptedBlocks
        self.attempts, self.lockouts = set(), {}  # a lockout: when it is over
        self.unspent, self.made = {}, set()  # by output id, in the order of making; every id ever

    def pass_rounds(self):
        passed = (self.now - self.round_start) // HOUR
        if passed > 0:
            self.round += passed
            self.round_start += passed * HOUR
            self.attempts = set()

    @property
    def tip(self):
        return self.chain[-1]["block"] if self.chain else None

    def elapsed(self):
        return max(0, self.now - (self.tip["timestamp"] if self.chain else START))

    def tonce(self):
        if self.elapsed() >= CHALLENGE:
            return 1
        return tonce_after(self.tip["timestamp"] if self.chain else START)

    def lockout_left(self, miner):
        return max(0, self.lockouts.get(miner, 0) - self.now)

    def round_info(self):
        self.pass_rounds()
        return {
            "round_start": self.round_start,
            "tonce": self.tonce(),
            "challenge_seconds_remaining": max(0, CHALLENGE - self.elapsed()) // 1000,
            "attempted_miners": len(self.attempts),
            "active_lockouts": sum(1 for over in self.lockouts.values() if over > self.now),
            "difficulty": "0x%X" % self.difficulty,
            "round": self.round,
            "next_index": len(self.chain),
            "prev_block_hash": self.tip["hash"] if self.chain else ZEROS,
            "tip_timestamp": self.tip["timestamp"] if self.chain else None,
            "server_time": self.now,
            "timescale": self.timescale,
            "window_past_ms": WINDOW_PAST,
            "window_future_ms": WINDOW_FUTURE,
            "lockout_ms": HOUR,
            "clock_speed": 1.0,
        }

    def chain_info(self):
        hash_of_tip = self.tip["hash"] if self.chain else None
        return {"block_count": len(self.chain), "difficulty": "0x%X" % self.difficulty, "tip_hash": hash_of_tip}

    def address(self, address):
        mine = [(key, output, index) for key, (output, index) in self.unspent.items() if output["to_addr"] == address]
        exact = sum((Fraction(output["value"]) for _, output, _ in mine), Fraction(0))
        return {
            "address": address,
            "balance": float(exact),
            "unspent_count": len(mine),
            "unspent_outputs": [
                {"output": output, "output_id": key, "block_index": index} for key, output, index in mine
            ],
        }

    def miner(self, miner):
        self.pass_rounds()
        blocks = [accepted["block"]["index"] for accepted in self.chain if accepted["miner_id"] == miner]
        left = self.lockout_left(miner)
        return {
            "miner_id": miner,
            "is_locked": left > 0,
            "lockout_remaining_ms": left,
            "has_attempted": miner in self.attempts,
            "block_count": len(blocks),
            "last_block_index": blocks[-1] if blocks else None,
        }

    def over_limit(self, miner, block):
        """Whether a submission is too large to be judged."""
        transactions = block["transactions"]
        outputs = [one for transaction in transactions for one in transaction["inputs"] + transaction["outputs"]]
        return (
            len(miner.encode()) > 256
            or len(transactions) > 1000
            or sum(len(transaction["inputs"]) for transaction in transactions) > 10000
            or sum(len(transaction["outputs"]) for transaction in transactions) > 10000
            or any(len(output["to_addr"].encode()) > 256 for output in outputs)
        )

    def submit(self, miner, block):
        """The verdict, the rules in the order of protocol.md's table."""
        assert not self.over_limit(miner, block)
        self.pass_rounds()
        rule = self.judge(miner, block)
        if rule is None:
            self.accept(miner, block)
            rule = "Accepted"
        return self.verdict(miner, rule)

    def verdict(self, miner, rule):
        code = rule if rule in CODES else None
        result = "RejectedBlockchainValidation" if code else rule
        left = self.lockout_left(miner)
        message = TEXTS[result]
        if "%" in message:
            message %= code if code else left // 1000
        retry = left or (self.round_start + HOUR - self.now if miner in self.attempts else 0)
        return {"result": result, "message": message, "code": code, "retry_after_ms": retry}

    def judge(self, miner, block):
        if self.lockout_left(miner):
            return "RejectedMinerInLockout"
        if miner in self.attempts:
            return "RejectedMinerAlreadyAttempted"
        off_tip = self.off_tip(block)
        if off_tip:
            return off_tip
        self.attempts.add(miner)
        if not self.now - WINDOW_PAST <= block["timestamp"] <= self.now + WINDOW_FUTURE:
            return "RejectedInvalidTimestamp"
        if not meets(block["timestamp"], self.tonce()):
            return "RejectedTonceChallenge"
        if block["hash"] != block_hash(block):
            return "RejectedInvalidHash"
        if work(block) >= self.difficulty:
            return "InvalidHash"
        return self.transactions(block["transactions"])

    def off_tip(self, block):
        if block["index"] != len(self.chain):
            return "MismatchedIndex"
        if not self.chain:
            return None if block["prev_block_hash"] == ZEROS else "InvalidGenesisBlockFormat"
        if block["prev_block_hash"] != self.tip["hash"]:
            return "MismatchedPreviousHash"
        return "AchronologicalTimestamp" if block["timestamp"] <= self.tip["timestamp"] else None

    def transactions(self, transactions):
        spent, made, fees = set(), set(), 0.0
        for number, transaction in enumerate(transactions):
            fault = bad_outputs(transaction["outputs"])
            fault = fault or (self.spending(transaction, spent) if number else bad_coinbase(transaction))
            if fault:
                return fault
            for output in transaction["outputs"]:
                key = output_id(output)
                if key in made or key in self.made:
                    return "DuplicateOutput"
                made.add(key)
            if number:
                fees += in_doubles(transaction["inputs"]) - in_doubles(transaction["outputs"])
        return "InvalidCoinbaseTransaction" if fees > 2.0 else None

    def spending(self, transaction, spent):
        inputs, outputs = transaction["inputs"], transaction["outputs"]
        for output in inputs:
            key = output_id(output)
            if key not in self.unspent or key in spent:
                return "InvalidInput"
            spent.add(key)
        if any(output["timestamp"] < spending["timestamp"] for output in outputs for spending in inputs):
            return "InvalidTransactionTimestamp"
        if in_doubles(outputs) > in_doubles(inputs) or exactly(outputs) > exactly(inputs):
            return "InsufficientInputValue"
        return None

    def accept(self, miner, block):
        self.chain.append(
            {
                "block": block,
                "miner_id": miner,
                "accepted_at": self.now,
                "round": self.round,
                "tonce": self.tonce(),
                "difficulty": "0x%X" % self.difficulty,
                "content_hash": content_hash(block),
            }
        )
        for transaction in block["transactions"]:
            for output in transaction["inputs"]:
                del self.unspent[output_id(output)]
        for transaction in block["transactions"]:
            for output in transaction["outputs"]:
                self.unspent[output_id(output)] = (output, block["index"])
                self.made.add(output_id(output))
        self.lockouts[miner] = self.now + HOUR
        self.round += 1
        self.round_start = self.now
        self.attempts = set()


def in_doubles(outputs):
    total = 0.0
    for output in outputs:
        total += output["value"]
    return total


def exactly(outputs):
    return sum((Fraction(output["value"]) for output in outputs), Fraction(0))


def bad_outputs(outputs):
    values = [output["value"] for output in outputs]
    if any(not math.isfinite(value) or math.copysign(1, value) < 0 for value in values):
        return "InvalidOutputValue"
    if any(output["timestamp"] > U64 for output in outputs):
        return "InvalidTransactionTimestamp"
    return None


def bad_coinbase(transaction):
    right = not transaction["inputs"] and in_doubles(transaction["outputs"]) == 2.0
    return None if right else "InvalidCoinbaseTransaction"


# -- Protobuf ----------------------------------------------------------------------------------------------------------

# The fields of proto/hourcoin/v1, each `number kind name`; `?`: its presence is told, `*`: repeated.
SCHEMAS = """
Output: 1 string to_addr, 2 double value, 3 uint64 timestamp
Transaction: 1 Output inputs*, 2 Output outputs*
Block: 1 uint32 index, 2 uint64 timestamp, 3 bytes hash, 4 bytes prev_block_hash, 5 uint64 nonce,
 6 Transaction transactions*
AcceptedBlock: 1 Block block?, 2 string miner_id, 3 uint64 accepted_at, 4 uint64 round, 5 uint32 tonce,
 6 string difficulty, 7 bytes content_hash
GetBlockRequest: 1 uint32 index?, 2 bytes hash?
GetBlockResponse: 1 AcceptedBlock block?
ListBlocksRequest: 1 int32 page_size, 2 string page_token, 3 uint32 from_index
ListBlocksResponse: 1 AcceptedBlock blocks*, 2 string next_page_token
WatchBlocksRequest: 1 uint32 from_index
WatchBlocksResponse: 1 AcceptedBlock block?
GetAddressRequest: 1 string address, 2 int32 page_size, 3 string page_token
UnspentOutput: 1 Output output?, 2 bytes output_id, 3 uint32 block_index
GetAddressResponse: 1 string address, 2 double balance, 3 uint64 unspent_count, 4 UnspentOutput unspent_outputs*,
 5 string next_page_token
GetMinerRequest: 1 string miner_id
GetMinerResponse: 1 string miner_id, 2 bool is_locked, 3 uint64 lockout_remaining_ms, 4 bool has_attempted,
 5 uint64 block_count, 6 uint32 last_block_index?
RoundInfo: 1 uint64 round_start, 2 uint32 tonce?, 3 uint64 challenge_seconds_remaining, 4 uint64 attempted_miners,
 5 uint64 active_lockouts, 6 string difficulty, 7 uint64 round, 8 uint32 next_index, 9 bytes prev_block_hash,
 10 uint64 tip_timestamp?, 11 uint64 server_time, 12 enum timescale, 13 uint64 window_past_ms,
 14 uint64 window_future_ms, 15 uint64 lockout_ms, 16 double clock_speed
GetRoundInfoRequest: 1 string miner_id
GetRoundInfoResponse: 1 RoundInfo round_info?
SubmitBlockRequest: 1 string miner_id, 2 Block block?
SubmitBlockResponse: 1 enum result, 2 string message, 3 enum code, 4 uint64 retry_after_ms
CheckLockoutRequest: 1 string miner_id
CheckLockoutResponse: 1 bool is_locked, 2 uint64 seconds_remaining
GetBlockchainInfoRequest:
GetBlockchainInfoResponse: 1 uint64 block_count, 2 string difficulty, 3 bytes tip_hash?
WatchRoundsRequest: 1 string miner_id
WatchRoundsResponse: 1 RoundInfo round_info?
"""
SERVICES = {
    "ValidatorService": "GetRoundInfo SubmitBlock CheckLockout GetBlockchainInfo WatchRounds",
    "ChainService": "GetBlock ListBlocks WatchBlocks GetAddress GetMiner",
}


def read_schemas(text):
    messages = {}
    for line in text.replace("\n ", " ").strip().splitlines():
        name, fields = line.split(":")
        messages[name] = [
            (int(number), kind, field.rstrip("?*"), field[-1] if field[-1] in "?*" else "")
            for number, kind, field in (each.split() for each in fields.split(",") if each.strip())
        ]
    return messages


def screaming(name):
    """RejectedInvalidHash as REJECTED_INVALID_HASH."""
    return "".join("_" + letter if letter.isupper() else letter.upper() for letter in name).lstrip("_")


MESSAGES = read_schemas(SCHEMAS)
METHODS = {
    method: "hourcoin.v1.%s/%s" % (service, method) for service, names in SERVICES.items() for method in names.split()
}
ENUMS = {"TIMESCALE_TAI": 1, "TIMESCALE_UTC": 2}
ENUMS.update({"SUBMIT_RESULT_" + screaming(name): number for number, name in enumerate(RESULTS, 1)})
ENUMS.update({"CHAIN_CODE_" + screaming(name): number for number, name in enumerate(CODES, 1)})


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field_bytes(number, kind, value):
    """A field with its tag. A double that is -0 is written, since its bits are not those of the default."""
    if kind == "double":
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if kind in ("uint32", "uint64", "int32", "bool"):
        return varint(number << 3) + varint(int(value) & U64)
    if kind == "enum":
        return varint(number << 3) + varint(ENUMS[value])
    data = value if kind == "bytes" else value.encode() if kind == "string" else encode(kind, value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def is_default(kind, value):
    if kind == "double":
        return double(value) == bytes(8)
    return kind not in MESSAGES and not value


def told_fields(message, value):
    """The fields of a message that are written, in order of number, each with its values."""
    for number, kind, name, mark in MESSAGES[message]:
        told = value.get(name)
        if mark == "*":
            told = told or None
        elif told is not None and mark != "?" and is_default(kind, told):
            told = None
        if told is not None:
            yield number, kind, name, mark, told


def encode(message, value):
    assert set(value) <= {name for _, _, name, _ in MESSAGES[message]}, (message, value)
    return b"".join(
        field_bytes(number, kind, one)
        for number, kind, _, mark, told in told_fields(message, value)
        for one in (told if mark == "*" else [told])
    )


def json_scalar(kind, value):
    if kind in MESSAGES:
        return mapped(kind, value)
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind == "double" and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value) if kind == "uint64" else value


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def mapped(message, value):
    """The message in protobuf's JSON mapping."""
    return {
        camel(name): [json_scalar(kind, one) for one in told] if mark == "*" else json_scalar(kind, told)
        for _, kind, name, mark, told in told_fields(message, value)
    }


# -- The wires ---------------------------------------------------------------------------------------------------------


def json_text(value):
    return json.dumps(value, default=bytes.hex, ensure_ascii=False, separators=(",", ":"))


def frame(text):
    data = text if isinstance(text, bytes) else text.encode()
    return len(data).to_bytes(4, "big") + data


class JsonTcp:
    """Says the four calls in JSON."""

    def __init__(self, steps):
        self.steps = steps

    def send(self, text, receive=None):
        step = {"send": text if isinstance(text, str) else json_text(text)}
        if receive is not None:
            step["receive"] = receive if isinstance(receive, str) else json_text(receive)
        self.steps.append(step)

    def receive(self, receive):
        self.steps.append({"receive": receive if isinstance(receive, str) else json_text(receive)})

    def write(self, *pieces):
        self.steps.append({"write": [piece.hex() for piece in pieces]})

    def closed(self):
        self.steps.append({"closed": True})

    def round_info(self, miner, info):
        self.send({"GetRoundInfo": {"miner_id": miner}}, {"RoundInfo": info})

    def chain_info(self, info):
        self.send('"GetBlockchainInfo"', {"BlockchainInfo": info})

    def lockout(self, miner, status):
        self.send({"CheckLockout": {"miner_id": miner}}, {"LockoutStatus": status})

    def submit(self, miner, block, verdict, spelled=("", "")):
        """`spelled`: what of the text is written otherwise, and how."""
        result = {"result": verdict["result"], "message": verdict["message"]}
        text = json_text({"SubmitBlock": {"miner_id": miner, "block": block}})
        assert spelled[0] in text
        self.send(text.replace(*spelled) if spelled[0] else text, {"BlockResult": result})

    def fault(self, miner, block, _status, **spelled):
        self.submit(miner, block, NOT_TAKEN, **spelled)


class Grpc:
    """Says the same in protobuf, and what only gRPC has."""

    def __init__(self, steps):
        self.steps = steps

    def request(self, method, request):
        """A request is a message's value, or bytes as they are."""
        if isinstance(request, bytes):
            return {"call": METHODS[method], "request": request.hex()}
        name = method + "Request"
        return {
            "call": METHODS[method],
            "request": encode(name, request).hex(),
            "request_json": mapped(name, request),
        }

    def response(self, method, response):
        name = method + "Response"
        return {"response": encode(name, response).hex(), "response_json": mapped(name, response)}

    def call(self, method, request, response):
        """Answered by a message, or None: by any."""
        answer = {"response": None} if response is None else self.response(method, response)
        self.steps.append({**self.request(method, request), **answer})

    def call_fails(self, method, request, status):
        self.steps.append({**self.request(method, request), "status": status})

    def open(self, name, method, request):
        self.steps.append({"open": name, **self.request(method, request)})

    def next(self, name, method, response):
        self.steps.append({"next": name, **self.response(method, response)})

    def next_fails(self, name, status):
        self.steps.append({"next": name, "status": status})

    def cancel(self, name):
        self.steps.append({"cancel": name})

    def round_info(self, miner, info):
        self.call("GetRoundInfo", {"miner_id": miner}, {"round_info": on_grpc(info)})

    def chain_info(self, info):
        self.call("GetBlockchainInfo", {}, info)

    def lockout(self, miner, status):
        self.call("CheckLockout", {"miner_id": miner}, status)

    def submit(self, miner, block, verdict):
        response = dict(verdict, result="SUBMIT_RESULT_" + screaming(verdict["result"]))
        response["code"] = "CHAIN_CODE_" + screaming(verdict["code"]) if verdict["code"] else None
        self.call("SubmitBlock", {"miner_id": miner, "block": block}, response)

    def fault(self, miner, block, status):
        self.call_fails("SubmitBlock", {"miner_id": miner, "block": block}, status)


def on_grpc(info):
    return dict(info, timescale="TIMESCALE_" + info["timescale"].upper())


def status(code, reason, field=None, retry=False):
    out = {"code": code, "reason": reason}
    if field:
        out["field"] = field
    if retry:
        out["retry"] = True
    return out


def malformed(field=None):
    return status("INVALID_ARGUMENT", "MALFORMED", field)


def too_large(field=None):
    return status("INVALID_ARGUMENT", "LIMIT_EXCEEDED", field)


NOT_FOUND = status("NOT_FOUND", "NOT_FOUND")
OVERLOADED = status("RESOURCE_EXHAUSTED", "OVERLOADED", retry=True)
UNAVAILABLE = status("UNAVAILABLE", "UNAVAILABLE", retry=True)

# -- What scenarios are told in ----------------------------------------------------------------------------------------


class Talk:
    """One session being written. Times that scenarios name are milliseconds after START."""

    def __init__(self, wire, difficulty, timescale):
        self.steps = []
        self.model = Model(difficulty, timescale)
        self.json = wire == "json-tcp"
        self.wire = (JsonTcp if self.json else Grpc)(self.steps)
        self.strangers = 0

    def clock(self, at):
        """Sets the validator's clock."""
        assert START + at >= self.model.now
        self.model.now = START + at
        self.steps.append({"clock": str(self.model.now)})

    def condition(self, what):
        self.steps.append({"condition": what})

    def stranger(self):
        """A miner that nobody has seen."""
        self.strangers += 1
        return "miner-%d" % self.strangers

    @property
    def now(self):
        return self.model.now - START

    @property
    def tip(self):
        return self.model.tip["timestamp"] - START

    def meeting(self, at):
        """The first time from `at` on that meets the tonce in force."""
        return next(time for time in range(at, at + 100000) if meets(START + time, self.model.tonce()))

    def missing(self, at):
        """The first time from `at` on that does not."""
        return next(time for time in range(at, at + 100000) if not meets(START + time, self.model.tonce()))

    def block(self, pay="someone", at=None, coinbase=None, more=(), mined=True, **named):
        """A block on the tip, mined: all that is not named is as it should be. `hash` does not change the mining."""
        if at is None:
            at = self.meeting(max(self.now, self.tip + 1) if self.model.chain else self.now)
        timestamp = named.get("timestamp", START + at)
        first = [out(pay, 2.0, at)] if coinbase is None else coinbase
        block = {
            "index": named.get("index", len(self.model.chain)),
            "timestamp": timestamp,
            "hash": b"",
            "prev_block_hash": named.get("prev_block_hash", self.model.tip["hash"] if self.model.chain else ZEROS),
            "nonce": named.get("nonce", 0),
            "transactions": named.get("transactions", [pays(*first), *more]),
        }
        while "nonce" not in named and (work(block) < self.model.difficulty) != mined:
            block["nonce"] += 1
        block["hash"] = named.get("hash", block_hash(block))
        return block

    def submit(self, miner, block, answer, retry=0, message=None, **spelled):
        """`answer` is a result, or the code of a chain rule."""
        verdict = self.model.submit(miner, block)
        assert answer == (verdict["code"] or verdict["result"]), (answer, verdict)
        assert retry == verdict["retry_after_ms"], (retry, verdict)
        assert message in (None, verdict["message"]), (message, verdict)
        self.wire.submit(miner, block, verdict, **spelled)

    def refuse(self, block, answer, retry):
        """A fresh miner's attempt is used up by this block."""
        self.submit(self.stranger(), block, answer, retry)

    def accept(self, block, miner=None):
        """Block after block, each by a fresh miner."""
        self.submit(miner or self.stranger(), block, "Accepted", HOUR)
        return block

    def not_taken(self, miner, block, why, **spelled):
        """Cannot be judged, which uses nothing up: `why` is the status on gRPC."""
        assert self.model.over_limit(miner, block) == (why["reason"] == "LIMIT_EXCEEDED"), why
        self.wire.fault(miner, block, why, **spelled)

    def checked_round(self, **said):
        """The round by the page, held against what the scenario says of it."""
        info = self.model.round_info()
        tip = info["tip_timestamp"]
        known = {
            "number": info["round"],
            "began": info["round_start"] - START,
            "tonce": info["tonce"],
            "left": info["challenge_seconds_remaining"],
            "attempted": info["attempted_miners"],
            "lockouts": info["active_lockouts"],
            "height": info["next_index"],
            "tip": None if tip is None else tip - START,
        }
        for name, value in said.items():
            assert known[name] == value, (name, value, known)
        return info

    def round_info(self, miner="watcher", **said):
        self.wire.round_info(miner, self.checked_round(**said))

    def chain_info(self, blocks):
        info = self.model.chain_info()
        assert info["block_count"] == blocks, info
        self.wire.chain_info(info)

    def lockout(self, miner, locked, seconds):
        left = self.model.lockout_left(miner)
        assert (left > 0, left // 1000) == (locked, seconds), (miner, left)
        self.wire.lockout(miner, {"is_locked": locked, "seconds_remaining": seconds})


def out(to_addr, value, at):
    """An output, made so many milliseconds after START."""
    return {"to_addr": to_addr, "value": float(value), "timestamp": START + at}


def pays(*outputs):
    return spends((), *outputs)


def spends(inputs, *outputs):
    return {"inputs": list(inputs), "outputs": list(outputs)}


def coinbase_of(block, number=0):
    return block["transactions"][0]["outputs"][number]


SCENARIOS = []


def scenario(name, needs=("clock",), wires=BOTH, difficulty=EASY, timescale="tai"):
    def keep(tell):
        SCENARIOS.append((name, needs, wires, difficulty, timescale, tell))
        return tell

    return keep


# -- Scenarios: rounds, attempts and lockouts --------------------------------------------------------------------------


@scenario("a miner's first hour")
def first_hour(t):
    t.round_info("alice", number=1, began=0, tonce=15, left=60, attempted=0, lockouts=0, height=0, tip=None)
    t.lockout("alice", False, 0)
    t.chain_info(0)
    first = t.block("alice")
    t.submit("alice", first, "Accepted", 3600000, "Block accepted! You are now in 1-hour lockout.")
    t.round_info("alice", number=2, began=0, left=60, attempted=0, lockouts=1, height=1, tip=t.tip)
    t.lockout("alice", True, 3600)
    t.chain_info(1)
    locked = (
        (1, 3599, 3599999),
        (1000, 3599, 3599000),
        (1001, 3598, 3598999),
        (600000, 3000, 3000000),
    )
    for at, seconds, rest in locked:
        t.clock(at)
        t.lockout("alice", True, seconds)
        text = "Miner in lockout. %d seconds remaining." % seconds
        t.submit("alice", t.block("alice"), "RejectedMinerInLockout", rest, text)
    t.round_info("bob", number=2, began=0, tonce=1, left=0, attempted=0, lockouts=1, height=1, tip=t.tip)
    t.lockout("bob", False, 0)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    t.round_info("bob", number=3, began=600000, left=60, attempted=0, lockouts=2, height=2, tip=t.tip)
    t.clock(3599999)
    t.lockout("alice", True, 0)
    text = "Miner in lockout. 0 seconds remaining."
    t.submit("alice", t.block("alice"), "RejectedMinerInLockout", 1, text)
    t.round_info(number=3, began=600000, attempted=0, lockouts=2, height=2)
    t.clock(3600000)
    t.lockout("alice", False, 0)
    t.lockout("bob", True, 600)
    t.round_info(number=3, began=600000, attempted=0, lockouts=1, height=2)
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    t.round_info(number=4, began=3600000, attempted=0, lockouts=2, height=3, tip=t.tip)
    text = "Miner in lockout. 600 seconds remaining."
    t.submit("bob", t.block("bob"), "RejectedMinerInLockout", 600000, text)
    t.clock(4200000)
    t.lockout("bob", False, 0)
    t.round_info(number=4, began=3600000, attempted=0, lockouts=1, height=3)
    t.clock(7200000)
    t.lockout("alice", False, 0)
    t.round_info(number=5, began=7200000, tonce=1, left=0, attempted=0, lockouts=0, height=3)
    t.chain_info(3)


@scenario("one attempt a round")
def one_attempt(t):
    t.clock(1000)
    t.submit("alice", t.block(hash=bytes(32)), "RejectedInvalidHash", 3599000)
    t.round_info(number=1, attempted=1, lockouts=0)
    t.submit("alice", t.block(), "RejectedMinerAlreadyAttempted", 3599000, "Already attempted this round")
    t.submit("bob", t.block(hash=bytes(32)), "RejectedInvalidHash", 3599000)
    t.round_info(number=1, attempted=2, lockouts=0)
    t.clock(2500)
    t.submit("alice", t.block(), "RejectedMinerAlreadyAttempted", 3597500)
    t.lockout("alice", False, 0)
    t.round_info(number=1, attempted=2, lockouts=0)
    # Names are told apart exactly.
    t.submit("Alice", t.block(hash=bytes(32)), "RejectedInvalidHash", 3597500)
    t.round_info(number=1, attempted=3, lockouts=0)
    t.submit("carol", t.block("carol"), "Accepted", 3600000)
    t.round_info(number=2, began=2500, attempted=0, lockouts=1, height=1)
    # Everyone but the winner may try again, on the new tip.
    t.submit("bob", t.block(hash=bytes(32)), "RejectedInvalidHash", 3600000)
    t.round_info(number=2, began=2500, attempted=1, lockouts=1)
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    t.round_info(number=3, began=2500, attempted=0, lockouts=2, height=2)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    t.round_info(number=4, began=2500, attempted=0, lockouts=3, height=3)


@scenario("a round ends an hour after it began")
def round_ends(t):
    t.submit("alice", t.block(hash=bytes(32)), "RejectedInvalidHash", 3600000)
    t.clock(59999)
    t.round_info(number=1, began=0, tonce=15, left=0, attempted=1, tip=None)
    t.clock(60000)
    t.round_info(number=1, began=0, tonce=1, left=0, attempted=1, tip=None)
    t.clock(3599999)
    t.round_info(number=1, began=0, tonce=1, left=0, attempted=1, height=0, tip=None)
    t.submit("alice", t.block(), "RejectedMinerAlreadyAttempted", 1)
    t.clock(3600000)
    # The new round's challenge is over before it begins: p is still the start of the first round.
    t.round_info(number=2, began=3600000, tonce=1, left=0, attempted=0, height=0, tip=None)
    t.submit("alice", t.block(hash=bytes(32)), "RejectedInvalidHash", 3600000)
    t.round_info(number=2, began=3600000, tonce=1, left=0, attempted=1)
    # A submission ends the rounds before it is judged.
    t.clock(7200001)
    t.submit("alice", t.block(hash=bytes(32)), "RejectedInvalidHash", 3599999)
    t.round_info(number=3, began=7200000, attempted=1)
    # Several hours at once.
    t.clock(7200000 + 3 * 3600000 + 1800000)
    t.round_info(number=6, began=18000000, tonce=1, left=0, attempted=0)
    t.submit("alice", t.block(mined=False), "InvalidHash", 1800000)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    t.round_info(number=7, began=19800000, left=60, attempted=0, lockouts=1, height=1, tip=t.tip)
    # The hour counts from the acceptance on, and the tip stays.
    t.submit("alice", t.block(mined=False), "InvalidHash", 3600000)
    t.clock(23399999)
    t.round_info(number=7, began=19800000, attempted=1, lockouts=1, height=1, tip=t.tip)
    t.submit("bob", t.block("bob"), "RejectedMinerInLockout", 1, "Miner in lockout. 0 seconds remaining.")
    t.clock(23400000)
    t.round_info(number=8, began=23400000, tonce=1, left=0, attempted=0, lockouts=0, height=1, tip=t.tip)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    t.round_info(number=9, began=23400000, attempted=0, lockouts=1, height=2, tip=t.tip)
    t.clock(23400000 + 24 * 3600000 - 1)
    t.round_info(number=32, began=23400000 + 23 * 3600000, tonce=1, left=0, lockouts=0, height=2, tip=t.tip)


@scenario("every answer, and whether it uses up the attempt")
def every_answer(t):
    t.submit("founder", t.block("founder"), "Accepted", 3600000)
    founders = coinbase_of(t.model.tip)
    tip = t.tip
    t.clock(30000)
    rest = 3570000

    def uses_up(count, answer, message, **named):
        miner = t.stranger()
        t.submit(miner, t.block(**named), answer, rest, message)
        t.round_info(number=2, attempted=count, lockouts=1, height=1)
        again = "Already attempted this round"
        t.submit(miner, t.block(miner), "RejectedMinerAlreadyAttempted", rest, again)

    def uses_nothing_up(count, answer, message, **named):
        miner = t.stranger()
        for _ in range(2):
            t.submit(miner, t.block(**named), answer, 0, message)
        t.round_info(number=2, attempted=count, lockouts=1, height=1)

    chain = "Blockchain validation failed: "
    more = {"more": [spends([out("founder", 3, tip)], out("x", 1, 30000))]}
    older = {"more": [spends([founders], out("x", 1, tip - 1))]}
    dear = {"more": [spends([founders], out("x", 2.0000000000000004, 30000))]}
    late = "Miner in lockout. 3570 seconds remaining."
    t.submit("founder", t.block(), "RejectedMinerInLockout", rest, late)
    t.round_info(number=2, attempted=0, lockouts=1, height=1)
    uses_nothing_up(0, "MismatchedIndex", chain + "MismatchedIndex", index=2)
    uses_nothing_up(0, "MismatchedPreviousHash", chain + "MismatchedPreviousHash", prev_block_hash=ZEROS)
    uses_nothing_up(0, "AchronologicalTimestamp", chain + "AchronologicalTimestamp", at=tip)
    uses_up(1, "RejectedInvalidTimestamp", "Invalid timestamp", at=30501)
    uses_up(2, "RejectedTonceChallenge", "Timestamp failed tonce challenge", at=t.missing(30000))
    uses_up(3, "RejectedInvalidHash", "Block hash does not match its contents", hash=bytes(32))
    uses_up(4, "InvalidHash", chain + "InvalidHash", mined=False)
    negative = [out("x", 3, 30000), out("x", -1, 30000)]
    uses_up(5, "InvalidOutputValue", chain + "InvalidOutputValue", coinbase=negative)
    uses_up(6, "InvalidTransactionTimestamp", chain + "InvalidTransactionTimestamp", **older)
    five = [out("x", 5, 30000)]
    uses_up(7, "InvalidCoinbaseTransaction", chain + "InvalidCoinbaseTransaction", coinbase=five)
    uses_up(8, "InvalidInput", chain + "InvalidInput", **more)
    uses_up(9, "InsufficientInputValue", chain + "InsufficientInputValue", **dear)
    uses_up(10, "DuplicateOutput", chain + "DuplicateOutput", coinbase=[founders])
    # None of these has changed the chain. Whose attempt was not used up may still make the block.
    t.round_info(number=2, attempted=10, lockouts=1, height=1, tip=tip)
    t.submit("miner-1", t.block(), "Accepted", 3600000, "Block accepted! You are now in 1-hour lockout.")
    t.round_info(number=3, attempted=0, lockouts=2, height=2)


@scenario("the first block stands on zeros")
def genesis(t):
    codes = "Blockchain validation failed: InvalidGenesisBlockFormat"
    for previous in (bytes(31) + b"\x01", b"\xff" * 32, bytes(31), bytes(33), b""):
        t.submit("alice", t.block(prev_block_hash=previous), "InvalidGenesisBlockFormat", 0, codes)
    t.round_info(number=1, attempted=0, lockouts=0, height=0)
    t.submit("alice", t.block(index=1), "MismatchedIndex", 0)
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    t.submit("bob", t.block(prev_block_hash=ZEROS), "MismatchedPreviousHash", 0)
    t.submit("bob", t.block(prev_block_hash=ZEROS, index=0), "MismatchedIndex", 0)
    t.round_info(number=2, attempted=0, lockouts=1, height=1)


# -- Scenarios: time ---------------------------------------------------------------------------------------------------


@scenario("a timestamp is valid from 300 000 ms before the clock to 500 ms after it")
def window(t):
    t.clock(400000)
    t.submit("alice", t.block(at=99999), "RejectedInvalidTimestamp", 3200000)
    t.submit("bob", t.block(at=400501), "RejectedInvalidTimestamp", 3200000)
    t.submit("carol", t.block(at=100000), "Accepted", 3600000)
    t.round_info(number=2, began=400000, tonce=1, left=0, attempted=0, height=1, tip=100000)
    t.submit("alice", t.block(at=100001), "Accepted", 3600000)
    t.submit("bob", t.block(at=400501), "RejectedInvalidTimestamp", 3600000)
    t.submit("dave", t.block(at=400500), "Accepted", 3600000)
    # A tip that is ahead of the clock: no time has passed since.
    t.round_info(number=4, began=400000, left=60, attempted=0, height=3, tip=400500)
    t.submit("erin", t.block(at=400500), "AchronologicalTimestamp")
    t.submit("erin", t.block(at=400501), "RejectedInvalidTimestamp", 3600000)
    t.clock(400500)
    t.round_info(left=60, tip=400500)
    t.clock(400501)
    t.round_info(left=59, tip=400500)
    t.clock(700499)
    t.submit("frank", t.block(at=400500), "AchronologicalTimestamp")
    t.submit("frank", t.block(at=400501), "Accepted", 3600000)
    t.clock(1000502)
    t.submit("grace", t.block(at=700501), "RejectedInvalidTimestamp", 3299997)
    t.submit("heidi", t.block(at=700502), "Accepted", 3600000)


@scenario("the tonce is in force for 60 seconds after the tip's timestamp")
def tonce(t):
    t.round_info(tonce=15, left=60)
    t.submit("alice", t.block(at=t.missing(0)), "RejectedTonceChallenge", 3600000)
    for at, left in ((1, 59), (1000, 59), (1001, 58), (59000, 1), (59001, 0), (59999, 0)):
        t.clock(at)
        t.round_info(tonce=15, left=left)
    assert t.missing(59999) == 59999
    t.submit("bob", t.block(at=59999), "RejectedTonceChallenge", 3540001)
    t.clock(60000)
    t.round_info(tonce=1, left=0, attempted=2, tip=None)
    # The very timestamp that failed passes now.
    t.submit("carol", t.block("carol", at=59999), "Accepted", 3600000)
    t.round_info(number=2, began=60000, left=59, tip=59999)


@scenario("each tip has its own tonce, from 1 to 31")
def tonces(t):
    t.clock(60000)
    t.accept(t.block(at=23000))
    t.round_info(tonce=1, left=23, tip=23000)
    # With a tonce of 1 every timestamp passes, and the next is the first that is later than the tip.
    t.submit("alice", t.block(at=23000), "AchronologicalTimestamp")
    t.accept(t.block(at=23001), "alice")
    for base, tip, wanted in ((100000, 90005, 31), (300000, 290023, 2), (500000, 490021, 16)):
        t.clock(base)
        t.round_info(tonce=1, left=0)
        t.accept(t.block(at=tip))
        t.round_info(tonce=wanted, left=(60000 - (base - tip)) // 1000, attempted=0, tip=tip)
        t.refuse(t.block(at=t.missing(base)), "RejectedTonceChallenge", 3600000)
        t.clock(tip + 59999)
        t.round_info(tonce=wanted, left=0, attempted=1)
        t.refuse(t.block(at=t.missing(t.now)), "RejectedTonceChallenge", 3600000 - (tip + 59999 - base))
        t.accept(t.block(at=t.meeting(t.now)))


@scenario("a validator on TAI takes a miner on UTC, but not on a tip younger than 37 s")
def tai(t):
    t.clock(100000)
    t.submit("utc-1", t.block("utc-1", at=100000 - 37000), "Accepted", 3600000)
    t.round_info(number=2, tonce=9, left=23, tip=63000)
    t.clock(200000)
    t.accept(t.block(at=200000))
    t.clock(220000)
    t.submit("utc-2", t.block("utc-2", at=183000), "AchronologicalTimestamp")
    t.clock(236999)
    t.submit("utc-2", t.block("utc-2", at=199999), "AchronologicalTimestamp")
    t.clock(237000)
    t.submit("utc-2", t.block("utc-2", at=200000), "AchronologicalTimestamp")
    t.round_info(number=3, attempted=0, height=2)
    stamp = t.meeting(200001)
    t.clock(stamp + 37000)
    t.submit("utc-2", t.block("utc-2", at=stamp), "Accepted", 3600000)
    t.round_info(number=4, height=3, tip=stamp)


@scenario("a validator on UTC refuses a miner on TAI", timescale="utc")
def utc(t):
    t.round_info(number=1, tonce=15, left=60)
    t.submit("tai", t.block(at=37000), "RejectedInvalidTimestamp", 3600000)
    t.submit("utc", t.block("utc"), "Accepted", 3600000)
    t.clock(1000000)
    t.submit("tai", t.block(at=1037000), "RejectedInvalidTimestamp", 2600000)
    t.submit("another", t.block("another"), "Accepted", 3600000)
    t.round_info(number=3, began=1000000, height=2)
    t.chain_info(2)


# -- Scenarios: the order of the rules ---------------------------------------------------------------------------------


@scenario("of two broken rules the first is told: the submission")
def order_of_submission(t):
    first = t.accept(t.block("founder"), "founder")
    tip = t.tip
    t.clock(30000)
    rest = 3570000
    off = bytes(32)
    big = t.block("x" * 257, nonce=0)
    over = too_large("block.transactions[0].outputs[0].to_addr")
    t.not_taken("founder", big, over)
    t.submit("founder", t.block(index=7), "RejectedMinerInLockout", rest)
    t.submit("founder", t.block(at=400000), "RejectedMinerInLockout", rest)
    t.submit("alice", t.block(hash=off), "RejectedInvalidHash", rest)
    t.not_taken("alice", big, over)
    t.not_taken("bob", big, over)
    t.submit("alice", t.block(index=7), "RejectedMinerAlreadyAttempted", rest)
    t.submit("alice", t.block(prev_block_hash=off), "RejectedMinerAlreadyAttempted", rest)
    t.submit("alice", t.block(at=tip), "RejectedMinerAlreadyAttempted", rest)
    t.submit("bob", t.block(index=2, prev_block_hash=off), "MismatchedIndex")
    t.submit("bob", t.block(index=0, at=tip), "MismatchedIndex")
    t.submit("bob", t.block(prev_block_hash=off, at=tip), "MismatchedPreviousHash")
    t.submit("bob", t.block(index=2, mined=False), "MismatchedIndex")
    t.submit("bob", t.block(prev_block_hash=off, mined=False), "MismatchedPreviousHash")
    t.submit("bob", t.block(at=tip, mined=False), "AchronologicalTimestamp")
    t.submit("bob", t.block(at=-270001), "AchronologicalTimestamp")
    t.submit("bob", t.block(index=2, at=30501), "MismatchedIndex")
    t.submit("bob", t.block(prev_block_hash=off, at=30501), "MismatchedPreviousHash")
    t.submit("bob", t.block(prev_block_hash=off, hash=off), "MismatchedPreviousHash")
    t.round_info(number=2, attempted=1, height=1)
    t.refuse(t.block(at=t.missing(30501)), "RejectedInvalidTimestamp", rest)
    t.refuse(t.block(at=30501, hash=off), "RejectedInvalidTimestamp", rest)
    t.refuse(t.block(at=t.missing(30000), hash=off), "RejectedTonceChallenge", rest)
    t.refuse(t.block(at=t.missing(30000), mined=False), "RejectedTonceChallenge", rest)
    t.refuse(t.block(mined=False, hash=off), "RejectedInvalidHash", rest)
    t.refuse(t.block(mined=False, hash=first["hash"]), "RejectedInvalidHash", rest)
    t.refuse(t.block(coinbase=[out("x", 5, 0)], hash=off), "RejectedInvalidHash", rest)
    t.refuse(t.block(coinbase=[out("x", -1, 0)], mined=False), "InvalidHash", rest)
    t.refuse(t.block(coinbase=[out("x", 5, 0)], mined=False), "InvalidHash", rest)
    t.round_info(number=2, attempted=10, height=1)


@scenario("of two broken rules the first is told: the first block")
def order_of_genesis(t):
    off = b"\x01" * 32
    t.submit("alice", t.block(index=1, prev_block_hash=off), "MismatchedIndex")
    t.submit("alice", t.block(prev_block_hash=off, at=501), "InvalidGenesisBlockFormat")
    t.submit("alice", t.block(prev_block_hash=off, at=t.missing(0)), "InvalidGenesisBlockFormat")
    t.submit("alice", t.block(prev_block_hash=off, hash=ZEROS), "InvalidGenesisBlockFormat")
    t.submit("alice", t.block(prev_block_hash=off, mined=False), "InvalidGenesisBlockFormat")
    t.submit("alice", t.block(prev_block_hash=off, coinbase=[out("x", 5, 0)]), "InvalidGenesisBlockFormat")
    t.round_info(number=1, attempted=0, height=0)
    t.submit("alice", t.block(coinbase=[out("x", 5, 0)]), "InvalidCoinbaseTransaction", 3600000)
    t.round_info(number=1, attempted=1, height=0)


@scenario("of two broken rules the first is told: the transactions")
def order_of_transactions(t):
    first = t.accept(t.block(coinbase=[out("a", 1, 0), out("b", 0.75, 0), out("c", 0.25, 0)]))
    a, b, c = first["transactions"][0]["outputs"]
    t.clock(70000)
    second = t.accept(t.block("d"))
    d = coinbase_of(second)
    t.clock(140000)
    at = 140000
    none = out("nobody", 1, 0)

    def wrong(answer, *more, coinbase=None):
        t.refuse(t.block(coinbase=coinbase, more=more), answer, 3530000)

    # The first transaction.
    wrong("InvalidOutputValue", coinbase=[out("x", -1, at)])
    wrong("InvalidCoinbaseTransaction", coinbase=[out("x", 1, at), out("x", 1, at), out("x", 1, at)])
    wrong("InvalidCoinbaseTransaction", coinbase=[a, b])
    t.refuse(t.block(transactions=[spends([none], out("x", 2, at))]), "InvalidCoinbaseTransaction", 3530000)
    t.refuse(t.block(transactions=[spends([a, b, c], out("x", 2, at))]), "InvalidCoinbaseTransaction", 3530000)
    if t.json:  # protobuf's timestamps are 64 bits
        beyond = U64 + 1 - START
        wrong("InvalidOutputValue", coinbase=[out("x", -1, beyond)])
        wrong("InvalidOutputValue", coinbase=[out("x", 2, beyond), out("x", -1, at)])
        wrong("InvalidTransactionTimestamp", coinbase=[out("x", 3, beyond)])
        wrong("InvalidTransactionTimestamp", spends([none], out("x", 1, beyond)))
    # A further transaction.
    wrong("InvalidOutputValue", spends([none], out("x", -1, at)))
    wrong("InvalidOutputValue", spends([a], out("x", -1, -1)))
    wrong("InvalidInput", spends([none], out("x", 0.5, -1)))
    wrong("InvalidInput", spends([none], out("x", 9, at)))
    wrong("InvalidInput", spends([none], b))
    wrong("InvalidInput", spends([a, a], out("x", 3, at)))
    wrong("InvalidInput", spends([a, a], out("x", 2, -1)))
    wrong("InvalidTransactionTimestamp", spends([a], out("x", 9, -1)))
    wrong("InvalidTransactionTimestamp", spends([d], a))
    wrong("InsufficientInputValue", spends([c], b))
    wrong("DuplicateOutput", spends([a, d], out("x", 0.5, at)), spends([b], c))
    # Of several transactions the first is told.
    wrong("InvalidCoinbaseTransaction", spends([none]), coinbase=[out("x", 3, at)])
    wrong("InvalidCoinbaseTransaction", spends([a], out("x", -1, at)), coinbase=[out("x", 3, at)])
    wrong("DuplicateOutput", spends([a], out("x", -1, at)), coinbase=[a, out("x", 1, at)])
    wrong("DuplicateOutput", spends([none]), coinbase=[a, out("x", 1, at)])
    wrong("InsufficientInputValue", spends([c], out("x", 1, at)), spends([none], out("x", -1, at)))
    wrong("DuplicateOutput", spends([a], c), spends([none], out("x", -1, at)))
    wrong("InvalidInput", spends([none]), spends([a], out("x", -1, at)))
    # Fees come last: here they are 3.0, and then something else is wrong too.
    wrong("InvalidCoinbaseTransaction", spends([a, d]))
    wrong("InvalidInput", spends([a, d]), spends([none]))
    wrong("InsufficientInputValue", spends([a, d]), spends([c], out("x", 1, at)))
    wrong("DuplicateOutput", spends([a, d]), spends([b], c))
    t.round_info(number=3, lockouts=2, height=2)


# -- Scenarios: proof of work ------------------------------------------------------------------------------------------


def first_work():
    """The work of alice's first block with nonce 3, whatever the difficulty."""
    return work(Talk("grpc", EASY, "tai").block("alice", nonce=3))


@scenario("work that is the difficulty itself is not enough", difficulty=first_work())
def work_equal(t):
    t.chain_info(0)
    t.submit("alice", t.block("alice", nonce=3), "InvalidHash", 3600000)
    t.round_info(number=1, attempted=1, height=0)


@scenario("work of one less than the difficulty is enough", difficulty=first_work() + 1)
def work_below(t):
    t.chain_info(0)
    t.submit("alice", t.block("alice", nonce=3), "Accepted", 3600000)
    t.chain_info(1)


@scenario("the hardest difficulty is 1", difficulty=1)
def hardest(t):
    t.chain_info(0)
    t.submit("alice", t.block("alice", nonce=3), "InvalidHash", 3600000)
    t.round_info(number=1, attempted=1, height=0)


@scenario("the easiest difficulty is 2^128 - 1", difficulty=U128)
def easiest(t):
    t.chain_info(0)
    t.submit("alice", t.block("alice", nonce=3), "Accepted", 3600000)
    t.round_info(number=2, attempted=0, lockouts=1, height=1)


@scenario("the difficulty is told without leading zeros", difficulty=2**120 - 1)
def default_difficulty(t):
    t.chain_info(0)
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    t.round_info(number=2, height=1)


# -- Scenarios: values and sums ----------------------------------------------------------------------------------------


@scenario("an output's value is finite, not negative and not -0")
def values(t):
    first = t.accept(t.block(coinbase=[out("a", 2, 0), out("z", 0, 0)]))
    a, z = first["transactions"][0]["outputs"]
    t.clock(70000)
    rest = 3530000
    bad = [-0.0, -1.0, -5e-324] + ([] if t.json else [math.inf, -math.inf, math.nan])
    for value in bad:
        wrong = [out("x", 2, 70000), out("y", value, 70000)]
        t.refuse(t.block(coinbase=wrong), "InvalidOutputValue", rest)
        t.refuse(t.block(more=[spends([a], out("y", value, 70000))]), "InvalidOutputValue", rest)
    if t.json:  # without a fraction it is still a double, and -0
        wrong = t.block(coinbase=[out("x", 2, 70000), out("y", -0.0, 70000)])
        t.submit("minus", wrong, "InvalidOutputValue", rest, spelled=('"value":-0.0', '"value":-0'))
    # An output of 0 is known by the bits of its value.
    t.refuse(t.block(more=[spends([out("z", -0.0, 0)])]), "InvalidInput", rest)
    more = [spends([a], out("y", 5e-324, 70000)), spends([z], out("z", 0, 70000))]
    t.accept(t.block(coinbase=[out("x", 2, 70000), out("w", 0, 70000)], more=more))
    t.round_info(number=3, attempted=0, height=2)


@scenario("a coinbase sums to exactly 2.0, from left to right in doubles")
def coinbase_sums(t):
    good = [
        [0.1, 1.9],
        [1.5, 0.5],
        [0.2, 0.4, 1.4],
        [0.4, 0.2, 1.4],
        [2.0, 0.0],
        [2.0, 1e-17],
        [1e-17, 2.0],
        [2.0, 2.2e-16, 2.2e-16],
        [2.0, 2.220446049250313e-16],
        [1.9999999999999998, 1.1102230246251565e-16],
    ]
    bad = [
        [],
        [0.0],
        [5.0],
        [2.0000000000000004],
        [1.9999999999999998],
        [1.4, 0.4, 0.2],
        [0.4, 1.4, 0.2],
        [0.1] * 20,
        [2.2e-16, 2.2e-16, 2.0],
        [2.0, 2.2204460492503136e-16],
    ]

    def parts(sums):
        return [out("part-%d" % number, value, t.now) for number, value in enumerate(sums)]

    t.clock(60000)
    for sums in bad:
        t.refuse(t.block(coinbase=parts(sums)), "InvalidCoinbaseTransaction", 3540000)
    t.round_info(number=1, attempted=10, height=0)
    for number, sums in enumerate(good):
        t.clock(120000 + 1000 * number)
        t.accept(t.block(coinbase=parts(sums)))
    t.round_info(number=11, attempted=0, lockouts=10, height=10)


@scenario("outputs are worth no more than inputs, in doubles and exactly")
def exact_sums(t):
    first = t.accept(t.block(coinbase=[out("a", 2, 0), out("dust", 1e-17, 0)]))
    a, dust = first["transactions"][0]["outputs"]
    t.clock(70000)
    second = t.accept(t.block(coinbase=[out("p", 0.4, 70000), out("q", 0.2, 70000), out("r", 1.4, 70000)]))
    p, q, r = second["transactions"][0]["outputs"]
    t.clock(140000)
    rest = 3530000
    at = 140000
    huge = 1.7976931348623157e308
    too_much = [
        spends([a], out("x", 2.0000000000000004, at)),
        # Doubles swallow the dust; the exact sum does not.
        spends([a], out("x", 2, at), out("y", 1e-17, at)),
        spends([a], out("x", 2, at), out("y", 5e-324, at)),
        spends([dust], out("x", 1.0000000000000002e-17, at)),
        # Exactly as much, but in this order 1.9999999999999998 in doubles, and 2.0 in that one.
        spends([r, p, q], out("x", 0.4, at), out("y", 0.2, at), out("z", 1.4, at)),
        spends([a], out("x", huge, at), out("y", huge, at)),
        spends([], out("x", 5e-324, at)),
    ]
    for transaction in too_much:
        t.refuse(t.block(more=[transaction]), "InsufficientInputValue", rest)
    # What one transaction leaves is not there for another.
    t.refuse(t.block(more=[spends([a]), spends([dust], out("x", 1, at))]), "InsufficientInputValue", rest)
    fine = [
        spends([a, dust], out("x", 2, at), out("y", 1e-17, at)),
        spends([p, q, r], out("z", 1.4, at), out("z", 0.4, at), out("z", 0.2, at)),
        spends([]),
        spends([], out("zero", 0, at)),
    ]
    t.accept(t.block(more=fine))
    t.round_info(number=4, height=3)


@scenario("fees are at most 2.0, in doubles, and go to nobody")
def fees(t):
    coins = []
    for number in range(3):
        t.clock(70000 * number)
        coins.append(coinbase_of(t.accept(t.block("coin-%d" % number))))
    a, b, c = coins
    t.clock(210000)
    drops = t.accept(t.block(coinbase=[out("x", 2, 210000), out("y", 2.2e-16, 210000), out("z", 2.2e-16, 210000)]))
    _, y, z = drops["transactions"][0]["outputs"]
    t.clock(280000)
    rest = 3530000
    at = 280000
    too_high = [
        [spends([a, b])],
        [spends([a]), spends([b])],
        [spends([a, b], out("u", 1.9999999999999996, at))],
        [spends([y]), spends([z]), spends([a])],
        [spends([y, z, a])],
    ]
    for more in too_high:
        t.refuse(t.block(more=more), "InvalidCoinbaseTransaction", rest)
    # Nobody gets them: the coinbase stays 2.0.
    collected = [out("x", 3, at)]
    t.refuse(t.block(coinbase=collected, more=[spends([a], out("u", 1, at))]), "InvalidCoinbaseTransaction", rest)
    # 2.0 and a little more, which doubles swallow.
    t.accept(t.block(more=[spends([a]), spends([y]), spends([z])]))
    t.clock(350000)
    t.accept(t.block(more=[spends([b, c], out("u", 1.9999999999999998, at))]))
    t.round_info(number=7, attempted=0, height=6)


@scenario("an output is spent once, from the next block on")
def spending(t):
    first = t.accept(t.block(coinbase=[out("a", 1, 0), out("b", 1, 5)]))
    a, b = first["transactions"][0]["outputs"]
    t.clock(70000)
    rest = 3530000
    unknown = [out("a", 1.0000000000000002, 0), out("a", 1, 1), out("A", 1, 0), out("a ", 1, 0), out("", 1, 0)]
    for output in unknown:
        t.refuse(t.block(more=[spends([output])]), "InvalidInput", rest)
    x, fresh = out("x", 1, 70000), out("fresh", 2, 70000)
    t.refuse(t.block(more=[spends([a, a])]), "InvalidInput", rest)
    t.refuse(t.block(more=[spends([a]), spends([a])]), "InvalidInput", rest)
    t.refuse(t.block(more=[spends([a], x), spends([x])]), "InvalidInput", rest)
    t.refuse(t.block(coinbase=[fresh], more=[spends([fresh])]), "InvalidInput", rest)
    # As old as an input is old enough; older than the newest input is not.
    t.refuse(t.block(more=[spends([a, b], out("x", 1, 4))]), "InvalidTransactionTimestamp", rest)
    t.refuse(t.block(more=[spends([b, a], out("x", 1, 5), out("x", 0, 4))]), "InvalidTransactionTimestamp", rest)
    t.accept(t.block(coinbase=[fresh], more=[spends([b], out("x", 0.5, 5), out("x", 0.5, 6))]))
    t.clock(140000)
    t.refuse(t.block(more=[spends([b])]), "InvalidInput", rest)
    t.refuse(t.block(more=[spends([x])]), "InvalidInput", rest)
    t.accept(t.block(more=[spends([fresh], out("y", 2, 140000)), spends([a, out("x", 0.5, 5)])]))
    t.clock(210000)
    t.refuse(t.block(more=[spends([a])]), "InvalidInput", rest)
    t.refuse(t.block(more=[spends([fresh])]), "InvalidInput", rest)
    t.accept(t.block(more=[spends([out("x", 0.5, 6)], out("z", 0.5, 6))]))
    t.round_info(number=5, attempted=0, height=4)


@scenario("no output is made twice")
def duplicates(t):
    a = coinbase_of(t.accept(t.block("a")))
    t.clock(70000)
    rest = 3530000
    at = 70000
    one, two = out("x", 1, at), out("y", 2, at)
    t.refuse(t.block(coinbase=[one, one]), "DuplicateOutput", rest)
    t.refuse(t.block(coinbase=[two], more=[spends([a], two)]), "DuplicateOutput", rest)
    t.refuse(t.block(coinbase=[two], more=[spends([a], one, one)]), "DuplicateOutput", rest)
    zeros = spends([], out("z", 0, at), out("z", 0, at))
    t.refuse(t.block(coinbase=[two], more=[spends([a], one), zeros]), "DuplicateOutput", rest)
    t.refuse(t.block(coinbase=[a]), "DuplicateOutput", rest)
    # Spent and made in one block.
    t.refuse(t.block(coinbase=[two], more=[spends([a], a)]), "DuplicateOutput", rest)
    # What refused blocks would have made was not made.
    t.accept(t.block(coinbase=[two], more=[spends([a], one, out("x", 1, at + 1))]))
    t.clock(140000)
    t.refuse(t.block(coinbase=[two]), "DuplicateOutput", rest)
    t.refuse(t.block(more=[spends([two], one)]), "DuplicateOutput", rest)
    # Spent long ago.
    t.refuse(t.block(coinbase=[a]), "DuplicateOutput", rest)
    t.accept(t.block(more=[spends([two], out("y", 2, at + 1))]))
    t.clock(210000)
    t.refuse(t.block(coinbase=[two]), "DuplicateOutput", rest)
    t.accept(t.block(coinbase=[out("y", 2, at + 2)]))
    t.round_info(number=5, attempted=0, height=4)


@scenario("a block may have no transactions")
def no_transactions(t):
    t.accept(t.block(transactions=[]))
    t.clock(70000)
    t.accept(t.block(transactions=[]))
    t.refuse(t.block(transactions=[pays()]), "InvalidCoinbaseTransaction", 3600000)
    t.clock(140000)
    t.accept(t.block("a"))
    t.chain_info(3)


# -- Scenarios: numbers and hashes -------------------------------------------------------------------------------------


def with_nonce(t, nonce):
    """A good block of this very nonce: what varies is whom it pays."""
    blocks = (t.block("payee-%d" % number, nonce=nonce) for number in range(1000))
    return next(block for block in blocks if work(block) < t.model.difficulty)


@scenario("numbers use all their bits")
def big_numbers(t):
    t.submit("alice", t.block(timestamp=U64), "RejectedInvalidTimestamp", 3600000)
    t.submit("bob", t.block(index=LAST, timestamp=U64, nonce=U64), "MismatchedIndex")
    for miner, timestamp in (("carol", U64 + 1), ("dave", U128)) if t.json else ():
        t.submit(miner, t.block(index=LAST, timestamp=timestamp, nonce=U64), "MismatchedIndex")
        t.submit(miner, t.block(timestamp=timestamp), "RejectedInvalidTimestamp", 3600000)
    for number, nonce in enumerate((U64, 2**63, 2**53 + 1)):
        t.clock(70000 * number)
        t.accept(with_nonce(t, nonce))
    t.clock(210000)
    for beyond in (U64 + 1, U128) if t.json else ():
        t.refuse(t.block(coinbase=[out("x", 2, beyond - START)]), "InvalidTransactionTimestamp", 3530000)
        t.refuse(t.block(more=[spends([out("x", 2, beyond - START)])]), "InvalidInput", 3530000)
    t.accept(t.block(coinbase=[out("x", 1, U64 - START), out("x", 1, -START)]))
    t.round_info(number=5, attempted=0, height=4)


@scenario("hashes of other lengths are judged like any that are wrong")
def hash_lengths(t):
    good = t.block("alice")["hash"]
    for hash_ in (good[:31], good + b"\x00", b"", b"\x00" + good):
        t.refuse(t.block("alice", hash=hash_), "RejectedInvalidHash", 3600000)
    t.accept(t.block("alice"))
    t.clock(70000)
    tip = t.model.tip["hash"]
    for previous in (tip[:31], tip + b"\x00", b"", b"\x00" + tip):
        t.submit("bob", t.block(prev_block_hash=previous), "MismatchedPreviousHash")
        t.submit("bob", t.block(prev_block_hash=previous, hash=b""), "MismatchedPreviousHash")
    t.round_info(number=2, attempted=0, height=1)
    t.refuse(t.block(hash=tip), "RejectedInvalidHash", 3530000)
    t.submit("bob", t.block(), "Accepted", 3600000)


@scenario("names are any text of at most 256 bytes")
def names(t):
    for number, name in enumerate(("é漢😀", "quote\" back\\ tab\t nul\0 del\x7f", "é" * 128)):
        t.clock(70000 * number)
        t.submit(name, t.block(name), "Accepted", 3600000)
        t.lockout(name, True, 3600)
    # Written otherwise, it is another name: e and an accent of its own.
    t.lockout("e\u0301漢😀", False, 0)
    t.round_info("é漢😀", number=4, lockouts=3, height=3)


@scenario("JSON/TCP: an empty miner id is one like any other", wires=("json-tcp",))
def empty_miner(t):
    t.round_info("", number=1)
    t.submit("", t.block(""), "Accepted", 3600000)
    t.lockout("", True, 3600)
    t.submit("", t.block(""), "RejectedMinerInLockout", 3600000, "Miner in lockout. 3600 seconds remaining.")


# -- Scenarios: reading JSON (on any running validator: all of these blocks are far from its tip) ----------------------

ROUND_INFO = '{"RoundInfo":{}}'
CHAIN_INFO = '{"BlockchainInfo":{}}'
FREE = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}'
OFF_TIP = {
    "result": "RejectedBlockchainValidation",
    "message": "Blockchain validation failed: MismatchedIndex",
    "code": "MismatchedIndex",
    "retry_after_ms": 0,
}
OFF_TIP_TEXT = json_text({"BlockResult": {name: OFF_TIP[name] for name in ("result", "message")}})
BLOCK_MEMBERS = (
    ("index", str(LAST)),
    ("timestamp", "1"),
    ("hash", '"00"'),
    ("prev_block_hash", '"00"'),
    ("nonce", "0"),
    ("transactions", "[]"),
)


def members(pairs):
    return "{%s}" % ",".join('"%s":%s' % pair for pair in pairs)


def submission(**changed):
    """The text of a submission, with some members' texts changed; None: left out."""
    texts = {**dict(BLOCK_MEMBERS), **changed}
    return submission_of(members((name, text) for name, text in texts.items() if text is not None))


def submission_of(block):
    return '{"SubmitBlock":{"miner_id":"%s","block":%s}}' % (NOBODY, block)


def with_output(output):
    return submission(transactions='[{"inputs":[],"outputs":[%s]}]' % output)


def with_value(value):
    return with_output('{"to_addr":"a","value":%s,"timestamp":1}' % value)


def nested(opening, closing, depth):
    return '{"GetRoundInfo":{"miner_id":"%s","x":%s}}' % (NOBODY, opening * depth + closing * depth)


@scenario("JSON/TCP: requests that are read", needs=(), wires=("json-tcp",))
def requests_read(t):
    for text in (
        '"GetBlockchainInfo"',
        '{"GetBlockchainInfo":null}',
        '\n\t "GetBlockchainInfo" \r\n',
        ' { "GetBlockchainInfo" : null } ',
        r'"Get\u0042lockchainInfo"',
    ):
        t.wire.send(text, CHAIN_INFO)
    for text in (
        '{"GetRoundInfo":{"miner_id":"%s"}}',
        '{"GetRoundInfo":{"miner_id":"%s","x":1}}',
        '{"GetRoundInfo":{"x":{"y":[1,2,{"z":null}]},"miner_id":"%s"}}',
        '{"GetRoundInfo":{"miner_id":"%s","x":1,"x":2}}',
        '{"GetRoundInfo":{"miner_id":"%s","x":1e999,"y":-0,"z":123456789012345678901234567890}}',
        '{"GetRoundInfo":{"miner_id":"%s","Miner_id":7}}',
        '{"GetRoundInfo":["%s"]}',
        r'{"GetRoundInfo":{"miner_\u0069d":"%s"}}',
        r'{"\u0047etRoundInfo":{"miner_id":"%s"}}',
        r'{"GetRoundInfo":{"miner_id":"%s\ud83d\ude00"}}',
        r'{"GetRoundInfo":{"miner_id":"%s\u0000\"\\\/\b\f\n\r\t"}}',
        '{"GetRoundInfo":{"miner_id":"%sé漢😀"}}',
    ):
        t.wire.send(text % NOBODY, ROUND_INFO)
    t.wire.send('{"GetRoundInfo":{"miner_id":""}}', ROUND_INFO)
    t.wire.send(nested("[", "]", 256), ROUND_INFO)
    t.wire.send(nested('{"x":', "", 255).replace('"x":}}', '"x":{}' + "}" * 257), ROUND_INFO)
    t.wire.send('{"CheckLockout":{"miner_id":"%s"}}' % NOBODY, FREE)
    t.wire.send('{"CheckLockout":["%s"]}' % NOBODY, FREE)
    t.wire.send('{"CheckLockout":{"x":[],"miner_id":"%s"}}' % NOBODY, FREE)


@scenario("JSON/TCP: submissions that are read", needs=(), wires=("json-tcp",))
def submissions_read(t):
    block = members(BLOCK_MEMBERS)
    array = "[%s]" % ",".join(text for _, text in BLOCK_MEMBERS)
    unknown = members((*BLOCK_MEMBERS, ("x", "1"), ("x", "[{}]"), ("Index", "null")))
    for text in (
        submission(),
        submission_of(members(reversed(BLOCK_MEMBERS))),
        submission_of(unknown),
        submission_of(array),
        '{"SubmitBlock":["%s",%s]}' % (NOBODY, block),
        '{"SubmitBlock":["%s",%s]}' % (NOBODY, array),
        '{"SubmitBlock":{"block":%s,"miner_id":"%s"}}' % (block, NOBODY),
        '{"SubmitBlock":{"miner_id":"%s","block":%s,"sig":"x"}}' % (NOBODY, block),
        submission(timestamp="0"),
        submission(timestamp=str(U64 + 1)),
        submission(timestamp=str(U128)),
        submission(nonce="9007199254740993"),
        submission(nonce=str(U64)),
        submission(hash='""', prev_block_hash='""'),
        submission(hash='"%s"' % ("aB" * 32), prev_block_hash='"%s"' % ("0" * 66)),
        submission(transactions="[[[],[]]]"),
        submission(transactions='[{"outputs":[],"inputs":[]}]'),
        submission(transactions='[{"inputs":[],"outputs":[],"extra":0}]'),
        submission(transactions='[[[["a",1.0,5]],[["a",1.0,5],["b",0,6]]],{"inputs":[],"outputs":[]}]'),
        with_output('{"timestamp":1,"value":2.0,"to_addr":"a","x":{}}'),
        with_output('{"to_addr":"","value":2.0,"timestamp":%d}' % U128),
        with_output(r'{"to_addr":"\u00e9\ud83d\ude00","value":2.0,"timestamp":0}'),
    ):
        t.wire.send(text, OFF_TIP_TEXT)
    good_values = (
        "2 2.0 2.00 -0 -0.0 -2 0 1e21 1E21 1e+21 1e-7 0.1 1e-400 5e-324 2e-324 1.7976931348623157e308 "
        "18446744073709551616 -9223372036854775809 340282366920938463463374607431768211456"
    )
    for value in good_values.split():
        t.wire.send(with_value(value), OFF_TIP_TEXT)


@scenario("JSON/TCP: requests that are refused; the connection lives on", needs=(), wires=("json-tcp",))
def requests_refused(t):
    for text in (
        '{"GetBlockchainInfo":{}}',
        '{"GetBlockchainInfo":[]}',
        '{"GetBlockchainInfo":1}',
        '"getblockchaininfo"',
        '"GetRoundInfo"',
        '"Nope"',
        '{"Nope":{}}',
        "{}",
        "[]",
        "null",
        " ",
        "1",
        "true",
        "GetBlockchainInfo",
        '"GetBlockchainInfo',
        '"GetBlockchainInfo"x',
        '"GetBlockchainInfo" "GetBlockchainInfo"',
        '"GetBlockchainInfo"\0',
        '\ufeff"GetBlockchainInfo"',
        '{"GetBlockchainInfo":null,"x":1}',
        '{"x":1,"GetBlockchainInfo":null}',
        '{"GetBlockchainInfo":null,}',
        '{"GetRoundInfo":{"miner_id":"a","miner_id":"a"}}',
        '{"GetRoundInfo":{}}',
        '{"GetRoundInfo":{"miner_id":null}}',
        '{"GetRoundInfo":{"miner_id":1}}',
        '{"GetRoundInfo":{"miner_id":["a"]}}',
        '{"GetRoundInfo":{"Miner_id":"a"}}',
        '{"GetRoundInfo":["a","b"]}',
        '{"GetRoundInfo":[]}',
        '{"GetRoundInfo":"a"}',
        '{"GetRoundInfo":null}',
        '{"CheckLockout":{}}',
        '{"CheckLockout":null}',
        '{"GetRoundInfo":{"miner_id":"a"},"GetRoundInfo":{"miner_id":"a"}}',
        r'{"GetRoundInfo":{"miner_id":"\ud83d"}}',
        r'{"GetRoundInfo":{"miner_id":"\ude00\ud83d"}}',
        '{"GetRoundInfo":{"miner_id":"a\x01"}}',
        '{"GetRoundInfo":{"miner_id":"a\n"}}',
        r'{"GetRoundInfo":{"miner_id":"a\x"}}',
        r'{"GetRoundInfo":{"miner_id":"\u12g4"}}',
        '{"GetRoundInfo":{"miner_id":"a",}}',
        "{\"GetRoundInfo\":{\"miner_id\":'a'}}",
        '{"GetRoundInfo":{miner_id:"a"}}',
        '{"GetRoundInfo":{"miner_id":"a"/**/}}',
        '{"GetRoundInfo":{"miner_id":"a","x":01}}',
        '{"GetRoundInfo":{"miner_id":"a","x":-}}',
        '{"GetRoundInfo":{"miner_id":"a","x":NaN}}',
        '{"GetRoundInfo":{"miner_id":"a","x":[1,]}}',
        r'{"GetRoundInfo":{"miner_id":"a","x":"\q"}}',
        '{"GetRoundInfo":{"miner_id":"a"}',
    ):
        t.wire.send(text, SOME_ERROR)
    # Bytes that are not UTF-8: a stray byte, an overlong slash, a surrogate.
    for wrong in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"):
        t.wire.write(frame(b'{"GetRoundInfo":{"miner_id":"%s"}}' % wrong))
        t.wire.receive(SOME_ERROR)
    t.wire.send('"GetBlockchainInfo"', CHAIN_INFO)


@scenario("JSON/TCP: submissions that are refused; the connection lives on", needs=(), wires=("json-tcp",))
def submissions_refused(t):
    block = members(BLOCK_MEMBERS)
    for name, beyond in (("index", LAST + 1), ("timestamp", U128 + 1), ("nonce", U64 + 1)):
        for number in ("1.0", "1e0", "1E0", "-0", "-1", '"1"', "null", "true", "01", "+1", "0x1", "[1]", str(beyond)):
            t.wire.send(submission(**{name: number}), SOME_ERROR)
            if name == "timestamp":
                t.wire.send(with_output('{"to_addr":"a","value":2.0,"timestamp":%s}' % number), SOME_ERROR)
    bad_values = '1e400 -1e400 1.7976931348623159e308 null "2.0" true NaN Infinity -Infinity .5 5. 1e 01 +1 - [2.0]'
    for value in bad_values.split():
        t.wire.send(with_value(value), SOME_ERROR)
    for name, text in BLOCK_MEMBERS:
        t.wire.send(submission(**{name: None}), SOME_ERROR)
        t.wire.send(submission_of(members((*BLOCK_MEMBERS, (name, text)))), SOME_ERROR)
    for transactions in (
        "null",
        "{}",
        "[null]",
        "[{}]",
        '[{"inputs":[]}]',
        '[{"outputs":[]}]',
        '[{"inputs":null,"outputs":[]}]',
        '[{"inputs":[],"inputs":[],"outputs":[]}]',
        "[[[]]]",
        "[[[],[],[]]]",
        "[[],]",
    ):
        t.wire.send(submission(transactions=transactions), SOME_ERROR)
    for output in (
        "null",
        "{}",
        '["a",2.0]',
        '["a",2.0,1,1]',
        '{"value":2.0,"timestamp":1}',
        '{"to_addr":"a","timestamp":1}',
        '{"to_addr":"a","value":2.0}',
        '{"to_addr":1,"value":2.0,"timestamp":1}',
        '{"to_addr":null,"value":2.0,"timestamp":1}',
        '{"to_addr":"a","value":2.0,"value":2.0,"timestamp":1}',
    ):
        t.wire.send(with_output(output), SOME_ERROR)
    for text in (
        submission(hash="null"),
        submission(hash="0"),
        submission(hash="[]"),
        submission(prev_block_hash="null"),
        submission_of("null"),
        submission_of('[%d,1,"00","00",0]' % LAST),
        submission_of('[%d,1,"00","00",0,[],0]' % LAST),
        '{"SubmitBlock":{"miner_id":"%s"}}' % NOBODY,
        '{"SubmitBlock":{"block":%s}}' % block,
        '{"SubmitBlock":["%s"]}' % NOBODY,
        '{"SubmitBlock":["%s",%s,1]}' % (NOBODY, block),
        '{"SubmitBlock":{"miner_id":"%s","block":%s,"block":%s}}' % (NOBODY, block, block),
        submission()[:-1],
        submission() + "}",
    ):
        t.wire.send(text, SOME_ERROR)
    t.wire.send(submission(), OFF_TIP_TEXT)


def hex_error(text):
    return {"Error": {"message": "Invalid block data: Invalid " + text}}


@scenario("JSON/TCP: hex that is none is named", needs=(), wires=("json-tcp",))
def hex_errors(t):
    good, odd = "00" * 32, "Odd number of digits"
    for hash_, previous, error in (
        ("0", good, "hash hex: " + odd),
        ("0" * 63, good, "hash hex: " + odd),
        ("zz", good, "hash hex: Invalid character 'z' at position 0"),
        ("0g", good, "hash hex: Invalid character 'g' at position 1"),
        ("0G", good, "hash hex: Invalid character 'G' at position 1"),
        ("0x00", good, "hash hex: Invalid character 'x' at position 1"),
        (" 0", good, "hash hex: Invalid character ' ' at position 0"),
        ("0" * 63 + "-", good, "hash hex: Invalid character '-' at position 63"),
        ("AbCdEfgh", good, "hash hex: Invalid character 'g' at position 6"),
        (good, "123", "prev_block_hash hex: " + odd),
        (good, "0x00", "prev_block_hash hex: Invalid character 'x' at position 1"),
        (good, "zz", "prev_block_hash hex: Invalid character 'z' at position 0"),
        # Odd length before bad characters.
        ("xyz", good, "hash hex: " + odd),
        (good, "xyz", "prev_block_hash hex: " + odd),
        # hash before prev_block_hash.
        ("x", "y", "hash hex: " + odd),
        ("x", "zz", "hash hex: " + odd),
        ("zy", "xw", "hash hex: Invalid character 'z' at position 0"),
        # Bytes of UTF-8 are counted; the first bad one is read as Latin-1.
        (good, "é1", "prev_block_hash hex: " + odd),
        ("漢", good, "hash hex: " + odd),
        ("éé", good, "hash hex: Invalid character 'Ã' at position 0"),
        ("0é1", good, "hash hex: Invalid character 'Ã' at position 1"),
        ("ab漢0", good, "hash hex: Invalid character 'æ' at position 2"),
        (good, "0000😀", "prev_block_hash hex: Invalid character 'ð' at position 4"),
        (r"\u00e9\u00e9", good, "hash hex: Invalid character 'Ã' at position 0"),
    ):
        text = submission(hash='"%s"' % hash_, prev_block_hash='"%s"' % previous)
        t.wire.send(text, hex_error(error))
    t.wire.send(submission(), OFF_TIP_TEXT)


@scenario("JSON/TCP: what cannot be decoded uses nothing up, and is told even in lockout", wires=("json-tcp",))
def undecodable_uses_nothing(t):
    good = t.block("alice")
    hex_of = '"hash":"%s"' % good["hash"].hex()
    text = json_text({"SubmitBlock": {"miner_id": "alice", "block": good}})
    bad_hex, bad_json = text.replace(hex_of, '"hash":"zz"'), text.replace(hex_of, '"hash":1')
    told_hex = hex_error("hash hex: Invalid character 'z' at position 0")
    for _ in range(2):
        t.wire.send(bad_hex, told_hex)
        t.wire.send(bad_json, SOME_ERROR)
    t.round_info(number=1, attempted=0, height=0)
    t.submit("bob", t.block(hash=ZEROS), "RejectedInvalidHash", 3600000)
    t.wire.send(bad_hex.replace("alice", "bob"), told_hex)
    t.submit("alice", good, "Accepted", 3600000)
    t.wire.send(bad_hex, told_hex)
    t.wire.send(bad_json, SOME_ERROR)
    t.submit("alice", good, "RejectedMinerInLockout", 3600000, "Miner in lockout. 3600 seconds remaining.")
    t.round_info(number=2, attempted=0, lockouts=1, height=1)


def block_array(block):
    return [block[name] for name, _ in BLOCK_MEMBERS]


@scenario("JSON/TCP: a block is the same however it is written", wires=("json-tcp",))
def spellings(t):
    accepted = {"result": "Accepted", "message": TEXTS["Accepted"]}

    def takes(block, spell):
        miner = t.stranger()
        t.model.submit(miner, block)
        assert t.model.tip is block
        t.wire.send(spell(json_text({"SubmitBlock": {"miner_id": miner, "block": block}})), {"BlockResult": accepted})

    first = t.block("a")
    digits = first["hash"].hex()
    takes(first, lambda text: text.replace(digits, digits.upper()))
    t.clock(70000)
    takes(t.block("a"), lambda text: text.replace('"value":2.0', '"value":2'))
    t.clock(140000)
    takes(t.block("a"), lambda text: text.replace('"value":2.0', '"value":0.2e1').replace('"a"', r'"\u0061"'))
    t.clock(210000)
    # Read to the nearest double; a reader that is one unit in the last place off finds another hash.
    close = [out("a", 1.3067141086985545, 210000), out("b", 2 - 1.3067141086985545, 210000)]
    takes(t.block(coinbase=close), lambda text: text)
    t.clock(280000)
    array = t.block("a")
    as_text = json_text({"SubmitBlock": [t.stranger(), block_array(array)]})
    t.model.submit("miner-%d" % t.strangers, array)
    assert t.model.tip is array
    t.wire.send(as_text, {"BlockResult": accepted})
    t.round_info(number=6, attempted=0, lockouts=5, height=5)


# -- Scenarios: framing ------------------------------------------------------------------------------------------------

ASKS_ROUND = frame('{"GetRoundInfo":{"miner_id":"%s"}}' % NOBODY)
ASKS_CHAIN = frame('"GetBlockchainInfo"')


@scenario("JSON/TCP: frames arrive in any pieces, and are answered in order", needs=(), wires=("json-tcp",))
def pieces(t):
    t.wire.write(*(ASKS_CHAIN[at : at + 1] for at in range(len(ASKS_CHAIN))))
    t.wire.receive(CHAIN_INFO)
    for cut in (2, 4, 5, 20):
        t.wire.write(ASKS_ROUND[:cut], ASKS_ROUND[cut:])
        t.wire.receive(ROUND_INFO)
    t.wire.write(ASKS_ROUND + ASKS_CHAIN)
    t.wire.receive(ROUND_INFO)
    t.wire.receive(CHAIN_INFO)
    t.wire.write(ASKS_CHAIN + ASKS_ROUND[:3], ASKS_ROUND[3:] + ASKS_CHAIN[:9], ASKS_CHAIN[9:])
    t.wire.receive(CHAIN_INFO)
    t.wire.receive(ROUND_INFO)
    t.wire.receive(CHAIN_INFO)
    for text in ('"GetBlockchainInfo"', "nonsense", '{"CheckLockout":["%s"]}' % NOBODY, submission()):
        t.wire.send(text)
    for answer in (CHAIN_INFO, SOME_ERROR, FREE, OFF_TIP_TEXT):
        t.wire.receive(answer)


@scenario("JSON/TCP: an empty frame closes the connection", needs=(), wires=("json-tcp",))
def empty_frame(t):
    t.wire.write(frame(""))
    t.wire.closed()
    t.wire.send('"GetBlockchainInfo"', CHAIN_INFO)
    t.wire.write(frame(""))
    t.wire.closed()
    t.wire.send('"GetBlockchainInfo"', CHAIN_INFO)
    t.wire.write(ASKS_CHAIN + frame(""))
    t.wire.receive(CHAIN_INFO)
    t.wire.closed()
    t.wire.send('"GetBlockchainInfo"', CHAIN_INFO)


@scenario("JSON/TCP: a frame of more than 1 MiB gets an Error, then the close", needs=(), wires=("json-tcp",))
def long_frame(t):
    # The length says it; no body need arrive.
    for length in (1048577, 2**31, 2**32 - 1):
        t.wire.write(length.to_bytes(4, "big"))
        t.wire.receive(SOME_ERROR)
        t.wire.closed()
    t.wire.write(ASKS_CHAIN + (1048577).to_bytes(4, "big") + b"some of it")
    t.wire.receive(CHAIN_INFO)
    t.wire.receive(SOME_ERROR)
    t.wire.closed()
    t.wire.send('"GetBlockchainInfo"', CHAIN_INFO)


# -- Scenarios: limits -------------------------------------------------------------------------------------------------


@scenario("what is over a limit is not taken", needs=())
def limits(t):
    def off_tip(**named):
        return t.block(index=LAST, nonce=0, **named)

    def judged(miner, block, **spelled):
        t.submit(miner, block, "MismatchedIndex", **spelled)

    # On JSON/TCP written short, as arrays.
    short = {"spelled": ('{"inputs":[],"outputs":[]}', "[[],[]]")} if t.json else {}
    judged(NOBODY, off_tip(transactions=[pays()] * 1000), **short)
    t.not_taken(NOBODY, off_tip(transactions=[pays()] * 1001), too_large("block.transactions"), **short)
    long = NOBODY + "x" * (256 - len(NOBODY))
    accents = "conformance-" + "é" * 122
    for name in (long, accents):
        judged(name, off_tip())
        t.not_taken(name + "x", off_tip(), too_large("miner_id"))
    for address in ("x" * 256, "é" * 128, "😀" * 64):
        judged(NOBODY, off_tip(coinbase=[out(address, 2, 0)]))
        wrong = out(address + "x", 2, 0)
        field = "block.transactions[0].outputs[0].to_addr"
        t.not_taken(NOBODY, off_tip(coinbase=[wrong]), too_large(field))
    field = "block.transactions[1].inputs[0].to_addr"
    t.not_taken(NOBODY, off_tip(more=[spends([wrong])]), too_large(field))
    field = "block.transactions[2].outputs[1].to_addr"
    t.not_taken(NOBODY, off_tip(more=[pays(), pays(out("x", 1, 0), wrong)]), too_large(field))


@scenario("more than 10 000 outputs or inputs are not taken", needs=())
def many_outputs(t):
    """They are counted over all transactions."""
    short = {"spelled": ('{"to_addr":"","value":0.0,"timestamp":0}', '["",0,0]')} if t.json else {}
    output = out("", 0, -START)
    outputs = [pays(*[output] * 5000), pays(*[output] * 5001)]
    t.not_taken(NOBODY, t.block(index=LAST, nonce=0, transactions=outputs), too_large(), **short)
    if not t.json:  # the same rule: once is enough for so many bytes
        inputs = [spends([output] * 5000), spends([output] * 5001)]
        t.not_taken(NOBODY, t.block(index=LAST, nonce=0, transactions=inputs), too_large())


@scenario("JSON/TCP: a miner id that is too long is told so on SubmitBlock only", needs=(), wires=("json-tcp",))
def long_miner_id(t):
    name = NOBODY + "x" * 300
    t.wire.send({"GetRoundInfo": {"miner_id": name}}, ROUND_INFO)
    t.wire.send({"CheckLockout": {"miner_id": name}}, FREE)
    t.not_taken(name, t.block(index=LAST, nonce=0), too_large("miner_id"))


@scenario("gRPC: names that are too long", needs=(), wires=("grpc",))
def long_names(t):
    name = "conformance-" + "é" * 122
    over = too_large("miner_id")
    t.wire.call("CheckLockout", {"miner_id": name}, {})
    t.wire.call_fails("CheckLockout", {"miner_id": name + "x"}, over)
    t.wire.call("GetRoundInfo", {"miner_id": name}, None)
    t.wire.call_fails("GetRoundInfo", {"miner_id": name + "x"}, over)
    t.wire.call("GetMiner", {"miner_id": name}, {"miner_id": name})
    t.wire.call_fails("GetMiner", {"miner_id": name + "x"}, over)
    t.wire.call("GetAddress", {"address": name}, {"address": name})
    t.wire.call_fails("GetAddress", {"address": name + "x"}, too_large("address"))
    t.wire.open("rounds", "WatchRounds", {"miner_id": name + "x"})
    t.wire.next_fails("rounds", over)


# -- Scenarios: reading protobuf ---------------------------------------------------------------------------------------

UNARY = "GetRoundInfo SubmitBlock CheckLockout GetBlockchainInfo GetBlock ListBlocks GetAddress GetMiner".split()
STREAMS = "WatchRounds WatchBlocks".split()


def refused(t, method, request, status_):
    """A call that fails with this status, whether it would be answered once or by a stream."""
    if method in UNARY:
        t.wire.call_fails(method, request, status_)
    else:
        t.wire.open("stream", method, request)
        t.wire.next_fails("stream", status_)


def bytes_field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def off_tip_request(t, block=None):
    return encode("SubmitBlockRequest", {"miner_id": NOBODY, "block": block or t.block(index=LAST, nonce=0)})


@scenario("gRPC: what is no message is malformed", needs=(), wires=("grpc",))
def no_message(t):
    for method in UNARY + STREAMS:
        # A length beyond the end; a tag that ends within; tag 0; field 0 with a value.
        for wrong in (b"\x0a\x05a", b"\x80", b"\x00", b"\x02\x00"):
            refused(t, method, wrong, malformed())
    good = off_tip_request(t)
    for wrong in (good[:-1], good + b"\x00", good[: len(good) // 2]):
        refused(t, "SubmitBlock", wrong, malformed())


@scenario("gRPC: text that is not UTF-8 is malformed", needs=(), wires=("grpc",))
def no_text(t):
    block = encode("Block", t.block(index=LAST, nonce=0))
    # A stray byte, an overlong slash, a surrogate.
    for wrong in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"):
        for method in "GetRoundInfo CheckLockout GetMiner GetAddress WatchRounds".split():
            refused(t, method, bytes_field(1, wrong), malformed())
        refused(t, "ListBlocks", bytes_field(2, wrong), malformed())
        refused(t, "GetAddress", bytes_field(1, b"a") + bytes_field(3, wrong), malformed())
        refused(t, "SubmitBlock", bytes_field(1, wrong) + bytes_field(2, block), malformed())
        transaction = bytes_field(2, bytes_field(1, wrong))
        nested_ = bytes_field(2, block + bytes_field(6, transaction))
        refused(t, "SubmitBlock", bytes_field(1, NOBODY.encode()) + nested_, malformed())


@scenario("gRPC: what is needed and missing is malformed", needs=(), wires=("grpc",))
def missing_fields(t):
    refused(t, "SubmitBlock", {"block": t.block(index=LAST, nonce=0)}, malformed("miner_id"))
    refused(t, "SubmitBlock", {"miner_id": NOBODY}, malformed("block"))
    refused(t, "SubmitBlock", {}, malformed())
    refused(t, "CheckLockout", {}, malformed("miner_id"))
    refused(t, "GetMiner", {}, malformed("miner_id"))
    refused(t, "GetBlock", {}, malformed())
    for hash_ in (bytes(31), bytes(33), b""):
        refused(t, "GetBlock", {"hash": hash_}, malformed("hash"))
    refused(t, "ListBlocks", {"page_size": -1}, malformed("page_size"))
    refused(t, "GetAddress", {"address": NOBODY, "page_size": -1}, malformed("page_size"))
    refused(t, "ListBlocks", {"page_token": "made up"}, malformed("page_token"))
    refused(t, "GetAddress", {"address": NOBODY, "page_token": "made up"}, malformed("page_token"))
    # Where nothing needs them they may be missing.
    t.wire.call("GetRoundInfo", {}, None)
    t.wire.call("GetBlockchainInfo", {}, None)
    t.wire.call("ListBlocks", {}, None)


@scenario("gRPC: what is not there", needs=(), wires=("grpc",))
def not_there(t):
    refused(t, "GetBlock", {"index": LAST}, NOT_FOUND)
    for hash_ in (ZEROS, b"\xff" * 32):
        refused(t, "GetBlock", {"hash": hash_}, NOT_FOUND)
    t.wire.call("ListBlocks", {"from_index": LAST}, {})
    t.wire.call("GetMiner", {"miner_id": NOBODY}, {"miner_id": NOBODY})
    t.wire.call("GetAddress", {"address": NOBODY}, {"address": NOBODY})
    t.wire.call("CheckLockout", {"miner_id": NOBODY}, {})
    t.wire.open("blocks", "WatchBlocks", {"from_index": LAST})
    t.wire.cancel("blocks")


@scenario("gRPC: unknown fields are ignored", needs=(), wires=("grpc",))
def unknown_fields(t):
    # Field 1000 as a varint, as 8 bytes, as 4 bytes and as a text.
    tag = 1000 << 3
    unknown = varint(tag) + b"\x01" + varint(tag | 1) + bytes(8) + varint(tag | 5) + bytes(4) + bytes_field(1000, b"x")
    known = {
        "GetRoundInfo": ({"miner_id": NOBODY}, None),
        "CheckLockout": ({"miner_id": NOBODY}, {}),
        "GetBlockchainInfo": ({}, None),
        "ListBlocks": ({"from_index": LAST}, {}),
        "GetAddress": ({"address": NOBODY}, {"address": NOBODY}),
        "GetMiner": ({"miner_id": NOBODY}, {"miner_id": NOBODY}),
    }
    for method, (request, response) in known.items():
        t.wire.call(method, encode(method + "Request", request) + unknown, response)
        t.wire.call(method, unknown + encode(method + "Request", request), response)
    refused(t, "GetBlock", encode("GetBlockRequest", {"index": LAST}) + unknown, NOT_FOUND)
    block = bytes_field(2, unknown + encode("Block", t.block(index=LAST, nonce=0)))
    verdict = dict(OFF_TIP, result="SUBMIT_RESULT_REJECTED_BLOCKCHAIN_VALIDATION", code="CHAIN_CODE_MISMATCHED_INDEX")
    t.wire.call("SubmitBlock", bytes_field(1, NOBODY.encode()) + unknown + block, verdict)
    t.wire.open("blocks", "WatchBlocks", encode("WatchBlocksRequest", {"from_index": LAST}) + unknown)
    t.wire.cancel("blocks")
    t.wire.open("rounds", "WatchRounds", unknown)
    t.wire.cancel("rounds")


@scenario("gRPC: a block whose fields are all missing is judged", wires=("grpc",))
def empty_block(t):
    """In proto3 they are 0 and empty: it is the block of index 0 on no hash."""
    empty = {"index": 0, "timestamp": 0, "hash": b"", "prev_block_hash": b"", "nonce": 0, "transactions": []}
    t.submit("alice", empty, "InvalidGenesisBlockFormat")
    t.submit("alice", dict(empty, prev_block_hash=ZEROS), "RejectedInvalidTimestamp", 3600000)
    t.accept(t.block())
    t.submit("alice", empty, "MismatchedIndex")
    t.round_info("", number=2, attempted=0, height=1)


@scenario("gRPC: what is malformed uses nothing up, and is told even in lockout", wires=("grpc",))
def malformed_uses_nothing(t):
    for _ in range(2):
        refused(t, "SubmitBlock", {"miner_id": "alice"}, malformed("block"))
        refused(t, "SubmitBlock", bytes_field(1, b"alice") + b"\x80", malformed())
    t.round_info(number=1, attempted=0, height=0)
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    refused(t, "SubmitBlock", {"miner_id": "alice"}, malformed("block"))
    t.submit("alice", t.block("alice"), "RejectedMinerInLockout", 3600000, "Miner in lockout. 3600 seconds remaining.")
    t.round_info(number=2, attempted=0, lockouts=1, height=1)


# -- Scenarios: ChainService -------------------------------------------------------------------------------------------


def accepted(t, index, **said):
    """A block of the chain, held against what the scenario says of it."""
    block = t.model.chain[index]
    assert block["block"]["index"] == index
    for name, value in said.items():
        assert block[name] == value, (name, value, block)
    return block


def three_blocks(t):
    """In 200 seconds; the first and the last are made while a tonce is in force."""
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    t.clock(100000)
    t.submit("bob", t.block("bob", at=90005), "Accepted", 3600000)
    t.clock(110000)
    t.submit("carol", t.block("carol"), "Accepted", 3600000)
    t.clock(200000)


@scenario("gRPC: a block is found by its index and by its hash", wires=("grpc",))
def get_block(t):
    refused(t, "GetBlock", {"index": 0}, NOT_FOUND)
    three_blocks(t)
    told_of = (
        dict(miner_id="alice", accepted_at=START, round=1, tonce=15),
        dict(miner_id="bob", accepted_at=START + 100000, round=2, tonce=1),
        dict(miner_id="carol", accepted_at=START + 110000, round=3, tonce=31),
    )
    for index, said in enumerate(told_of):
        block = accepted(t, index, difficulty="0x10000000000000000000000000000000", **said)
        t.wire.call("GetBlock", {"index": index}, {"block": block})
        t.wire.call("GetBlock", {"hash": block["block"]["hash"]}, {"block": block})
    refused(t, "GetBlock", {"index": 3}, NOT_FOUND)
    # Rounds that end without a block are counted.
    t.clock(110000 + 2 * 3600000)
    dust = [out("x", 2, 0), out("y", 1e-17, 7)]
    t.submit("dave", t.block(coinbase=dust, more=[spends([out("alice", 2, 0)])]), "InvalidInput", 3600000)
    paid = coinbase_of(t.model.chain[0]["block"])
    t.submit("alice", t.block(coinbase=dust, more=[spends([paid], out("z", 0.5, 110000))]), "Accepted", 3600000)
    block = accepted(t, 3, miner_id="alice", accepted_at=START + 7310000, round=6, tonce=1)
    t.wire.call("GetBlock", {"index": 3}, {"block": block})


@scenario("gRPC: blocks are listed a page at a time", wires=("grpc",))
def list_blocks(t):
    t.wire.call("ListBlocks", {}, {})
    three_blocks(t)
    blocks = [accepted(t, index) for index in range(3)]
    t.wire.call("ListBlocks", {}, {"blocks": blocks})
    t.wire.call("ListBlocks", {"page_size": 3}, {"blocks": blocks})
    # A page that is not the last has a token, which only the validator knows.
    t.wire.call("ListBlocks", {"page_size": 2}, None)
    t.wire.call("ListBlocks", {"page_size": 1000}, {"blocks": blocks})
    t.wire.call("ListBlocks", {"page_size": 2147483647}, {"blocks": blocks})
    t.wire.call("ListBlocks", {"page_size": 2, "from_index": 1}, {"blocks": blocks[1:]})
    t.wire.call("ListBlocks", {"page_size": 1, "from_index": 2}, {"blocks": blocks[2:]})
    t.wire.call("ListBlocks", {"from_index": 2}, {"blocks": blocks[2:]})
    t.wire.call("ListBlocks", {"from_index": 3}, {})
    t.wire.call("ListBlocks", {"from_index": 4}, {})


def get_address(t, address, balance, blocks, **asked):
    """Whose unspent outputs were made by these blocks, oldest first."""
    known = t.model.address(address)
    assert (known["balance"], [one["block_index"] for one in known["unspent_outputs"]]) == (balance, blocks), known
    t.wire.call("GetAddress", {"address": address, **asked}, known)


@scenario("gRPC: an address's balance is the exact sum of its unspent outputs", wires=("grpc",))
def addresses(t):
    get_address(t, "alice", 0, [])
    get_address(t, "", 0, [])
    t.accept(t.block("alice"))
    get_address(t, "alice", 2.0, [0])
    get_address(t, "Alice", 0, [])
    dust = 1.5e-16
    for number in (1, 2):
        t.clock(70000 * number)
        t.accept(t.block(coinbase=[out("", 2, t.now), out("alice", dust, t.now)]))
    # From left to right doubles would swallow both.
    get_address(t, "alice", 2.0000000000000004, [0, 1, 2])
    get_address(t, "alice", 2.0000000000000004, [0, 1, 2], page_size=3)
    get_address(t, "", 4.0, [1, 2])
    t.clock(210000)
    first, second = (coinbase_of(t.model.chain[index]["block"], number) for index, number in ((0, 0), (1, 1)))
    t.accept(t.block("carol", more=[spends([first], out("bob", 1.25, 210000)), spends([second])]))
    get_address(t, "alice", dust, [2])
    get_address(t, "bob", 1.25, [3])
    get_address(t, "carol", 2.0, [3], page_size=1)
    t.clock(280000)
    t.accept(t.block(coinbase=[out("alice", 2, 280000), out("zero", 0, 280000)]))
    get_address(t, "alice", 2.0, [2, 4])
    get_address(t, "zero", 0, [4])


def get_miner(t, miner, locked, left, attempted, blocks, last):
    known = t.model.miner(miner)
    assert list(known.values()) == [miner, locked, left, attempted, blocks, last], known
    t.wire.call("GetMiner", {"miner_id": miner}, known)


@scenario("gRPC: what is known of a miner", wires=("grpc",))
def miners(t):
    get_miner(t, "alice", False, 0, False, 0, None)
    t.submit("alice", t.block(mined=False), "InvalidHash", 3600000)
    get_miner(t, "alice", False, 0, True, 0, None)
    t.submit("bob", t.block(index=7), "MismatchedIndex")
    get_miner(t, "bob", False, 0, False, 0, None)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    get_miner(t, "alice", False, 0, False, 0, None)
    get_miner(t, "bob", True, 3600000, False, 1, 0)
    t.clock(3599999)
    get_miner(t, "bob", True, 1, False, 1, 0)
    t.submit("bob", t.block("bob"), "RejectedMinerInLockout", 1)
    get_miner(t, "bob", True, 1, False, 1, 0)
    t.submit("alice", t.block("alice"), "Accepted", 3600000)
    t.clock(3600000)
    get_miner(t, "bob", False, 0, False, 1, 0)
    t.submit("bob", t.block(mined=False), "InvalidHash", 3599999)
    get_miner(t, "bob", False, 0, True, 1, 0)
    t.clock(7199999)
    # The round is over, and with it bob's attempt and alice's lockout.
    get_miner(t, "bob", False, 0, False, 1, 0)
    get_miner(t, "alice", False, 0, False, 1, 1)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    get_miner(t, "bob", True, 3600000, False, 2, 2)


@scenario("gRPC: blocks are streamed, those that are there and then each new one", wires=("grpc",))
def watch_blocks(t):
    def streamed(name, *indices):
        for index in indices:
            t.wire.next(name, "WatchBlocks", {"block": accepted(t, index)})

    t.wire.open("early", "WatchBlocks", {})
    three_blocks(t)
    streamed("early", 0, 1, 2)
    t.wire.open("all", "WatchBlocks", {})
    streamed("all", 0, 1, 2)
    t.wire.open("from 2", "WatchBlocks", {"from_index": 2})
    t.wire.open("from 4", "WatchBlocks", {"from_index": 4})
    streamed("from 2", 2)
    t.accept(t.block())
    streamed("all", 3)
    streamed("from 2", 3)
    t.refuse(t.block(mined=False), "InvalidHash", 3600000)
    t.clock(300000)
    t.accept(t.block())
    streamed("all", 4)
    # Nothing came before the block that it asked for.
    streamed("from 4", 4)
    for name in ("from 2", "from 4", "all"):
        t.wire.cancel(name)
    streamed("early", 3, 4)
    t.wire.cancel("early")


@scenario("gRPC: rounds are streamed, the one in force and then each new one", wires=("grpc",))
def watch_rounds(t):
    def streamed(name, **said):
        t.wire.next(name, "WatchRounds", {"round_info": on_grpc(t.checked_round(**said))})

    t.wire.open("rounds", "WatchRounds", {"miner_id": "watcher"})
    streamed("rounds", number=1, began=0, tonce=15, left=60, attempted=0, lockouts=0, height=0, tip=None)
    t.clock(1000)
    t.submit("alice", t.block(mined=False), "InvalidHash", 3599000)
    t.submit("bob", t.block("bob"), "Accepted", 3600000)
    streamed("rounds", number=2, began=1000, left=60, attempted=0, lockouts=1, height=1, tip=t.tip)
    t.clock(90000)
    # The end of a challenge is no new round.
    t.round_info(number=2, tonce=1, left=0)
    t.submit("carol", t.block("carol"), "Accepted", 3600000)
    streamed("rounds", number=3, began=90000, left=60, attempted=0, lockouts=2, height=2, tip=t.tip)
    t.submit("alice", t.block(mined=False), "InvalidHash", 3600000)
    t.wire.open("later", "WatchRounds", {})
    streamed("later", number=3, began=90000, attempted=1, lockouts=2, height=2)
    # The hour is over.
    t.clock(3690000)
    t.round_info(number=4, began=3690000, tonce=1, left=0, attempted=0, lockouts=0, height=2, tip=t.tip)
    for name in ("rounds", "later"):
        streamed(name, number=4, began=3690000, tonce=1, left=0, attempted=0, lockouts=0, height=2, tip=t.tip)
        t.wire.cancel(name)


# -- Scenarios: what keeps a validator from judging --------------------------------------------------------------------


@scenario("a submission that cannot be stored is not taken", needs=("clock", "store"))
def store_fails(t):
    t.accept(t.block("alice"), "alice")
    t.clock(70000)
    t.round_info(number=2, attempted=0, lockouts=1, height=1)
    t.condition("store fails")
    t.not_taken("bob", t.block("bob"), UNAVAILABLE)


@scenario("a submission that cannot be queued is not taken", needs=("clock", "load"))
def queue_full(t):
    t.accept(t.block("alice"), "alice")
    t.clock(70000)
    t.round_info(number=2, attempted=0, lockouts=1, height=1)
    t.condition("queue full")
    t.not_taken("bob", t.block("bob"), OVERLOADED)

# -- The file ----------------------------------------------------------------------------------------------------------

HEADER = (
    "Conversations with a validator and what it must answer, made by make-sessions.py from the specification alone. "
    "u64 and u128 of the sessions' own members are decimal JSON strings; HEX is lower case; texts that are sent and "
    "received are exact wire text, to be parsed by a reader that keeps all digits. README.md describes the format."
)


def session_of(wire, name, needs, difficulty, timescale, tell):
    talk = Talk(wire, difficulty, timescale)
    try:
        tell(talk)
    except AssertionError as error:
        raise AssertionError("%s, %s, after step %d: %s" % (name, wire, len(talk.steps), error)) from error
    validator = {"difficulty": "0x%X" % difficulty, "timescale": timescale, "start": str(START)}
    return {"name": name, "wire": wire, "needs": list(needs), "validator": validator, "steps": talk.steps}


def line(value):
    """One line of the file. What cannot be seen in a text is escaped: a byte-order mark, DEL, an accent alone."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for hidden in "\ufeff\x7f\u0301":
        text = text.replace(hidden, "\\u%04x" % ord(hidden))
    return text


def session_text(session):
    head = {name: value for name, value in session.items() if name != "steps"}
    steps = ",\n".join(line(step) for step in session["steps"])
    return '%s,\n"steps":[\n%s\n]}' % (line(head)[:-1], steps)


def answers(sessions, wire):
    """All the results, codes and reasons that one wire's sessions expect."""
    found = set()
    for step in (step for session in sessions if session["wire"] == wire for step in session["steps"]):
        if "status" in step:
            found.add(step["status"]["reason"])
        elif "cancel" in step:
            found.add("CANCELLED")
        elif '"BlockResult"' in step.get("receive", ""):
            result = json.loads(step["receive"])["BlockResult"]
            found.update((result["result"], result["message"].rpartition("failed: ")[2]))
        elif step.get("call") == METHODS["SubmitBlock"] and step["response"]:
            found.update((step["response_json"]["result"], step["response_json"].get("code")))
    return found


def assert_complete(sessions):
    """Every result, every code and every reason occurs on each wire that has it."""
    on_json = answers(sessions, "json-tcp")
    assert on_json >= {*RESULTS, *CODES, "Not taken: …"}, {*RESULTS, *CODES} - on_json
    wanted = {name for name in ENUMS if not name.startswith("TIMESCALE")}
    wanted.update("MALFORMED LIMIT_EXCEEDED NOT_FOUND OVERLOADED UNAVAILABLE CANCELLED".split())
    missing = wanted - answers(sessions, "grpc")
    assert not missing, missing
    names = [(session["name"], session["wire"]) for session in sessions]
    assert len(names) == len(set(names)), "two sessions of one name"


def main():
    sessions = [
        session_of(wire, name, needs, difficulty, timescale, tell)
        for name, needs, wires, difficulty, timescale, tell in SCENARIOS
        for wire in wires
    ]
    assert_complete(sessions)
    text = ",\n".join(session_text(session) for session in sessions)
    path = pathlib.Path(__file__).with_name("sessions.json")
    path.write_text('{"header":%s,\n"version":1,\n"sessions":[\n%s\n]}\n' % (line(HEADER), text), encoding="utf-8")


if __name__ == "__main__":
    main()
