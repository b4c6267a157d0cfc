// The rules that a miner needs: the bytes that are hashed, the tonce, the difficulty. docs/protocol.md, "Making a
// block", has them in words. Nothing here knows of gRPC.

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// A uint128 is what times are hashed and difficulties compared as. gRPC carries times in 64 bits: the lower ones.
type uint128 struct{ hi, lo uint64 }

func (u uint128) less(v uint128) bool {
	return u.hi < v.hi || u.hi == v.hi && u.lo < v.lo
}

func (u uint128) next() uint128 {
	if u.lo == math.MaxUint64 {
		return uint128{hi: u.hi + 1}
	}
	return uint128{hi: u.hi, lo: u.lo + 1}
}

func (u uint128) appendLittleEndian(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, u.lo), u.hi)
}

func (u uint128) appendBigEndian(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, u.hi), u.lo)
}

func parseUint128(text string, base int) (uint128, error) {
	n, ok := new(big.Int).SetString(text, base)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 {
		return uint128{}, fmt.Errorf("%q is not a number of 128 bits", text)
	}
	b := n.FillBytes(make([]byte, 16))
	return uint128{hi: binary.BigEndian.Uint64(b), lo: binary.BigEndian.Uint64(b[8:])}, nil
}

type output struct {
	toAddr    string
	value     float64
	timestamp uint128
}

type transaction struct {
	inputs, outputs []output
}

type block struct {
	index         uint32
	timestamp     uint128
	prevBlockHash [sha256.Size]byte
	nonce         uint64
	transactions  []transaction
}

// nonceOffset is where the nonce stands in a block's bytes: after index, timestamp and prevBlockHash.
const nonceOffset = 4 + 16 + sha256.Size

func (o output) appendTo(b []byte) []byte {
	b = append(b, o.toAddr...)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(o.value))
	return o.timestamp.appendBigEndian(b)
}

func (t transaction) appendTo(b []byte) []byte {
	for _, input := range t.inputs {
		b = input.appendTo(b)
	}
	for _, output := range t.outputs {
		b = output.appendTo(b)
	}
	return b
}

// bytes are what the block's hash is the SHA-256 of. Mind the byte orders: little-endian here, big-endian in outputs.
func (b block) bytes() []byte {
	bytes := binary.LittleEndian.AppendUint32(nil, b.index)
	bytes = b.timestamp.appendLittleEndian(bytes)
	bytes = append(bytes, b.prevBlockHash[:]...)
	bytes = binary.LittleEndian.AppendUint64(bytes, b.nonce)
	for _, transaction := range b.transactions {
		bytes = transaction.appendTo(bytes)
	}
	return bytes
}

// challengeMs is how long after the previous block's timestamp the tonce has to be met.
const challengeMs = 60_000

func timestampHash(timestamp uint128) [sha256.Size]byte {
	return sha256.Sum256(timestamp.appendLittleEndian(nil))
}

// tonceAfter is the tonce that follows a block with this timestamp.
func tonceAfter(previous uint128) uint32 {
	hash := timestampHash(previous)
	return max(1, uint32(hash[31]&0x1f))
}

func meetsTonce(timestamp uint128, tonce uint32) bool {
	if tonce <= 1 {
		return true
	}
	hash := timestampHash(timestamp)
	return binary.BigEndian.Uint32(hash[28:])%tonce == 0
}

// firstTimestamp is the first from start on that meets the tonce. ok is false where none of 100,000 does, which only a
// tonce far above 31 brings about.
func firstTimestamp(start uint128, tonce uint32) (timestamp uint128, ok bool) {
	timestamp = start
	for range 100_000 {
		if meetsTonce(timestamp, tonce) {
			return timestamp, true
		}
		timestamp = timestamp.next()
	}
	return uint128{}, false
}

// challengeElapsed is how much of the challenge is behind us: less than nothing where the previous block is ahead of
// the clock.
func challengeElapsed(previous, now uint64) int64 {
	return int64(now - previous)
}

func challengeSecondsRemaining(elapsed int64) int64 {
	return (challengeMs - min(max(0, elapsed), challengeMs)) / 1000
}

// tonceInForce is the tonce while the challenge lasts, and 1, which every timestamp meets, from then on.
func tonceInForce(tonce uint32, elapsed int64) uint32 {
	if elapsed >= challengeMs {
		return 1
	}
	return tonce
}

// workOf is the number that a hash stands for: the lower, the rarer.
func workOf(hash [sha256.Size]byte) uint128 {
	return uint128{hi: binary.LittleEndian.Uint64(hash[24:]), lo: binary.LittleEndian.Uint64(hash[16:])}
}

func meetsDifficulty(hash [sha256.Size]byte, difficulty uint128) bool {
	return workOf(hash).less(difficulty)
}

func parseDifficulty(text string) (uint128, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		return uint128{}, fmt.Errorf("difficulty %q does not begin with 0x", text)
	}
	return parseUint128(digits, 16)
}

func formatDifficulty(difficulty uint128) string {
	if difficulty.hi == 0 {
		return fmt.Sprintf("0x%X", difficulty.lo)
	}
	return fmt.Sprintf("0x%X%016X", difficulty.hi, difficulty.lo)
}
