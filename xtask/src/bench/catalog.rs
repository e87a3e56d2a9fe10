//! `cargo xtask bench catalog`: loading tables and committing to them, beside Apache's REST fixture.
//!
//! Both servers run at the same time on this machine and take turns under the same load, so that what disturbs one
//! disturbs the other; a figure is that of the middle turn. Turns of commits have new tables, so that histories have the
//! same length: the fixture keeps each snapshot for ever, and long histories would be its handicap. Its database is a file on
//! the same disk as the lake's storage, so that a commit of either waits for the disk.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::http::{Address, Connection};
use super::load::{Request, run};
use super::peer::Peer;
use super::sample::{Sample, Turn};
use super::table::{Table, accepted, create_namespace, snapshot_id};
use crate::options::Options;
use crate::process::progress;
use crate::serve::{Server, fresh_state};

/// How much is measured.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// Turns of each server at each case.
    turns: usize,
    /// Requests of a turn, a hundredth of what a case says.
    percent: usize,
    /// Commits of the table with the long history.
    commits: usize,
    /// A part of the names of the cases to run.
    only: String,
    /// The peer's database is in memory, so that its commits do not wait for the disk.
    peer_forgets: bool,
}

impl Effort {
    /// A short look, or the whole.
    pub(super) fn from(options: &mut Options) -> Result<Effort> {
        let (turns, percent, commits) = match options.flag("--quick") {
            true => (1, 20, 300),
            false => (3, 100, 10_000),
        };
        let commits = options.number("--commits")?.unwrap_or(commits);
        let only = options.value("--only")?.unwrap_or_default();
        Ok(Effort { turns, percent, commits, only, peer_forgets: options.flag("--peer-in-memory") })
    }

    /// Requests of each client in a turn.
    fn count(&self, case: &Case) -> usize {
        (case.count * self.percent).div_ceil(100)
    }
}

/// One line of the report.
struct Case {
    name: &'static str,
    request: Request,
    clients: usize,
    /// Requests of each client in a turn.
    count: usize,
    /// Snapshots of the one table that all clients load.
    history: usize,
    /// All clients commit to one table.
    is_shared: bool,
    /// The peer refuses it, so only its refusals are counted.
    is_ours_alone: bool,
}

const CASES: [Case; 18] = [
    Case { history: 20, ..case("load", Request::Load, 1, 1_000) },
    Case { history: 20, ..case("load", Request::Load, 8, 250) },
    Case { history: 20, ..case("load", Request::Load, 32, 75) },
    Case { history: 20, ..case("load_304", Request::LoadUnchanged, 1, 1_000) },
    Case { history: 20, ..case("load_304", Request::LoadUnchanged, 8, 250) },
    Case { history: 20, ..case("load_304", Request::LoadUnchanged, 32, 75) },
    Case { history: 100, ..case("load_100_snapshots", Request::Load, 1, 500) },
    Case { history: 100, ..case("load_100_snapshots", Request::Load, 8, 125) },
    Case { history: 100, ..case("load_100_snapshots", Request::Load, 32, 40) },
    case("set_properties", Request::SetProperty, 1, 100),
    case("set_properties", Request::SetProperty, 8, 40),
    case("set_properties", Request::SetProperty, 32, 15),
    case("append", Request::Append, 1, 100),
    case("append", Request::Append, 8, 40),
    case("append", Request::Append, 32, 15),
    Case { is_shared: true, ..case("set_properties_one_table", Request::SetProperty, 8, 20) },
    Case { is_shared: true, ..case("set_properties_one_table", Request::SetProperty, 32, 8) },
    Case { is_shared: true, is_ours_alone: true, ..case("append_one_table", Request::AppendStale, 32, 8) },
];

const fn case(name: &'static str, request: Request, clients: usize, count: usize) -> Case {
    Case { name, request, clients, count, history: 0, is_shared: false, is_ours_alone: false }
}

/// Requests that warm a server up, of each kind.
const WARM_UP: usize = 300;
/// Loads of the table with the long history.
const LONG_LOADS: usize = 200;
/// Loads of it by a catalog that has just been woken.
const WAKES: usize = 7;

/// One of the two servers.
struct Side {
    name: &'static str,
    url: String,
    address: Address,
    // For names that no table had.
    tables: usize,
    // Tables that are only loaded, by the number of their snapshots.
    loaded: BTreeMap<usize, Table>,
}

impl Side {
    fn new(name: &'static str, url: &str, base: &str, lines: &[(&str, &str)]) -> Result<Side> {
        let side = Side {
            name,
            url: url.to_owned(),
            address: Address::new(&format!("{url}{base}"), lines)?,
            tables: 0,
            loaded: BTreeMap::new(),
        };
        create_namespace(&mut Connection::open(&side.address)?)?;
        Ok(side)
    }

    /// A table for each client, as the case begins with them.
    fn tables(&mut self, case: &Case, effort: &Effort) -> Result<Vec<Table>> {
        let mut connection = Connection::open(&self.address)?;
        if matches!(case.request, Request::Load | Request::LoadUnchanged) {
            return Ok(vec![self.table_to_load(&mut connection, case.history)?; case.clients]);
        }
        let mut tables = Vec::new();
        for _ in 0..if case.is_shared { 1 } else { case.clients } {
            tables.push(self.new_table(&mut connection)?);
        }
        if case.request == Request::AppendStale {
            self.stage_appends(&mut connection, &mut tables, case, effort)?;
        }
        if case.is_shared {
            tables = vec![tables.swap_remove(0); case.clients];
        }
        Ok(tables)
    }

    fn new_table(&mut self, connection: &mut Connection) -> Result<Table> {
        self.tables += 1;
        Table::create(connection, &format!("t{}", self.tables))
    }

    /// A table with so many snapshots, made when it is asked for first.
    fn table_to_load(&mut self, connection: &mut Connection, history: usize) -> Result<Table> {
        if let Some(table) = self.loaded.get(&history) {
            return Ok(table.clone());
        }
        let mut table = self.new_table(connection)?;
        for number in 0..history {
            append(connection, &mut table, snapshot_id(0, number))?;
        }
        let loaded = connection.send("GET", &table.path, &[], &[])?;
        table.etag = loaded.etag.clone().unwrap_or_default();
        accepted(&loaded)?;
        self.loaded.insert(history, table.clone());
        Ok(table)
    }

    /// Writes what the clients will append, and commits one snapshot that none of them knows.
    fn stage_appends(
        &self,
        connection: &mut Connection,
        tables: &mut [Table],
        case: &Case,
        effort: &Effort,
    ) -> Result<()> {
        let Some(table) = tables.first() else { return Ok(()) };
        let mut storage = Connection::open(&Address::new(&self.url, &[])?)?;
        let mut put = |id| table.put_manifest_list(connection, &mut storage, &self.url, id);
        let first = snapshot_id(99, 0);
        put(first)?;
        for client in 0..case.clients {
            for number in 0..effort.count(case) {
                put(snapshot_id(client, number))?;
            }
        }
        append(connection, &mut table.clone(), first)
    }

    fn turn(&mut self, case: &Case, effort: &Effort) -> Result<Turn> {
        let mut tables = self.tables(case, effort)?;
        run(&self.address, case.request, &mut tables, effort.count(case))
            .with_context(|| format!("{}, {}", self.name, case.name))
    }

    fn warm_up(&mut self) -> Result<()> {
        for request in [Request::Load, Request::LoadUnchanged, Request::SetProperty, Request::Append] {
            let case = case("warm-up", request, 2, WARM_UP);
            self.turn(&case, &Effort { turns: 1, percent: 100, commits: 0, only: String::new(), peer_forgets: false })?;
        }
        Ok(())
    }
}

fn append(connection: &mut Connection, table: &mut Table, id: i64) -> Result<()> {
    accepted(&connection.send("POST", &table.path, &[super::table::JSON], &table.append(id))?)?;
    table.appended(id);
    Ok(())
}

/// Runs everything. What was measured before something failed is among the figures.
pub(super) fn measure(effort: &Effort, figures: &mut Vec<Value>) -> Result<()> {
    let state = std::path::absolute(fresh_state("bench-catalog")?)?;
    progress("starting a lake and Apache's fixture");
    let server = Server::start(&state)?;
    let peer = Peer::start(&state, effort.peer_forgets)?;
    let bearer = format!("Bearer {}", server.token);
    let mut ours = Side::new("lake", &server.url, "/iceberg", &[("authorization", &bearer)])?;
    let mut theirs = Side::new("fixture", &peer.url, "", &[])?;
    for side in [&mut ours, &mut theirs] {
        side.warm_up()?;
    }
    for case in CASES.iter().filter(|case| case.name.contains(&effort.only)) {
        let (mut own, mut other) = (Sample::default(), Sample::default());
        for turn in 0..effort.turns {
            let mut take_ours = |own: &mut Sample| {
                own.add(ours.turn(case, effort)?);
                anyhow::Ok(())
            };
            // Who is first changes, so that neither always has what the other left behind.
            if turn % 2 == 0 {
                take_ours(&mut own)?;
            }
            if !case.is_ours_alone {
                other.add(theirs.turn(case, effort)?);
            }
            if turn % 2 == 1 {
                take_ours(&mut own)?;
            }
        }
        let shown = |sample: &Sample| format!("{}/s, p50 {} ms", rounded(sample.rate()), rounded(sample.quantile(0.5)));
        let beside = if case.is_ours_alone { String::new() } else { format!(" beside {}", shown(&other)) };
        progress(&format!("{} {}: {}{beside}", case.name, case.clients, shown(&own)));
        figures.extend(report(case, &own, &other));
    }
    drop(peer);
    if "commits".contains(&effort.only) {
        figures.extend(long_history(&ours, &server, effort)?);
    }
    Ok(())
}

/// The figures of one case.
fn report(case: &Case, own: &Sample, other: &Sample) -> Vec<Value> {
    let name = format!("{}_{}", case.name, case.clients);
    let line = |what: &str, unit: &str, value: f64, peer: f64| {
        let (shown, ratio) = match peer.is_finite() {
            true => (json!(format!("fixture: {}", rounded(peer))), json!(rounded(value / peer))),
            false => (Value::Null, Value::Null),
        };
        json!({"name": format!("{name}_{what}"), "value": rounded(value), "unit": unit, "peer": shown, "ratio": ratio})
    };
    let mut lines = vec![
        line("per_s", "requests/s", own.rate(), other.rate()),
        line("p50", "ms", own.quantile(0.5), other.quantile(0.5)),
        line("p99", "ms", own.quantile(0.99), other.quantile(0.99)),
    ];
    for (side, sample) in [("", own), ("fixture_", other)] {
        if let Some(failure) = sample.failure() {
            progress(&format!("{side}{name}: {failure}"));
        }
        if sample.failures() > 0 || (case.is_shared && side.is_empty()) {
            let count = sample.failures();
            lines.push(json!({"name": format!("{side}{name}_failures"), "value": count, "unit": "requests", "peer": null, "ratio": null}));
        }
    }
    lines
}

/// Three digits are more than such a figure is good for.
fn rounded(value: f64) -> f64 {
    let digits = 2 - value.abs().max(1e-9).log10().floor() as i32;
    let factor = 10_f64.powi(digits.max(0));
    (value * factor).round() / factor
}

/// A table after many commits: how large its metadata is, and how long it takes to load.
fn long_history(side: &Side, server: &Server, effort: &Effort) -> Result<Vec<Value>> {
    progress(&format!("{} commits on one table", effort.commits));
    let mut tables = [Table::create(&mut Connection::open(&side.address)?, "long")?];
    let turn = run(&side.address, Request::Append, &mut tables, effort.commits)?;
    ensure!(turn.failures == 0, "{} commits failed: {}", turn.failures, turn.failure.unwrap_or_default());
    let [table] = tables;
    // A connection that was not used meanwhile would have been closed.
    let loaded = accepted(&Connection::open(&side.address)?.send("GET", &table.path, &[], &[])?)?;
    // Within two bytes of the file: of its numbers, the answer says one a little less.
    let bytes = loaded["metadata"].to_string().len();
    let warm = run(&side.address, Request::Load, &mut [table.clone()], LONG_LOADS)?;
    let mut woken = Turn::default();
    for _ in 0..WAKES {
        evict(server)?;
        let turn = run(&side.address, Request::Load, &mut [table.clone()], 1)?;
        woken.latencies.extend(turn.latencies);
    }
    let commits = effort.commits;
    let line = |what: &str, unit: &str, value: f64| json!({"name": format!("after_{commits}_commits_{what}"), "value": rounded(value), "unit": unit, "peer": null, "ratio": null});
    Ok(vec![
        line("append_per_s", "requests/s", turn.rate()),
        line("metadata", "bytes", bytes as f64),
        line("load_p50", "ms", warm.quantile(0.5)),
        line("load_p99", "ms", warm.quantile(0.99)),
        line("load_woken_p50", "ms", woken.quantile(0.5)),
    ])
}

/// Puts the catalog's object to sleep, as the platform does with one that nobody asks.
fn evict(server: &Server) -> Result<()> {
    let address = Address::new(&server.admin, &[])?;
    let body = json!({"script": "lake", "class": "Catalog", "name": "lake"});
    accepted(&Connection::open(&address)?.send(
        "POST",
        "/evict",
        &[super::table::JSON],
        body.to_string().as_bytes(),
    )?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(millis: u64, count: usize) -> Sample {
        let mut sample = Sample::default();
        let latencies = vec![Duration::from_millis(millis); count];
        sample.add(Turn { latencies, whole: Duration::from_secs(1), ..Turn::default() });
        sample
    }

    #[test]
    fn a_figure_has_three_digits() {
        for (value, expected) in [(1234.5, 1235.0), (12.345, 12.3), (0.012_345, 0.0123), (9.999, 10.0), (0.0, 0.0)] {
            assert!((rounded(value) - expected).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn a_case_says_what_both_reached_and_how_they_compare() {
        let figures = report(&CASES[0], &sample(1, 400), &sample(2, 100));
        assert_eq!(figures[0]["name"], "load_1_per_s");
        assert_eq!((&figures[0]["value"], &figures[0]["ratio"]), (&json!(400.0), &json!(4.0)));
        assert_eq!(figures[1]["ratio"], json!(0.5));
        assert_eq!(figures.len(), 3);
    }

    #[test]
    fn a_case_without_a_peer_says_nothing_of_one() {
        let figures = report(&CASES[17], &sample(1, 10), &Sample::default());
        assert!(figures.iter().all(|figure| figure["peer"].is_null() && figure["ratio"].is_null()));
        assert_eq!((&figures[3]["name"], &figures[3]["value"]), (&json!("append_one_table_32_failures"), &json!(0)));
    }
}
