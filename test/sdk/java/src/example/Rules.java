package example;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Hourcoin's rules: a block's bytes and hash, the difficulty, the tonce (docs/protocol.md, "Making a block").
 *
 * <p>Timestamps are hashed with 128 bits, and difficulties have as many: both are BigInteger. An index is an unsigned
 * int and a nonce an unsigned long, so the upper half of each shows as negative numbers.
 */
final class Rules {
    /** How long after the previous block timestamps must meet the tonce. */
    private static final long CHALLENGE_MS = 60_000;

    /** How many timestamps to try: with a tonce of 31, one in 31 passes. */
    private static final int SEARCH_MS = 100_000;

    private Rules() {}

    // Hashing. Byte orders differ on purpose: big-endian within outputs, little-endian in the block's own fields.

    record Output(String toAddr, double value, BigInteger timestamp) {
        byte[] bytes() {
            var bytes = new ByteArrayOutputStream();
            bytes.writeBytes(toAddr.getBytes(UTF_8));
            bytes.writeBytes(ByteBuffer.allocate(8).putDouble(value).array());
            bytes.writeBytes(uint128(timestamp));
            return bytes.toByteArray();
        }
    }

    record Transaction(List<Output> inputs, List<Output> outputs) {
        byte[] bytes() {
            var bytes = new ByteArrayOutputStream();
            inputs.forEach(input -> bytes.writeBytes(input.bytes()));
            outputs.forEach(output -> bytes.writeBytes(output.bytes()));
            return bytes.toByteArray();
        }
    }

    record Block(int index, BigInteger timestamp, byte[] prevBlockHash, long nonce, List<Transaction> transactions) {
        byte[] bytes() {
            var bytes = new ByteArrayOutputStream();
            bytes.writeBytes(littleEndian(4).putInt(index).array());
            bytes.writeBytes(reversed(uint128(timestamp)));
            bytes.writeBytes(prevBlockHash);
            bytes.writeBytes(littleEndian(8).putLong(nonce).array());
            transactions.forEach(transaction -> bytes.writeBytes(transaction.bytes()));
            return bytes.toByteArray();
        }

        byte[] hash() {
            return sha256(bytes());
        }

        Block withNonce(long nonce) {
            return new Block(index, timestamp, prevBlockHash, nonce, transactions);
        }
    }

    static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    /** 16 bytes, big-endian. */
    private static byte[] uint128(BigInteger number) {
        if (number.signum() < 0 || number.bitLength() > 128) {
            throw new IllegalArgumentException("not a number of 128 bits: " + number);
        }
        long high = number.shiftRight(64).longValue();
        long low = number.longValue();
        return ByteBuffer.allocate(16).putLong(high).putLong(low).array();
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] reversed = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            reversed[i] = bytes[bytes.length - 1 - i];
        }
        return reversed;
    }

    private static ByteBuffer littleEndian(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    // Difficulty: a number below 2^128, and what a hash comes to must be less than it.

    static BigInteger work(byte[] hash) {
        return new BigInteger(1, reversed(Arrays.copyOfRange(hash, 16, 32)));
    }

    static boolean meetsDifficulty(byte[] hash, BigInteger difficulty) {
        return difficulty.compareTo(work(hash)) > 0;
    }

    static BigInteger parseDifficulty(String text) {
        if (!text.matches("0x[0-9A-Fa-f]{1,32}")) {
            throw new IllegalArgumentException("not a difficulty: " + text);
        }
        return new BigInteger(text.substring(2), 16);
    }

    static String formatDifficulty(BigInteger difficulty) {
        return "0x" + difficulty.toString(16).toUpperCase(Locale.ROOT);
    }

    // Tonce, "time only used once": thins out the timestamps that a block may have in the first minute.

    static byte[] timestampHash(BigInteger timestamp) {
        return sha256(reversed(uint128(timestamp)));
    }

    /** The tonce that the previous block's timestamp sets: 1 to 31. */
    static int tonceAfter(BigInteger previousTimestamp) {
        return Math.max(timestampHash(previousTimestamp)[31] & 0x1F, 1);
    }

    /** Whether a block may have this timestamp during the challenge. Every one meets 1, and so it is with 0. */
    static boolean meetsTonce(BigInteger timestamp, int tonce) {
        int lastFour = ByteBuffer.wrap(timestampHash(timestamp)).getInt(28);
        return tonce == 0 || Integer.remainderUnsigned(lastFour, tonce) == 0;
    }

    static BigInteger firstValidTimestamp(BigInteger start, int tonce) {
        BigInteger timestamp = start;
        for (int tried = 0; tried < SEARCH_MS; tried++) {
            if (meetsTonce(timestamp, tonce)) {
                return timestamp;
            }
            timestamp = timestamp.add(BigInteger.ONE);
        }
        throw new IllegalArgumentException(
                "no timestamp from " + start + " on meets the tonce " + Integer.toUnsignedString(tonce));
    }

    /** Whether every timestamp passes, this long after the previous block's. */
    static boolean challengeIsOver(long elapsedMs) {
        return elapsedMs >= CHALLENGE_MS;
    }

    static long challengeSecondsRemaining(long elapsedMs) {
        return (CHALLENGE_MS - Math.min(Math.max(elapsedMs, 0), CHALLENGE_MS)) / 1000;
    }
}
