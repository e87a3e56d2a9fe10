//! Sending a commit as often as a client does, and what it makes of the answers.

use iceberg::spec::DataFile;
use lake_host::{ObjectStore, Random};
use serde_json::{Value, json};

use super::{ATTEMPTS_MAX, Engine, Habits, NAMESPACE, key, path, sequence, uuid};
use crate::ledger::Told;

/// What a client makes of the answers to its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Committed,
    Refused,
    /// Nothing was changed; later it may work.
    NotNow,
    /// No answer came, and a look that followed has not shown it. Whoever sees no answer here has waited until the
    /// request was over, or until the instance that worked on it was gone, and nobody works on it any more; so it will
    /// never be there. A table keeps 100 snapshots, and no run makes so many.
    Absent,
    Unknown,
}

/// A table that a commit changes, and how to see that it has.
struct Change {
    table: String,
    uuid: String,
    snapshot_id: i64,
    body: Value,
}

/// Changes of one or several tables that are sent as one commit.
#[derive(Default)]
pub(super) struct Commit {
    changes: Vec<Change>,
}

impl Commit {
    pub(super) fn add(&mut self, table: &str, uuid: &str, snapshot_id: i64, requirements: Value, updates: Value) {
        let identifier = json!({"namespace": [NAMESPACE], "name": table});
        let body = json!({"identifier": identifier, "requirements": requirements, "updates": updates});
        self.changes.push(Change { table: table.to_owned(), uuid: uuid.to_owned(), snapshot_id, body });
    }
}

impl Engine {
    /// Sends a commit as often as the client does.
    pub(super) async fn commit(&self, habits: Habits, commit: &Commit) -> Answer {
        let key = uuid(self.random.id());
        let key = (habits == Habits::HasKey).then_some(key.as_str());
        let (path, body) = match &commit.changes[..] {
            // DuckDB sends those of one table there too.
            [only] if habits != Habits::SendsAgain || self.random.one_in(2) => {
                (path(NAMESPACE, &only.table), only.body.clone())
            }
            all => {
                let bodies: Vec<&Value> = all.iter().map(|change| &change.body).collect();
                ("/v1/transactions/commit".to_owned(), json!({"table-changes": bodies}))
            }
        };
        let mut may_have_committed = false;
        for _ in 0..ATTEMPTS_MAX {
            match self.send("POST", &path, &body, key).await {
                Some((200 | 204, answer)) => {
                    if let Some((table, sequence)) = sequence(&answer["metadata"]) {
                        let mut ledger = self.ledger.borrow_mut();
                        let acknowledged = ledger.acknowledged.entry(table).or_default();
                        *acknowledged = sequence.max(*acknowledged);
                    }
                    return Answer::Committed;
                }
                // DuckDB believes it, whatever came before.
                Some((409, _)) if may_have_committed && habits != Habits::SendsAgain => {
                    return self.look(commit, Answer::Refused).await;
                }
                Some((409, _)) => return Answer::Refused,
                Some((503, _)) => {
                    if !may_have_committed {
                        return Answer::NotNow;
                    }
                }
                Some((status @ 400..500, answer)) => {
                    self.break_off(format!("a commit was answered {status}: {answer}"));
                    return Answer::Unknown;
                }
                Some(_) | None => may_have_committed = true,
            }
            if habits == Habits::Looks {
                break;
            }
        }
        self.look(commit, Answer::Absent).await
    }

    /// Whether the snapshots of a commit are there; if not, what the client believes then.
    async fn look(&self, commit: &Commit, otherwise: Answer) -> Answer {
        let mut found = Vec::new();
        for Change { table, uuid, snapshot_id, .. } in &commit.changes {
            let Some(loaded) = self.load(NAMESPACE, table).await else { return Answer::Unknown };
            found.push(loaded.is_some_and(|metadata| {
                metadata.uuid().to_string() == *uuid && metadata.snapshot_by_id(*snapshot_id).is_some()
            }));
        }
        match (found.contains(&true), found.contains(&false)) {
            (true, true) => {
                self.break_off("one table of a transaction is committed, and the other is not".to_owned());
                Answer::Unknown
            }
            (true, false) => Answer::Committed,
            _ => otherwise,
        }
    }

    /// What the client knows in the end; `None` if it stages its rows again.
    pub(super) async fn conclude(&self, habits: Habits, answer: Answer, files: &[DataFile]) -> Option<Told> {
        match answer {
            Answer::Committed => Some(Told::Done),
            Answer::Unknown => Some(Told::Unknown),
            Answer::Absent | Answer::Refused if answer == Answer::Absent || habits == Habits::SendsAgain => {
                // It takes that for the last word, and tidies up.
                for file in files {
                    let _ = self.store.delete(key(file.file_path())).await;
                }
                Some(Told::Never)
            }
            Answer::Absent | Answer::Refused | Answer::NotNow => None,
        }
    }
}
