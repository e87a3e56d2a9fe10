//! A shard that a test talks to, with a clock and randomness of the test's own.

use lake_api::ApiError;
use lake_api::scope::Access;
use lake_cdc::{Entry, Frame, HelloReply, Lsn, Micros, TimelineId, Transaction};
use lake_dosql::{OutboxStep, Shard};
use lake_test_host::MemoryStorage;
use serde_json::{Value, json};

/// A shard and what surrounds it.
pub(crate) struct Bench {
    pub(crate) storage: MemoryStorage,
    pub(crate) shard: Shard<MemoryStorage>,
    pub(crate) now: Micros,
    requests: u8,
}

/// Code of an error, with its message.
pub(crate) type Refused = (String, String);

impl Bench {
    /// An object that holds nothing.
    pub(crate) fn new() -> Bench {
        Bench::on(MemoryStorage::new())
    }

    /// An object with this storage.
    pub(crate) fn on(storage: MemoryStorage) -> Bench {
        let now = Micros(1_736_812_800_000_000);
        let shard = Shard::open(storage.clone(), "shop", now, [0; 32]).expect("opens");
        Bench { storage, shard, now, requests: 0 }
    }

    /// The object dies and wakes again.
    /// The object's alarm, which can be taken.
    pub(crate) fn alarm(&mut self) -> Vec<OutboxStep> {
        let (steps, outcome) = self.shard.on_alarm(self.now);
        outcome.expect("another alarm is set");
        steps
    }

    pub(crate) fn restart(&mut self) {
        self.storage.revive();
        self.shard = Shard::open(self.storage.clone(), "shop", self.now, [0; 32]).expect("opens");
    }

    /// A request with any body.
    pub(crate) fn send(&mut self, body: &str, key: Option<&str>) -> Result<Value, Refused> {
        self.send_with(Access::Write, body, key)
    }

    /// The same with a token that reaches so far.
    pub(crate) fn send_with(&mut self, access: Access, body: &str, key: Option<&str>) -> Result<Value, Refused> {
        self.requests = self.requests.wrapping_add(1);
        self.now.0 += 1_000;
        let timeline = TimelineId([self.requests; 16]);
        match self.shard.sql(body.as_bytes(), key, access, timeline, self.now, [self.requests; 32]) {
            Ok(answer) => Ok(serde_json::from_str(&answer).expect("an answer is JSON")),
            Err(error) => {
                let error = ApiError::from(error);
                Err((error.code.name().to_owned(), error.message))
            }
        }
    }

    /// One statement.
    pub(crate) fn sql(&mut self, sql: &str) -> Result<Value, Refused> {
        self.send(&json!({"sql": sql}).to_string(), None)
    }

    /// One statement that works.
    pub(crate) fn run(&mut self, sql: &str) -> Value {
        self.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// A list of statements.
    pub(crate) fn list(&mut self, statements: &[&str]) -> Result<Value, Refused> {
        let statements = statements.iter().map(|sql| json!({"sql": sql})).collect::<Vec<_>>();
        self.send(&json!({"statements": statements}).to_string(), None)
    }

    /// The code that a statement is refused with.
    pub(crate) fn code(&mut self, sql: &str) -> String {
        match self.sql(sql) {
            Ok(answer) => panic!("{sql} works: {answer}"),
            Err((code, _)) => code,
        }
    }

    /// The rows of a query, as JSON text.
    pub(crate) fn rows(&mut self, sql: &str) -> String {
        self.run(sql)["rows"].to_string()
    }

    /// The position `name` of the status.
    pub(crate) fn position(&self, name: &str) -> Option<u64> {
        self.shard.status().and_then(|status| status[name].as_str().and_then(|text| text.parse().ok()))
    }

    /// Greets the lake, which holds everything up to `accepted`, and gives what the shard then sends.
    pub(crate) fn connect(&mut self, accepted: Option<Lsn>) -> Vec<Frame> {
        assert_eq!(self.shard.after_request(self.now).first(), Some(&OutboxStep::Connect));
        let mut frames = sent(self.shard.on_open(self.now));
        let reply = Frame::HelloReply(HelloReply { version: 1, features: 0, accepted, durable: None });
        frames.extend(sent(self.shard.on_message(&reply.encode(), self.now)));
        frames
    }

    /// Everything in the log, as the lake would get it from the beginning.
    pub(crate) fn log(&self) -> Vec<Transaction> {
        let mut reader = Bench::on(self.storage.fork());
        if !reader.shard.wants_connection() {
            return Vec::new();
        }
        transactions(&reader.connect(None))
    }

    /// Entries of the last transaction.
    pub(crate) fn last_entries(&self) -> Vec<Entry> {
        self.log().pop().expect("a transaction").entries
    }
}

/// The messages of some steps.
pub(crate) fn sent(steps: Vec<OutboxStep>) -> Vec<Frame> {
    let messages = steps.into_iter().filter_map(|step| match step {
        OutboxStep::Send(bytes) => Some(Frame::decode(&bytes).expect("a frame")),
        OutboxStep::Connect | OutboxStep::Close | OutboxStep::WakeIn { .. } => None,
    });
    messages.collect()
}

/// Puts the parts of transactions together.
pub(crate) fn transactions(frames: &[Frame]) -> Vec<Transaction> {
    let mut record = Vec::new();
    let mut transactions = Vec::new();
    for frame in frames {
        let Frame::Changes(parts) = frame else { continue };
        for part in parts {
            record.extend_from_slice(&part.bytes);
            if part.last {
                let transaction = Transaction::decode(&std::mem::take(&mut record)).expect("a change record");
                assert_eq!(transaction.lsn, part.lsn);
                transactions.push(transaction);
            }
        }
    }
    transactions
}
