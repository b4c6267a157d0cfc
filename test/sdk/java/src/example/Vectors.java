package example;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/** Runs the vectors of test/vectors, which deployed programs made, through {@link Rules}. */
final class Vectors {
    /** A vector that the rules do not reproduce, or that cannot be read. */
    static final class VectorException extends Exception {
        VectorException(String message, Exception cause) {
            super("vectors: " + message, cause);
        }
    }

    private static final HexFormat HEX = HexFormat.of();

    private Vectors() {}

    /** Checks them all, and says how many there were. */
    static String run(Path folder) throws VectorException {
        Path hashing = folder.resolve("hashing.json");
        int hashings = check(hashing, "outputs", Vectors::output) + check(hashing, "blocks", Vectors::block);

        Path tonce = folder.resolve("tonce.json");
        int tonces = check(tonce, "tonces", Vectors::tonce)
                + check(tonce, "pairs", Vectors::pair)
                + check(tonce, "first_valid", Vectors::firstValid)
                + check(tonce, "challenge", Vectors::challenge);

        Path difficulty = folder.resolve("difficulty.json");
        int difficulties =
                check(difficulty, "checks", Vectors::difficulty) + check(difficulty, "format", Vectors::difficultyText);

        return "vectors: hashing %d, tonce %d, difficulty %d".formatted(hashings, tonces, difficulties);
    }

    /** Runs a check on every row of a section; the number of rows. */
    private static int check(Path path, String section, Consumer<Row> check) throws VectorException {
        List<Row> rows;
        try {
            rows = new Row(JsonParser.parseString(Files.readString(path)).getAsJsonObject()).rows(section);
        } catch (IOException | RuntimeException e) {
            throw new VectorException(path + ": " + e, e);
        }
        for (int position = 0; position < rows.size(); position++) {
            try {
                check.accept(rows.get(position));
            } catch (RuntimeException e) {
                String where = "%s: %s[%d]: ".formatted(path.getFileName(), section, position);
                throw new VectorException(where + e.getMessage(), e);
            }
        }
        return rows.size();
    }

    private static void output(Row row) {
        byte[] bytes = row.output().bytes();
        row.expect("bytes", HEX.formatHex(bytes));
        row.expect("sha256", HEX.formatHex(Rules.sha256(bytes)));
    }

    private static void block(Row row) {
        Rules.Block block = row.row("block").block();
        row.expect(
                "transaction_bytes",
                block.transactions().stream().map(Vectors::hex).toList());
        row.expect("bytes", HEX.formatHex(block.bytes()));
        row.expect("hash", HEX.formatHex(block.hash()));
        row.expect("work", Rules.work(block.hash()));
    }

    private static String hex(Rules.Transaction transaction) {
        return HEX.formatHex(transaction.bytes());
    }

    private static void tonce(Row row) {
        BigInteger previous = row.integer("previous_timestamp");
        row.expect("sha256", HEX.formatHex(Rules.timestampHash(previous)));
        row.expect("tonce", Rules.tonceAfter(previous));
    }

    private static void pair(Row row) {
        row.expect("passes", Rules.meetsTonce(row.integer("timestamp"), row.tonce()));
    }

    private static void firstValid(Row row) {
        row.expect("first_valid", Rules.firstValidTimestamp(row.integer("start"), row.tonce()));
    }

    private static void challenge(Row row) {
        BigInteger elapsed = row.integer("now").subtract(row.integer("previous_timestamp"));
        boolean over = Rules.challengeIsOver(elapsed.longValueExact());
        row.expect("elapsed_ms", elapsed);
        row.expect("seconds_remaining", Rules.challengeSecondsRemaining(elapsed.longValueExact()));
        row.expect("over", over);
        row.expect("passes", over || Rules.meetsTonce(row.integer("timestamp"), row.tonce()));
        row.expect("tonce_after", over ? 1 : row.tonce());
    }

    private static void difficulty(Row row) {
        byte[] hash = row.bytes("hash");
        row.expect("work", Rules.work(hash));
        row.expect("passes", Rules.meetsDifficulty(hash, row.integer("difficulty")));
    }

    private static void difficultyText(Row row) {
        row.expect("text", Rules.formatDifficulty(row.integer("difficulty")));
        row.expect("difficulty", Rules.parseDifficulty(row.text("text")));
    }

    /**
     * A vector, or an object in one. Numbers that may need more than 53 bits are decimal strings there, and doubles are
     * the hexadecimal of their eight bytes.
     */
    private record Row(JsonObject json) {
        JsonElement member(String name) {
            if (!json.has(name)) {
                throw new IllegalArgumentException(name + " is missing");
            }
            return json.get(name);
        }

        String text(String name) {
            return member(name).getAsString();
        }

        BigInteger integer(String name) {
            return new BigInteger(text(name));
        }

        byte[] bytes(String name) {
            return HEX.parseHex(text(name));
        }

        int tonce() {
            return Integer.parseInt(text("tonce"));
        }

        Row row(String name) {
            return new Row(member(name).getAsJsonObject());
        }

        List<Row> rows(String name) {
            List<JsonElement> elements = member(name).getAsJsonArray().asList();
            return elements.stream()
                    .map(element -> new Row(element.getAsJsonObject()))
                    .toList();
        }

        Rules.Output output() {
            long bits = HexFormat.fromHexDigitsToLong(text("value_bits"));
            return new Rules.Output(text("to_addr"), Double.longBitsToDouble(bits), integer("timestamp"));
        }

        Rules.Transaction transaction() {
            return new Rules.Transaction(map("inputs", Row::output), map("outputs", Row::output));
        }

        Rules.Block block() {
            return new Rules.Block(
                    Integer.parseUnsignedInt(text("index")),
                    integer("timestamp"),
                    bytes("prev_block_hash"),
                    Long.parseUnsignedLong(text("nonce")),
                    map("transactions", Row::transaction));
        }

        private <T> List<T> map(String name, Function<Row, T> read) {
            return rows(name).stream().map(read).toList();
        }

        /** Compares as texts; lists in brackets, as they print. */
        void expect(String name, Object computed) {
            JsonElement member = member(name);
            String expected = member.isJsonArray() ? list(member).toString() : member.getAsString();
            if (!computed.toString().equals(expected)) {
                throw new IllegalArgumentException(name + " is " + expected + ", and computed " + computed);
            }
        }

        private static List<String> list(JsonElement array) {
            return array.getAsJsonArray().asList().stream()
                    .map(JsonElement::getAsString)
                    .toList();
        }
    }
}
