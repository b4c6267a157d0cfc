//! Runs the vectors of test/vectors, whose README.md says what they hold, through the rules.

use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

use crate::rules::{self, Hash};

/// Runs them all, and fails at the first that differs.
pub fn run(folder: &Path) -> Result<()> {
    let hashing = run_file(folder, "hashing.json", run_hashing)?;
    let tonce = run_file(folder, "tonce.json", run_tonce)?;
    let difficulty = run_file(folder, "difficulty.json", run_difficulty)?;
    println!("vectors: hashing {hashing}, tonce {tonce}, difficulty {difficulty}");
    Ok(())
}

fn run_file<T: DeserializeOwned>(folder: &Path, name: &'static str, run: fn(&T) -> Result<usize>) -> Result<usize> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let vectors = serde_json::from_str(&text).context(name)?;
    run(&vectors).context(name)
}

/// Checks every vector of a list, and returns how many they are.
fn check_all<T>(list: &str, vectors: &[T], check: fn(&T) -> Result<()>) -> Result<usize> {
    for (i, vector) in vectors.iter().enumerate() {
        check(vector).with_context(|| format!("{list}[{i}]"))?;
    }
    Ok(vectors.len())
}

fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Result<()> {
    ensure!(got == want, "{what} is {got:?} and should be {want:?}");
    Ok(())
}

#[derive(serde::Deserialize)]
struct Hashing {
    outputs: Vec<HashedOutput>,
    blocks: Vec<HashedBlock>,
}

#[derive(serde::Deserialize)]
struct HashedOutput {
    #[serde(flatten)]
    output: Output,
    bytes: String,
    sha256: String,
}

#[derive(serde::Deserialize)]
struct HashedBlock {
    block: Block,
    transaction_bytes: Vec<String>,
    bytes: String,
    hash: String,
    #[serde(deserialize_with = "decimal")]
    work: u128,
}

#[derive(serde::Deserialize)]
struct Block {
    index: u32,
    #[serde(deserialize_with = "decimal")]
    timestamp: u128,
    #[serde(with = "hex::serde")]
    prev_block_hash: Hash,
    #[serde(deserialize_with = "decimal")]
    nonce: u64,
    transactions: Vec<Transaction>,
}

#[derive(serde::Deserialize)]
struct Transaction {
    inputs: Vec<Output>,
    outputs: Vec<Output>,
}

#[derive(serde::Deserialize)]
struct Output {
    to_addr: String,
    /// The double's bits: its decimal text may be read otherwise.
    #[serde(with = "hex::serde")]
    value_bits: [u8; 8],
    #[serde(deserialize_with = "decimal")]
    timestamp: u128,
}

impl From<&Output> for rules::Output {
    fn from(output: &Output) -> Self {
        Self {
            to_addr: output.to_addr.clone(),
            value: f64::from_be_bytes(output.value_bits),
            timestamp: output.timestamp,
        }
    }
}

impl From<&Transaction> for rules::Transaction {
    fn from(transaction: &Transaction) -> Self {
        Self {
            inputs: transaction.inputs.iter().map(Into::into).collect(),
            outputs: transaction.outputs.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Block> for rules::Block {
    fn from(block: &Block) -> Self {
        Self {
            index: block.index,
            timestamp: block.timestamp,
            prev_block_hash: block.prev_block_hash,
            nonce: block.nonce,
            transactions: block.transactions.iter().map(Into::into).collect(),
        }
    }
}

fn run_hashing(vectors: &Hashing) -> Result<usize> {
    let outputs = check_all("outputs", &vectors.outputs, |v| {
        let bytes = rules::Output::from(&v.output).bytes();
        same("bytes", &hex::encode(&bytes), &v.bytes)?;
        same("sha256", &hex::encode(rules::sha256(&bytes)), &v.sha256)
    })?;
    let blocks = check_all("blocks", &vectors.blocks, |v| {
        let block = rules::Block::from(&v.block);
        let transaction_bytes: Vec<_> = block.transactions.iter().map(|t| hex::encode(t.bytes())).collect();
        let bytes = block.bytes();
        let hash = rules::sha256(&bytes);
        same("transaction_bytes", &transaction_bytes, &v.transaction_bytes)?;
        same("bytes", &hex::encode(&bytes), &v.bytes)?;
        same("hash", &hex::encode(hash), &v.hash)?;
        same("work", rules::work(&hash), v.work)
    })?;
    Ok(outputs + blocks)
}

#[derive(serde::Deserialize)]
struct Tonces {
    tonces: Vec<Tonce>,
    pairs: Vec<Pair>,
    first_valid: Vec<FirstValid>,
    challenge: Vec<Challenge>,
}

#[derive(serde::Deserialize)]
struct Tonce {
    #[serde(deserialize_with = "decimal")]
    previous_timestamp: u128,
    sha256: String,
    tonce: u32,
}

#[derive(serde::Deserialize)]
struct Pair {
    #[serde(deserialize_with = "decimal")]
    timestamp: u128,
    tonce: u32,
    passes: bool,
}

#[derive(serde::Deserialize)]
struct FirstValid {
    #[serde(deserialize_with = "decimal")]
    start: u128,
    tonce: u32,
    #[serde(deserialize_with = "decimal")]
    first_valid: u128,
}

#[derive(serde::Deserialize)]
struct Challenge {
    #[serde(deserialize_with = "decimal")]
    previous_timestamp: u64,
    #[serde(deserialize_with = "decimal")]
    now: u64,
    #[serde(deserialize_with = "decimal")]
    timestamp: u128,
    tonce: u32,
    #[serde(deserialize_with = "decimal")]
    elapsed_ms: i64,
    seconds_remaining: i64,
    over: bool,
    passes: bool,
    tonce_after: u32,
}

fn run_tonce(vectors: &Tonces) -> Result<usize> {
    let tonces = check_all("tonces", &vectors.tonces, |v| {
        let hash = rules::timestamp_hash(v.previous_timestamp);
        same("sha256", &hex::encode(hash), &v.sha256)?;
        same("tonce", rules::tonce_after(v.previous_timestamp), v.tonce)
    })?;
    let pairs =
        check_all("pairs", &vectors.pairs, |v| same("passes", rules::meets_tonce(v.timestamp, v.tonce), v.passes))?;
    let first_valid = check_all("first_valid", &vectors.first_valid, |v| {
        same("first_valid", rules::first_timestamp(v.start, v.tonce), Some(v.first_valid))
    })?;
    let challenge = check_all("challenge", &vectors.challenge, |v| {
        same("tonce", rules::tonce_after(v.previous_timestamp.into()), v.tonce)?;
        let elapsed = rules::challenge_elapsed(v.previous_timestamp, v.now);
        let tonce = rules::tonce_in_force(v.tonce, elapsed);
        same("elapsed_ms", elapsed, v.elapsed_ms)?;
        same("seconds_remaining", rules::challenge_seconds_remaining(elapsed), v.seconds_remaining)?;
        same("over", elapsed >= rules::CHALLENGE_MS, v.over)?;
        same("passes", rules::meets_tonce(v.timestamp, tonce), v.passes)?;
        same("tonce_after", tonce, v.tonce_after)
    })?;
    Ok(tonces + pairs + first_valid + challenge)
}

#[derive(serde::Deserialize)]
struct Difficulties {
    checks: Vec<Check>,
    format: Vec<Format>,
}

#[derive(serde::Deserialize)]
struct Check {
    #[serde(with = "hex::serde")]
    hash: Hash,
    #[serde(deserialize_with = "decimal")]
    work: u128,
    #[serde(deserialize_with = "decimal")]
    difficulty: u128,
    passes: bool,
}

#[derive(serde::Deserialize)]
struct Format {
    #[serde(deserialize_with = "decimal")]
    difficulty: u128,
    text: String,
}

fn run_difficulty(vectors: &Difficulties) -> Result<usize> {
    let checks = check_all("checks", &vectors.checks, |v| {
        same("work", rules::work(&v.hash), v.work)?;
        same("passes", rules::meets_difficulty(&v.hash, v.difficulty), v.passes)
    })?;
    let format = check_all("format", &vectors.format, |v| {
        same("text", &rules::format_difficulty(v.difficulty), &v.text)?;
        same("difficulty", rules::parse_difficulty(&v.text)?, v.difficulty)
    })?;
    Ok(checks + format)
}

/// Reads the decimal strings of the vectors.
fn decimal<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
