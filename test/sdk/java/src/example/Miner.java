package example;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.hourcoin.v1.Block;
import com.hourcoin.v1.ChainCode;
import com.hourcoin.v1.CheckLockoutRequest;
import com.hourcoin.v1.GetRoundInfoRequest;
import com.hourcoin.v1.Output;
import com.hourcoin.v1.RoundInfo;
import com.hourcoin.v1.SubmitBlockRequest;
import com.hourcoin.v1.SubmitBlockResponse;
import com.hourcoin.v1.SubmitResult;
import com.hourcoin.v1.Transaction;
import com.hourcoin.v1.ValidatorServiceGrpc;
import com.hourcoin.v1.ValidatorServiceGrpc.ValidatorServiceBlockingStub;
import com.hourcoin.v1.WatchRoundsRequest;
import com.hourcoin.v1.WatchRoundsResponse;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * A Hourcoin miner over gRPC: mines one block, sees the next round begin, and shows how verdicts and faults look.
 *
 * <p>With a folder of vectors, it first proves its rules on them.
 */
public final class Miner {
    /** Every call, and the search for one block, is given up after this time. */
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    /** How often to begin again when another miner's block was first. */
    private static final int MAX_TRIES = 10;

    /** 2^63, as an unsigned long. Any 64 bits will do as a nonce; most miners count from 0. */
    private static final long FIRST_NONCE = Long.MIN_VALUE;

    /** The block does not go on the tip: someone else's block is there by now, and nothing was used up. */
    private static final Set<ChainCode> NOT_ON_TIP = Set.of(
            ChainCode.CHAIN_CODE_MISMATCHED_INDEX,
            ChainCode.CHAIN_CODE_MISMATCHED_PREVIOUS_HASH,
            ChainCode.CHAIN_CODE_ACHRONOLOGICAL_TIMESTAMP);

    /** The validator did what this miner did not expect. */
    private static final class MinerException extends Exception {
        MinerException(String message) {
            super(message);
        }
    }

    /** gRPC's log repeats what its exceptions say. Held here, since a logger that nobody holds forgets its level. */
    private static final Logger GRPC_LOGGER = Logger.getLogger("io.grpc");

    private final ValidatorServiceBlockingStub validator;
    private final String minerId;

    private Miner(ValidatorServiceBlockingStub validator, String minerId) {
        this.validator = validator;
        this.minerId = minerId;
    }

    public static void main(String[] args) throws InterruptedException {
        if (args.length < 2 || args.length > 3) {
            System.err.println("usage: Miner ADDRESS MINER_ID [VECTORS_FOLDER]");
            System.exit(2);
        }
        GRPC_LOGGER.setLevel(Level.SEVERE);
        try {
            if (args.length == 3) {
                System.out.println(Vectors.run(Path.of(args[2])));
            }
            run(args[0], args[1]);
        } catch (StatusRuntimeException e) {
            // The transport's own troubles are told by the cause.
            String cause = e.getCause() == null ? "" : ": " + e.getCause().getMessage();
            System.err.println("miner: " + e.getMessage() + cause);
            System.exit(1);
        } catch (MinerException
                | Vectors.VectorException
                | InvalidProtocolBufferException
                | IllegalArgumentException e) {
            System.err.println("miner: " + e.getMessage());
            System.exit(1);
        }
    }

    private static void run(String address, String minerId)
            throws MinerException, InvalidProtocolBufferException, InterruptedException {
        ManagedChannel channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create())
                .build();
        try {
            var miner = new Miner(ValidatorServiceGrpc.newBlockingStub(channel), minerId);
            Block block = miner.winRound();
            miner.submitLate(block);
            miner.askWrongly();
        } finally {
            channel.shutdownNow();
        }
    }

    /** The validator for one call: a deadline counts from here. */
    private ValidatorServiceBlockingStub validator() {
        return validator.withDeadlineAfter(TIMEOUT);
    }

    /** Mines until a block is accepted, and sees the round that begins then. */
    private Block winRound() throws MinerException, InterruptedException {
        for (int tries = 0; tries < MAX_TRIES; tries++) {
            var request = GetRoundInfoRequest.newBuilder().setMinerId(minerId).build();
            RoundInfo info = validator().getRoundInfo(request).getRoundInfo();
            var clock = new ValidatorClock(info);
            System.out.println(describe(info) + ", tonce " + Integer.toUnsignedString(info.getTonce()));
            Block block = makeBlock(info, clock);
            // The stream is open before the block is submitted, so that the next round cannot be missed.
            try (var rounds = new RoundStream()) {
                RoundInfo inForce = rounds.next();
                SubmitBlockResponse verdict = submit(minerId, block);
                if (verdict.getResult() == SubmitResult.SUBMIT_RESULT_ACCEPTED) {
                    System.out.println("accepted: " + describe(block));
                    System.out.println(describe(rounds.after(inForce)));
                    rounds.cancel();
                    return block;
                }
                if (!NOT_ON_TIP.contains(verdict.getCode())) {
                    throw new MinerException("the block was not accepted: " + describe(verdict));
                }
            }
        }
        throw new MinerException("others were first " + MAX_TRIES + " times");
    }

    /** A block for this round, once its timestamp is no longer ahead of the validator's clock. */
    private Block makeBlock(RoundInfo info, ValidatorClock clock) throws MinerException, InterruptedException {
        if (!info.hasTonce()) {
            throw new MinerException("the validator names no tonce for this round");
        }
        BigInteger start = clock.now();
        if (info.hasTipTimestamp()) {
            start = start.max(unsigned(info.getTipTimestamp()).add(BigInteger.ONE));
        }
        BigInteger timestamp = Rules.firstValidTimestamp(start, info.getTonce());
        var output = new Rules.Output(minerId, 2.0, timestamp);
        var coinbase = new Rules.Transaction(List.of(), List.of(output));
        byte[] prevBlockHash = info.getPrevBlockHash().toByteArray();
        var block = new Rules.Block(info.getNextIndex(), timestamp, prevBlockHash, FIRST_NONCE, List.of(coinbase));
        block = meetDifficulty(block, Rules.parseDifficulty(info.getDifficulty()));
        clock.waitFor(timestamp);
        return Block.newBuilder()
                .setIndex(block.index())
                .setTimestamp(uint64(timestamp))
                .setHash(ByteString.copyFrom(block.hash()))
                .setPrevBlockHash(info.getPrevBlockHash())
                .setNonce(block.nonce())
                .addTransactions(Transaction.newBuilder()
                        .addOutputs(Output.newBuilder()
                                .setToAddr(output.toAddr())
                                .setValue(output.value())
                                .setTimestamp(uint64(timestamp))))
                .build();
    }

    private static Rules.Block meetDifficulty(Rules.Block block, BigInteger difficulty) throws MinerException {
        long began = System.nanoTime();
        while (!Rules.meetsDifficulty(block.hash(), difficulty)) {
            if (System.nanoTime() - began > TIMEOUT.toNanos()) {
                throw new MinerException("no nonce found in " + TIMEOUT.toSeconds() + " s for the difficulty "
                        + Rules.formatDifficulty(difficulty));
            }
            block = block.withNonce(block.nonce() + 1);
        }
        return block;
    }

    private SubmitBlockResponse submit(String minerId, Block block) {
        return validator()
                .submitBlock(SubmitBlockRequest.newBuilder()
                        .setMinerId(minerId)
                        .setBlock(block)
                        .build());
    }

    /** Submits a block that is on the chain already. A rejection is an answer, not an exception. */
    private void submitLate(Block block) throws MinerException {
        SubmitBlockResponse verdict = submit(minerId + "-late", block);
        System.out.println("rejected: " + describe(verdict));
        if (verdict.getResult() != SubmitResult.SUBMIT_RESULT_REJECTED_BLOCKCHAIN_VALIDATION
                || verdict.getCode() != ChainCode.CHAIN_CODE_MISMATCHED_INDEX) {
            throw new MinerException("a late block should be rejected for its index");
        }
    }

    /** Asks without a miner id. A fault is an exception; its google.rpc details say which field is wrong, and why. */
    private void askWrongly() throws MinerException, InvalidProtocolBufferException {
        try {
            validator().checkLockout(CheckLockoutRequest.getDefaultInstance());
        } catch (StatusRuntimeException e) {
            expectFieldToBlame(e);
            return;
        }
        throw new MinerException("an empty miner id should be a fault");
    }

    private static void expectFieldToBlame(StatusRuntimeException e)
            throws MinerException, InvalidProtocolBufferException {
        var info = ErrorInfo.getDefaultInstance();
        var badRequest = BadRequest.getDefaultInstance();
        for (Any detail : StatusProto.fromThrowable(e).getDetailsList()) {
            if (detail.is(ErrorInfo.class)) {
                info = detail.unpack(ErrorInfo.class);
            } else if (detail.is(BadRequest.class)) {
                badRequest = detail.unpack(BadRequest.class);
            }
        }
        Status.Code status = e.getStatus().getCode();
        for (BadRequest.FieldViolation violation : badRequest.getFieldViolationsList()) {
            System.out.printf(
                    "fault: %s %s (%s) %s: %s%n",
                    status, info.getReason(), info.getDomain(), violation.getField(), violation.getDescription());
        }
        if (status != Status.Code.INVALID_ARGUMENT || badRequest.getFieldViolationsCount() == 0) {
            throw new MinerException("a fault without a field to blame: " + e.getMessage());
        }
    }

    private static String describe(RoundInfo round) {
        return "round %s: block #%s"
                .formatted(Long.toUnsignedString(round.getRound()), Integer.toUnsignedString(round.getNextIndex()));
    }

    private static String describe(Block block) {
        return "block #%s %s nonce %s"
                .formatted(
                        Integer.toUnsignedString(block.getIndex()),
                        HexFormat.of().formatHex(block.getHash().toByteArray()),
                        Long.toUnsignedString(block.getNonce()));
    }

    private static String describe(SubmitBlockResponse verdict) {
        String result = nameOf(verdict.getResult(), verdict.getResultValue(), "SUBMIT_RESULT_");
        String code = nameOf(verdict.getCode(), verdict.getCodeValue(), "CHAIN_CODE_");
        return result + " " + code + ": " + verdict.getMessage();
    }

    /** A value's name; its number where the validator is newer than the generated code, which calls it UNRECOGNIZED. */
    private static String nameOf(Enum<?> value, int number, String prefix) {
        return value.name().startsWith(prefix) ? value.name().substring(prefix.length()) : Integer.toString(number);
    }

    /** The number that a uint64 of a message stands for. */
    private static BigInteger unsigned(long uint64) {
        return new BigInteger(Long.toUnsignedString(uint64));
    }

    /** The uint64 of a message that stands for a number. */
    private static long uint64(BigInteger number) {
        return Long.parseUnsignedLong(number.toString());
    }

    /** The validator's clock: what it last showed, and what has passed since. */
    private static final class ValidatorClock {
        private final BigInteger shown;
        private final double speed;
        private final long seen = System.nanoTime();

        ValidatorClock(RoundInfo info) {
            shown = unsigned(info.getServerTime());
            speed = info.getClockSpeed() == 0 ? 1 : info.getClockSpeed();
        }

        BigInteger now() {
            return shown.add(BigInteger.valueOf((long) ((System.nanoTime() - seen) / 1e6 * speed)));
        }

        void waitFor(BigInteger timestamp) throws MinerException, InterruptedException {
            for (BigInteger now = now(); now.compareTo(timestamp) < 0; now = now()) {
                BigInteger ahead = timestamp.subtract(now);
                double milliseconds = ahead.doubleValue() / speed;
                if (milliseconds > TIMEOUT.toMillis()) {
                    throw new MinerException(
                            "the block's timestamp is " + ahead + " ms ahead of the validator's clock");
                }
                Thread.sleep((long) Math.ceil(milliseconds));
            }
        }
    }

    /** The rounds as they begin, after the one in force. */
    private final class RoundStream implements AutoCloseable {
        private final Context.CancellableContext context = Context.current().withCancellation();
        private final Iterator<WatchRoundsResponse> answers;

        RoundStream() {
            // A call belongs to the context in which it is made, and ends with it.
            Context outer = context.attach();
            try {
                // A miner that stays would set no deadline here.
                answers = validator()
                        .watchRounds(WatchRoundsRequest.newBuilder()
                                .setMinerId(minerId)
                                .build());
            } finally {
                context.detach(outer);
            }
        }

        RoundInfo next() throws MinerException {
            if (!answers.hasNext()) {
                throw new MinerException("the stream of rounds has ended: the validator is stopping");
            }
            return answers.next().getRoundInfo();
        }

        RoundInfo after(RoundInfo round) throws MinerException {
            RoundInfo next = next();
            while (Long.compareUnsigned(next.getRound(), round.getRound()) <= 0) {
                next = next();
            }
            return next;
        }

        /** Cancels the call, and sees that it ended by that. */
        void cancel() throws MinerException {
            context.cancel(null);
            try {
                while (answers.hasNext()) {
                    answers.next();
                }
            } catch (StatusRuntimeException e) {
                if (e.getStatus().getCode() == Status.Code.CANCELLED) {
                    return;
                }
                throw e;
            }
            throw new MinerException("the stream of rounds was cancelled, and ended as if it had not been");
        }

        @Override
        public void close() {
            context.cancel(null);
        }
    }
}
