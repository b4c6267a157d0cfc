// A miner for Hourcoin, to copy from: it mines one block over gRPC, watches it end the round, and shows what a rejection
// and a fault look like. rules.go has the rules of a block, vectors.go tests them.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "example.com/miner/gen/hourcoin/v1"
)

const (
	usage = "usage: miner ADDRESS MINER_ID [VECTORS_FOLDER]\n  ADDRESS is host:port of a validator's gRPC"

	// No call, stream or not, lasts longer than this.
	callTimeouts = `{"methodConfig": [{"name": [{}], "timeout": "10s"}]}`

	// Everything together: what bounds the search for a nonce and the waiting too.
	timeout = 2 * time.Minute

	// How often other miners may be faster before we give up.
	maxAttempts = 10
)

// errOvertaken says that another block has taken the tip. The validator uses nothing up for that.
var errOvertaken = errors.New("another miner's block came first")

func main() {
	args := os.Args[1:]
	if len(args) < 2 || len(args) > 3 || !isHostPort(args[0]) || args[1] == "" {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := run(ctx, args[0], args[1], args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "miner:", err)
		os.Exit(1)
	}
}

func isHostPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port != ""
}

func run(ctx context.Context, address, minerID string, vectors []string) error {
	for _, folder := range vectors {
		if err := runVectors(folder); err != nil {
			return err
		}
	}
	conn, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(callTimeouts),
	)
	if err != nil {
		return err
	}
	defer conn.Close()
	m := miner{id: minerID, validator: pb.NewValidatorServiceClient(conn)}
	block, err := m.mine(ctx)
	if err != nil {
		return err
	}
	if err := m.submitLate(ctx, block); err != nil {
		return err
	}
	return m.provokeFault(ctx)
}

type miner struct {
	id        string
	validator pb.ValidatorServiceClient
}

// mine gets one block accepted and returns it.
func (m miner) mine(ctx context.Context) (*pb.Block, error) {
	for range maxAttempts {
		block, err := m.mineOnce(ctx)
		if !errors.Is(err, errOvertaken) {
			return block, err
		}
	}
	return nil, fmt.Errorf("%w, %d times", errOvertaken, maxAttempts)
}

func (m miner) mineOnce(ctx context.Context) (*pb.Block, error) {
	response, err := m.validator.GetRoundInfo(ctx, &pb.GetRoundInfoRequest{MinerId: m.id})
	if err != nil {
		return nil, fmt.Errorf("GetRoundInfo: %w", err)
	}
	answered := time.Now()
	round := response.GetRoundInfo()
	fmt.Printf("round %d: block #%d, tonce %d\n", round.GetRound(), round.GetNextIndex(), round.GetTonce())
	block, err := m.makeBlock(ctx, round)
	if err != nil {
		return nil, err
	}

	// The timestamp is a little ahead of the validator's clock, which may run faster or slower than ours.
	ahead := time.Duration(block.GetTimestamp()-round.GetServerTime()) * time.Millisecond
	if speed := round.GetClockSpeed(); speed != 0 {
		ahead = time.Duration(float64(ahead) / speed)
	}
	if err := sleepUntil(ctx, answered.Add(ahead)); err != nil {
		return nil, err
	}

	// Opened before the block is submitted, so that no round is missed.
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	rounds, err := m.validator.WatchRounds(watching, &pb.WatchRoundsRequest{MinerId: m.id})
	if err != nil {
		return nil, fmt.Errorf("WatchRounds: %w", err)
	}
	inForce, err := receive(rounds)
	if err != nil {
		return nil, err
	}

	if err := m.submit(ctx, block); err != nil {
		return nil, err
	}
	fmt.Printf("accepted: block #%d %x nonce %d\n", block.GetIndex(), block.GetHash(), block.GetNonce())

	next := inForce
	for next.GetRound() <= inForce.GetRound() {
		if next, err = receive(rounds); err != nil {
			return nil, err
		}
	}
	fmt.Printf("round %d: block #%d\n", next.GetRound(), next.GetNextIndex())

	stopWatching()
	for err == nil {
		_, err = rounds.Recv()
	}
	if status.Code(err) != codes.Canceled {
		return nil, fmt.Errorf("WatchRounds did not end as cancelled: %w", err)
	}
	return block, nil
}

func receive(rounds grpc.ServerStreamingClient[pb.WatchRoundsResponse]) (*pb.RoundInfo, error) {
	response, err := rounds.Recv()
	switch {
	case err == io.EOF:
		return nil, errors.New("WatchRounds: the validator has ended the stream, as it does when it stops")
	case err != nil:
		return nil, fmt.Errorf("WatchRounds: %w", err)
	}
	return response.GetRoundInfo(), nil
}

// makeBlock makes the block that the round asks for, which pays this miner.
func (m miner) makeBlock(ctx context.Context, round *pb.RoundInfo) (*pb.Block, error) {
	difficulty, err := parseDifficulty(round.GetDifficulty())
	if err != nil {
		return nil, err
	}
	switch {
	case round.Tonce == nil:
		return nil, errors.New("the validator names no tonce")
	case len(round.GetPrevBlockHash()) != sha256.Size:
		return nil, fmt.Errorf("the previous block's hash has %d bytes", len(round.GetPrevBlockHash()))
	}
	start := round.GetServerTime()
	if round.TipTimestamp != nil {
		start = max(start, round.GetTipTimestamp()+1)
	}
	timestamp, ok := firstTimestamp(uint128{lo: start}, round.GetTonce())
	if !ok {
		return nil, fmt.Errorf("no timestamp meets the tonce %d", round.GetTonce())
	}
	coinbase := transaction{outputs: []output{{toAddr: m.id, value: 2, timestamp: timestamp}}}
	b := block{
		index:         round.GetNextIndex(),
		timestamp:     timestamp,
		prevBlockHash: [sha256.Size]byte(round.GetPrevBlockHash()),
		transactions:  []transaction{coinbase},
	}
	var hash [sha256.Size]byte
	if b.nonce, hash, err = findNonce(ctx, b.bytes(), difficulty); err != nil {
		return nil, err
	}
	return &pb.Block{
		Index:         b.index,
		Timestamp:     b.timestamp.lo,
		Hash:          hash[:],
		PrevBlockHash: b.prevBlockHash[:],
		Nonce:         b.nonce,
		Transactions: []*pb.Transaction{
			{Outputs: []*pb.Output{{ToAddr: m.id, Value: 2, Timestamp: timestamp.lo}}},
		},
	}, nil
}

// findNonce searches the upper half of the nonces, where a mistaken sign or a double would show. It writes into the
// block's bytes.
func findNonce(ctx context.Context, bytes []byte, difficulty uint128) (uint64, [sha256.Size]byte, error) {
	for nonce := uint64(1) << 63; ctx.Err() == nil; nonce++ {
		binary.LittleEndian.PutUint64(bytes[nonceOffset:], nonce)
		if hash := sha256.Sum256(bytes); meetsDifficulty(hash, difficulty) {
			return nonce, hash, nil
		}
	}
	return 0, [sha256.Size]byte{}, fmt.Errorf("searching a nonce: %w", ctx.Err())
}

func (m miner) submit(ctx context.Context, block *pb.Block) error {
	verdict, err := m.validator.SubmitBlock(ctx, &pb.SubmitBlockRequest{MinerId: m.id, Block: block})
	if err != nil {
		return fmt.Errorf("SubmitBlock: %w", err)
	}
	overtaken := []pb.ChainCode{
		pb.ChainCode_CHAIN_CODE_MISMATCHED_INDEX,
		pb.ChainCode_CHAIN_CODE_MISMATCHED_PREVIOUS_HASH,
		pb.ChainCode_CHAIN_CODE_ACHRONOLOGICAL_TIMESTAMP,
	}
	switch {
	case verdict.GetResult() == pb.SubmitResult_SUBMIT_RESULT_ACCEPTED:
		return nil
	case slices.Contains(overtaken, verdict.GetCode()):
		return errOvertaken
	}
	return fmt.Errorf("the block is %s", describe(verdict))
}

// submitLate submits a block that is no longer on the tip, which uses nothing up.
func (m miner) submitLate(ctx context.Context, block *pb.Block) error {
	verdict, err := m.validator.SubmitBlock(ctx, &pb.SubmitBlockRequest{MinerId: m.id + "-late", Block: block})
	if err != nil {
		return fmt.Errorf("SubmitBlock: %w", err)
	}
	if verdict.GetResult() != pb.SubmitResult_SUBMIT_RESULT_REJECTED_BLOCKCHAIN_VALIDATION ||
		verdict.GetCode() != pb.ChainCode_CHAIN_CODE_MISMATCHED_INDEX {
		return fmt.Errorf("the late block is %s", describe(verdict))
	}
	fmt.Println("rejected:", describe(verdict))
	return nil
}

// describe names a verdict. A value that is newer than the generated code has its number for a name.
func describe(verdict *pb.SubmitBlockResponse) string {
	name := strings.TrimPrefix(verdict.GetResult().String(), "SUBMIT_RESULT_")
	if verdict.GetCode() != pb.ChainCode_CHAIN_CODE_UNSPECIFIED {
		name += " " + strings.TrimPrefix(verdict.GetCode().String(), "CHAIN_CODE_")
	}
	return name + ": " + verdict.GetMessage()
}

// provokeFault asks for nobody's lockout and reads the details of the error.
func (m miner) provokeFault(ctx context.Context) error {
	_, err := m.validator.CheckLockout(ctx, &pb.CheckLockoutRequest{MinerId: ""})
	if err == nil {
		return errors.New("CheckLockout took an empty miner_id")
	}
	var info *errdetails.ErrorInfo
	var badRequest *errdetails.BadRequest
	fault := status.Convert(err)
	for _, detail := range fault.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.BadRequest:
			badRequest = detail
		}
	}
	violations := badRequest.GetFieldViolations()
	if info.GetDomain() != "hourcoin" || info.GetReason() != "MALFORMED" || len(violations) == 0 {
		return fmt.Errorf("CheckLockout: %w", err)
	}
	fmt.Printf("fault: %s %s (%s)", code.Code(fault.Code()), info.GetReason(), info.GetDomain())
	for _, violation := range violations {
		fmt.Printf(" %s: %s", violation.GetField(), violation.GetDescription())
	}
	fmt.Println()
	return nil
}

func sleepUntil(ctx context.Context, t time.Time) error {
	select {
	case <-time.After(time.Until(t)):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the block's time: %w", ctx.Err())
	}
}
