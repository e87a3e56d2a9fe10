//! Clients that all do the same at once, each on a connection of its own.

use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::http::{Address, Answer, Connection};
use super::sample::Turn;
use super::table::{JSON, Table, snapshot_id, told};

/// What a client asks for, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A table.
    Load,
    /// A table that it has: the answer is 304.
    LoadUnchanged,
    /// A commit that sets a property.
    SetProperty,
    /// A commit that appends a snapshot to the one before.
    Append,
    /// A commit that appends a snapshot, staged on the empty table that it knows.
    AppendStale,
}

/// Runs one client for each table, `count` requests each, and waits for all of them.
pub(super) fn run(address: &Address, request: Request, tables: &mut [Table], count: usize) -> Result<Turn> {
    let begin = Barrier::new(tables.len() + 1);
    let whole = Mutex::new(Turn::default());
    let started = std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for (number, table) in tables.iter_mut().enumerate() {
            let (begin, whole) = (&begin, &whole);
            clients.push(scope.spawn(move || {
                let opened = Connection::open(address);
                begin.wait();
                let turn = opened.and_then(|connection| one_client(connection, request, number, table, count))?;
                let mut whole = whole.lock().map_err(|_| anyhow!("another client panicked"))?;
                whole.latencies.extend(turn.latencies);
                whole.failures += turn.failures;
                whole.failure = whole.failure.take().or(turn.failure);
                anyhow::Ok(())
            }));
        }
        begin.wait();
        let started = Instant::now();
        for client in clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        anyhow::Ok(started.elapsed())
    })?;
    let mut turn = whole.into_inner().map_err(|_| anyhow!("a client panicked"))?;
    turn.whole = started;
    Ok(turn)
}

fn one_client(
    mut connection: Connection,
    request: Request,
    number: usize,
    table: &mut Table,
    count: usize,
) -> Result<Turn> {
    let mut turn = Turn::default();
    for step in 0..count {
        let (took, answer) = ask(&mut connection, request, number, table, step)?;
        let expected = if request == Request::LoadUnchanged { 304 } else { 200 };
        if answer.status == expected {
            turn.latencies.push(took);
        } else {
            turn.failures += 1;
            turn.failure.get_or_insert_with(|| told(&answer));
        }
    }
    Ok(turn)
}

fn ask(
    connection: &mut Connection,
    request: Request,
    number: usize,
    table: &mut Table,
    step: usize,
) -> Result<(Duration, Answer)> {
    let id = snapshot_id(number, step);
    let body = match request {
        Request::Load | Request::LoadUnchanged => Vec::new(),
        Request::SetProperty => table.set_property(&format!("{number}-{step}")),
        Request::Append | Request::AppendStale => table.append(id),
    };
    let start = Instant::now();
    let answer = match request {
        Request::Load => connection.send("GET", &table.path, &[], &body),
        Request::LoadUnchanged => connection.send("GET", &table.path, &[("if-none-match", &table.etag)], &body),
        _ => connection.send("POST", &table.path, &[JSON], &body),
    }?;
    let took = start.elapsed();
    if request == Request::Append && answer.status == 200 {
        table.appended(id);
    }
    if let (Request::Load, Some(etag)) = (request, &answer.etag) {
        table.etag.clone_from(etag);
    }
    Ok((took, answer))
}
