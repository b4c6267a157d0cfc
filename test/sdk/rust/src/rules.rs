//! The rules that a miner needs: the bytes that are hashed, the tonce, the difficulty. docs/protocol.md, "Making a
//! block", has them in words. Nothing here knows of gRPC.

use std::num::ParseIntError;
use std::ops::Range;

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// Times are hashed as 128 bits, of which gRPC carries the lower 64.
pub struct Output {
    pub to_addr: String,
    pub value: f64,
    pub timestamp: u128,
}

pub struct Transaction {
    pub inputs: Vec<Output>,
    pub outputs: Vec<Output>,
}

pub struct Block {
    pub index: u32,
    pub timestamp: u128,
    pub prev_block_hash: Hash,
    pub nonce: u64,
    pub transactions: Vec<Transaction>,
}

/// Where the nonce stands in a block's bytes: after `index`, `timestamp` and `prev_block_hash`.
pub const NONCE_RANGE: Range<usize> = 52..60;

impl Output {
    pub fn bytes(&self) -> Vec<u8> {
        [self.to_addr.as_bytes(), &self.value.to_be_bytes(), &self.timestamp.to_be_bytes()].concat()
    }
}

impl Transaction {
    pub fn bytes(&self) -> Vec<u8> {
        self.inputs.iter().chain(&self.outputs).flat_map(Output::bytes).collect()
    }
}

impl Block {
    /// What the block's hash is the SHA-256 of. Mind the byte orders: little-endian here, big-endian in outputs.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [
            &self.index.to_le_bytes()[..],
            &self.timestamp.to_le_bytes(),
            &self.prev_block_hash,
            &self.nonce.to_le_bytes(),
        ]
        .concat();
        bytes.extend(self.transactions.iter().flat_map(Transaction::bytes));
        bytes
    }
}

pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// How long after the previous block's timestamp the tonce has to be met.
pub const CHALLENGE_MS: i64 = 60_000;

pub fn timestamp_hash(timestamp: u128) -> Hash {
    sha256(&timestamp.to_le_bytes())
}

/// The tonce that follows a block with this timestamp.
pub fn tonce_after(previous: u128) -> u32 {
    u32::from(timestamp_hash(previous)[31] & 0x1f).max(1)
}

pub fn meets_tonce(timestamp: u128, tonce: u32) -> bool {
    if tonce <= 1 {
        return true;
    }
    let [.., a, b, c, d] = timestamp_hash(timestamp);
    u32::from_be_bytes([a, b, c, d]).is_multiple_of(tonce)
}

/// The first timestamp from `start` on that meets the tonce. `None` where none of 100,000 does, which only a tonce far
/// above 31 brings about.
pub fn first_timestamp(start: u128, tonce: u32) -> Option<u128> {
    (start..=u128::MAX).take(100_000).find(|&timestamp| meets_tonce(timestamp, tonce))
}

/// How much of the challenge is behind us: less than nothing where the previous block is ahead of the clock.
pub fn challenge_elapsed(previous: u64, now: u64) -> i64 {
    now.wrapping_sub(previous).cast_signed()
}

pub fn challenge_seconds_remaining(elapsed: i64) -> i64 {
    (CHALLENGE_MS - elapsed.clamp(0, CHALLENGE_MS)) / 1000
}

/// The tonce while the challenge lasts, and 1, which every timestamp meets, from then on.
pub fn tonce_in_force(tonce: u32, elapsed: i64) -> u32 {
    if elapsed >= CHALLENGE_MS { 1 } else { tonce }
}

/// The number that a hash stands for: the lower, the rarer.
pub fn work(hash: &Hash) -> u128 {
    u128::from_le_bytes(hash[16..].try_into().expect("a hash has 32 bytes"))
}

pub fn meets_difficulty(hash: &Hash, difficulty: u128) -> bool {
    work(hash) < difficulty
}

pub fn parse_difficulty(text: &str) -> Result<u128, ParseIntError> {
    u128::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16)
}

pub fn format_difficulty(difficulty: u128) -> String {
    format!("{difficulty:#X}")
}
