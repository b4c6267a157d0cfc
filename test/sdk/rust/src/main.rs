//! A miner for Hourcoin, to copy from: it mines one block over gRPC, watches it end the round, and shows what a
//! rejection and a fault look like. rules.rs has the rules of a block, vectors.rs tests them.

use std::env;
use std::error::Error;
use std::iter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::rules::Hash;
use crate::v1::validator_service_client::ValidatorServiceClient;
use crate::v1::{
    Block, ChainCode, CheckLockoutRequest, GetRoundInfoRequest, Output, RoundInfo, SubmitBlockRequest,
    SubmitBlockResponse, SubmitResult, Transaction, WatchRoundsRequest, WatchRoundsResponse,
};

mod rules;
/// What `buf generate` makes of the schemas, of which we use a part.
#[allow(dead_code)]
mod v1 {
    include!("../gen/hourcoin/v1/hourcoin.v1.rs");
}
mod vectors;

const USAGE: &str = "usage: miner ADDRESS MINER_ID [VECTORS_FOLDER]\n  ADDRESS is host:port of a validator's gRPC";

/// How long a call may take, and how long we wait for a stream's next message.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything together: what bounds the search for a nonce and the waiting too.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often other miners may be faster before we give up.
const MAX_ATTEMPTS: usize = 10;

struct Arguments {
    address: String,
    miner_id: String,
    vectors: Option<PathBuf>,
}

impl Arguments {
    fn parse() -> Option<Self> {
        let mut args = env::args_os().skip(1);
        let address = args.next()?.into_string().ok()?;
        let miner_id = args.next()?.into_string().ok()?;
        let vectors = args.next().map(PathBuf::from);
        let (host, port) = address.rsplit_once(':')?;
        let valid = !host.is_empty() && port.parse::<u16>().is_ok() && !miner_id.is_empty() && args.next().is_none();
        valid.then_some(Self { address, miner_id, vectors })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let result = timeout(TIMEOUT, run(arguments)).await;
    match result.unwrap_or_else(|_| bail!("not done within {TIMEOUT:?}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("miner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    if let Some(folder) = arguments.vectors {
        vectors::run(&folder)?;
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", arguments.address))?.connect_timeout(CALL_TIMEOUT);
    let channel = endpoint.connect().await.with_context(|| format!("connecting to {}", arguments.address))?;
    let mut miner = Miner { id: arguments.miner_id, validator: ValidatorServiceClient::new(channel) };
    let block = miner.mine().await?;
    miner.submit_late(block).await?;
    miner.provoke_fault().await
}

struct Miner {
    id: String,
    validator: ValidatorServiceClient<Channel>,
}

impl Miner {
    /// Gets one block accepted and returns it.
    async fn mine(&mut self) -> Result<Block> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(block) = self.mine_once().await? {
                return Ok(block);
            }
        }
        bail!("another miner's block came first, {MAX_ATTEMPTS} times")
    }

    /// `None` where another block has taken the tip. The validator uses nothing up for that.
    async fn mine_once(&mut self) -> Result<Option<Block>> {
        let request = GetRoundInfoRequest { miner_id: self.id.clone() };
        let response =
            within_deadline(self.validator.get_round_info(request)).await.map_err(failure("GetRoundInfo"))?;
        let answered = Instant::now();
        let round = response.into_inner().round_info.context("GetRoundInfo: an answer without a round")?;
        println!("round {}: block #{}, tonce {}", round.round, round.next_index, round.tonce());
        let block = self.make_block(&round).await?;

        // The timestamp is a little ahead of the validator's clock, which may run faster or slower than ours.
        let ahead = block.timestamp.saturating_sub(round.server_time) as f64 / 1000.0;
        let speed = if round.clock_speed == 0.0 { 1.0 } else { round.clock_speed };
        let ahead = Duration::try_from_secs_f64(ahead / speed).context("waiting for the block's time")?;
        sleep_until(answered + ahead).await;

        // Opened before the block is submitted, so that no round is missed.
        let request = WatchRoundsRequest { miner_id: self.id.clone() };
        let response = within_deadline(self.validator.watch_rounds(request)).await.map_err(failure("WatchRounds"))?;
        let mut rounds = response.into_inner();
        let in_force = next_round(&mut rounds).await?;

        let verdict = self.submit(self.id.clone(), block.clone()).await?;
        match (verdict.result(), verdict.code()) {
            (SubmitResult::Accepted, _) => {}
            (
                SubmitResult::RejectedBlockchainValidation,
                ChainCode::MismatchedIndex | ChainCode::MismatchedPreviousHash | ChainCode::AchronologicalTimestamp,
            ) => return Ok(None),
            _ => bail!("the block is {}", describe(&verdict)),
        }
        println!("accepted: block #{} {} nonce {}", block.index, hex::encode(&block.hash), block.nonce);

        let next = loop {
            let round = next_round(&mut rounds).await?;
            if round.round > in_force.round {
                break round;
            }
        };
        println!("round {}: block #{}", next.round, next.next_index);

        // This cancels the stream: the validator sees it, and we cannot hear of it any more.
        drop(rounds);
        Ok(Some(block))
    }

    /// Makes the block that the round asks for, which pays this miner.
    async fn make_block(&self, round: &RoundInfo) -> Result<Block> {
        let difficulty = rules::parse_difficulty(&round.difficulty)
            .with_context(|| format!("the validator's difficulty {:?}", round.difficulty))?;
        let tonce = round.tonce.context("the validator names no tonce")?;
        let prev_block_hash: Hash = round.prev_block_hash.as_slice().try_into().context("the previous block's hash")?;
        let start = round.tip_timestamp.map_or(0, |tip| u128::from(tip) + 1).max(round.server_time.into());
        let timestamp =
            rules::first_timestamp(start, tonce).with_context(|| format!("no timestamp meets the tonce {tonce}"))?;
        let coinbase = rules::Transaction {
            inputs: vec![],
            outputs: vec![rules::Output { to_addr: self.id.clone(), value: 2.0, timestamp }],
        };
        let unsolved = rules::Block {
            index: round.next_index,
            timestamp,
            prev_block_hash,
            nonce: 0,
            transactions: vec![coinbase],
        };
        let (nonce, hash) = find_nonce(unsolved.bytes(), difficulty).await;
        let timestamp = timestamp.try_into().context("the block's timestamp")?;
        Ok(Block {
            index: round.next_index,
            timestamp,
            hash: hash.to_vec(),
            prev_block_hash: prev_block_hash.to_vec(),
            nonce,
            transactions: vec![Transaction {
                inputs: vec![],
                outputs: vec![Output { to_addr: self.id.clone(), value: 2.0, timestamp }],
            }],
        })
    }

    async fn submit(&mut self, miner_id: String, block: Block) -> Result<SubmitBlockResponse> {
        let request = SubmitBlockRequest { miner_id, block: Some(block) };
        let response = within_deadline(self.validator.submit_block(request)).await.map_err(failure("SubmitBlock"))?;
        Ok(response.into_inner())
    }

    /// Submits a block that is no longer on the tip, which uses nothing up.
    async fn submit_late(&mut self, block: Block) -> Result<()> {
        let verdict = self.submit(format!("{}-late", self.id), block).await?;
        let expected = (SubmitResult::RejectedBlockchainValidation, ChainCode::MismatchedIndex);
        ensure!((verdict.result(), verdict.code()) == expected, "the late block is {}", describe(&verdict));
        println!("rejected: {}", describe(&verdict));
        Ok(())
    }

    /// Asks for nobody's lockout and reads the details of the error.
    async fn provoke_fault(&mut self) -> Result<()> {
        let request = CheckLockoutRequest { miner_id: String::new() };
        let Err(status) = within_deadline(self.validator.check_lockout(request)).await else {
            bail!("CheckLockout took an empty miner_id");
        };
        let details = status.get_error_details();
        match (status.code(), details.error_info(), details.bad_request()) {
            (Code::InvalidArgument, Some(info), Some(bad_request)) if info.domain == "hourcoin" => {
                print!("fault: INVALID_ARGUMENT {} ({})", info.reason, info.domain);
                for violation in &bad_request.field_violations {
                    print!(" {}: {}", violation.field, violation.description);
                }
                println!();
                Ok(())
            }
            _ => Err(failure("CheckLockout")(status)),
        }
    }
}

/// Searches the upper half of the nonces, where a mistaken sign or a double would show.
async fn find_nonce(mut bytes: Vec<u8>, difficulty: u128) -> (u64, Hash) {
    let mut nonce = 1 << 63;
    loop {
        bytes[rules::NONCE_RANGE].copy_from_slice(&u64::to_le_bytes(nonce));
        let hash = rules::sha256(&bytes);
        if rules::meets_difficulty(&hash, difficulty) {
            return (nonce, hash);
        }
        nonce += 1;
        if nonce % 1024 == 0 {
            // For the timeout, which could not interrupt us otherwise.
            yield_now().await;
        }
    }
}

async fn next_round(rounds: &mut Streaming<WatchRoundsResponse>) -> Result<RoundInfo> {
    let message = within_deadline(rounds.message()).await.map_err(failure("WatchRounds"))?;
    let response = message.context("WatchRounds: the validator has ended the stream, as it does when it stops")?;
    response.round_info.context("WatchRounds: a message without a round")
}

async fn within_deadline<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded(format!("no answer within {CALL_TIMEOUT:?}")));
    timeout(CALL_TIMEOUT, answer).await.unwrap_or_else(late)
}

/// Says which call has failed, how, and what lies at the bottom of it.
fn failure(call: &'static str) -> impl FnOnce(Status) -> anyhow::Error {
    move |status| {
        let error = anyhow!("{call}: {:?}: {}", status.code(), status.message());
        match iter::successors(status.source(), |&cause| cause.source()).last() {
            Some(cause) => anyhow!("{error}: {cause}"),
            None => error,
        }
    }
}

/// Names a verdict by its fields. The getters would read a value that is newer than the generated code as unspecified.
fn describe(verdict: &SubmitBlockResponse) -> String {
    let mut name = enum_name(verdict.result, SubmitResult::as_str_name, "SUBMIT_RESULT_");
    if verdict.code != ChainCode::Unspecified as i32 {
        name += " ";
        name += &enum_name(verdict.code, ChainCode::as_str_name, "CHAIN_CODE_");
    }
    format!("{name}: {}", verdict.message)
}

/// The value's name without the enum's prefix, or its number where it has no name here.
fn enum_name<E: TryFrom<i32>>(value: i32, name: fn(&E) -> &'static str, prefix: &str) -> String {
    E::try_from(value).map_or_else(|_| value.to_string(), |known| name(&known).replace(prefix, ""))
}
