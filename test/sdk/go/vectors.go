// Runs the vectors of test/vectors, whose README.md says what they hold, through rules.go.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
)

// UnmarshalText reads the decimal strings of the vectors.
func (u *uint128) UnmarshalText(text []byte) (err error) {
	*u, err = parseUint128(string(text), 10)
	return err
}

func (u uint128) String() string {
	return new(big.Int).SetBytes(u.appendBigEndian(nil)).String()
}

// A hexHash is a hash of the vectors, which are lower-case hexadecimal.
type hexHash [sha256.Size]byte

func (h *hexHash) UnmarshalText(text []byte) error {
	bytes, err := hex.DecodeString(string(text))
	if err == nil && len(bytes) != len(h) {
		err = fmt.Errorf("%s: a hash has %d bytes", text, len(h))
	}
	copy(h[:], bytes)
	return err
}

// floatBits is a double of the vectors: its bits in hexadecimal, since its decimal text may be read otherwise.
type floatBits float64

func (f *floatBits) UnmarshalText(text []byte) error {
	bits, err := strconv.ParseUint(string(text), 16, 64)
	*f = floatBits(math.Float64frombits(bits))
	return err
}

type outputVector struct {
	ToAddr    string    `json:"to_addr"`
	ValueBits floatBits `json:"value_bits"`
	Timestamp uint128   `json:"timestamp"`
}

func (v outputVector) output() output {
	return output{toAddr: v.ToAddr, value: float64(v.ValueBits), timestamp: v.Timestamp}
}

type blockVector struct {
	Index         uint32  `json:"index"`
	Timestamp     uint128 `json:"timestamp"`
	PrevBlockHash hexHash `json:"prev_block_hash"`
	Nonce         uint64  `json:"nonce,string"`
	Transactions  []struct {
		Inputs  []outputVector `json:"inputs"`
		Outputs []outputVector `json:"outputs"`
	} `json:"transactions"`
}

func (v blockVector) block() block {
	b := block{index: v.Index, timestamp: v.Timestamp, prevBlockHash: v.PrevBlockHash, nonce: v.Nonce}
	for _, t := range v.Transactions {
		var transaction transaction
		for _, input := range t.Inputs {
			transaction.inputs = append(transaction.inputs, input.output())
		}
		for _, output := range t.Outputs {
			transaction.outputs = append(transaction.outputs, output.output())
		}
		b.transactions = append(b.transactions, transaction)
	}
	return b
}

// A comparison counts the vectors that it is told of and remembers the first value that differs.
type comparison struct {
	file     string
	position string
	count    int
	err      error
}

// vector says which vector the values that follow are of.
func (c *comparison) vector(list string, i int) {
	c.position = fmt.Sprintf("%s: %s[%d]", c.file, list, i)
	c.count++
}

func (c *comparison) same(what string, got, want any) {
	if c.err == nil && got != want {
		c.err = fmt.Errorf("%s: %s is %v and should be %v", c.position, what, got, want)
	}
}

func runVectors(folder string) error {
	hashing, err := runHashingVectors(folder)
	if err != nil {
		return err
	}
	tonce, err := runTonceVectors(folder)
	if err != nil {
		return err
	}
	difficulty, err := runDifficultyVectors(folder)
	if err != nil {
		return err
	}
	fmt.Printf("vectors: hashing %d, tonce %d, difficulty %d\n", hashing, tonce, difficulty)
	return nil
}

func readVectors(folder, name string, vectors any) error {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, vectors); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func runHashingVectors(folder string) (int, error) {
	const name = "hashing.json"
	var vectors struct {
		Outputs []struct {
			outputVector
			Bytes  string `json:"bytes"`
			SHA256 string `json:"sha256"`
		} `json:"outputs"`
		Blocks []struct {
			Block            blockVector `json:"block"`
			TransactionBytes []string    `json:"transaction_bytes"`
			Bytes            string      `json:"bytes"`
			Hash             string      `json:"hash"`
			Work             uint128     `json:"work"`
		} `json:"blocks"`
	}
	if err := readVectors(folder, name, &vectors); err != nil {
		return 0, err
	}
	c := &comparison{file: name}
	for i, v := range vectors.Outputs {
		c.vector("outputs", i)
		bytes := v.output().appendTo(nil)
		id := sha256.Sum256(bytes)
		c.same("bytes", hex.EncodeToString(bytes), v.Bytes)
		c.same("sha256", hex.EncodeToString(id[:]), v.SHA256)
	}
	for i, v := range vectors.Blocks {
		c.vector("blocks", i)
		block := v.Block.block()
		c.same("the number of transactions", len(block.transactions), len(v.TransactionBytes))
		for j, transaction := range block.transactions[:min(len(block.transactions), len(v.TransactionBytes))] {
			what := fmt.Sprintf("transaction_bytes[%d]", j)
			c.same(what, hex.EncodeToString(transaction.appendTo(nil)), v.TransactionBytes[j])
		}
		bytes := block.bytes()
		hash := sha256.Sum256(bytes)
		c.same("bytes", hex.EncodeToString(bytes), v.Bytes)
		c.same("hash", hex.EncodeToString(hash[:]), v.Hash)
		c.same("work", workOf(hash), v.Work)
	}
	return c.count, c.err
}

func runTonceVectors(folder string) (int, error) {
	const name = "tonce.json"
	var vectors struct {
		Tonces []struct {
			PreviousTimestamp uint128 `json:"previous_timestamp"`
			SHA256            string  `json:"sha256"`
			Tonce             uint32  `json:"tonce"`
		} `json:"tonces"`
		Pairs []struct {
			Timestamp uint128 `json:"timestamp"`
			Tonce     uint32  `json:"tonce"`
			Passes    bool    `json:"passes"`
		} `json:"pairs"`
		FirstValid []struct {
			Start      uint128 `json:"start"`
			Tonce      uint32  `json:"tonce"`
			FirstValid uint128 `json:"first_valid"`
		} `json:"first_valid"`
		Challenge []struct {
			PreviousTimestamp uint64  `json:"previous_timestamp,string"`
			Now               uint64  `json:"now,string"`
			Timestamp         uint128 `json:"timestamp"`
			Tonce             uint32  `json:"tonce"`
			ElapsedMs         int64   `json:"elapsed_ms,string"`
			SecondsRemaining  int64   `json:"seconds_remaining"`
			Over              bool    `json:"over"`
			Passes            bool    `json:"passes"`
			TonceAfter        uint32  `json:"tonce_after"`
		} `json:"challenge"`
	}
	if err := readVectors(folder, name, &vectors); err != nil {
		return 0, err
	}
	c := &comparison{file: name}
	for i, v := range vectors.Tonces {
		c.vector("tonces", i)
		hash := timestampHash(v.PreviousTimestamp)
		c.same("sha256", hex.EncodeToString(hash[:]), v.SHA256)
		c.same("tonce", tonceAfter(v.PreviousTimestamp), v.Tonce)
	}
	for i, v := range vectors.Pairs {
		c.vector("pairs", i)
		c.same("passes", meetsTonce(v.Timestamp, v.Tonce), v.Passes)
	}
	for i, v := range vectors.FirstValid {
		c.vector("first_valid", i)
		timestamp, ok := firstTimestamp(v.Start, v.Tonce)
		c.same("whether there is one", ok, true)
		c.same("first_valid", timestamp, v.FirstValid)
	}
	for i, v := range vectors.Challenge {
		c.vector("challenge", i)
		c.same("tonce", tonceAfter(uint128{lo: v.PreviousTimestamp}), v.Tonce)
		elapsed := challengeElapsed(v.PreviousTimestamp, v.Now)
		tonce := tonceInForce(v.Tonce, elapsed)
		c.same("elapsed_ms", elapsed, v.ElapsedMs)
		c.same("seconds_remaining", challengeSecondsRemaining(elapsed), v.SecondsRemaining)
		c.same("over", elapsed >= challengeMs, v.Over)
		c.same("passes", meetsTonce(v.Timestamp, tonce), v.Passes)
		c.same("tonce_after", tonce, v.TonceAfter)
	}
	return c.count, c.err
}

func runDifficultyVectors(folder string) (int, error) {
	const name = "difficulty.json"
	var vectors struct {
		Checks []struct {
			Hash       hexHash `json:"hash"`
			Work       uint128 `json:"work"`
			Difficulty uint128 `json:"difficulty"`
			Passes     bool    `json:"passes"`
		} `json:"checks"`
		Format []struct {
			Difficulty uint128 `json:"difficulty"`
			Text       string  `json:"text"`
		} `json:"format"`
	}
	if err := readVectors(folder, name, &vectors); err != nil {
		return 0, err
	}
	c := &comparison{file: name}
	for i, v := range vectors.Checks {
		c.vector("checks", i)
		c.same("work", workOf(v.Hash), v.Work)
		c.same("passes", meetsDifficulty(v.Hash, v.Difficulty), v.Passes)
	}
	for i, v := range vectors.Format {
		c.vector("format", i)
		c.same("text", formatDifficulty(v.Difficulty), v.Text)
		difficulty, err := parseDifficulty(v.Text)
		if err != nil {
			return c.count, fmt.Errorf("%s: %w", c.position, err)
		}
		c.same("difficulty", difficulty, v.Difficulty)
	}
	return c.count, c.err
}
