//! A shard as the lake sees it: a log of transactions, and the rows that they lead to.

use std::collections::BTreeMap;

use lake_cdc::limits::PART_BYTES_MAX;
use lake_cdc::{
    Change, Column, ColumnId, ColumnType, Entry, Frame, Hello, Lsn, Micros, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN,
    Relation, Row, TableId, TimelineId, Transaction, TransactionPart, Value,
};

/// A table of (id bigint primary key, note text) or with more columns.
#[derive(Clone)]
pub struct Shard {
    pub database: String,
    pub namespace: String,
    pub timeline: TimelineId,
    pub log: Vec<Transaction>,
    /// Rows by table and id: what the lake's current table must hold of this shard.
    pub rows: BTreeMap<String, BTreeMap<i64, Option<String>>>,
    pub changes: BTreeMap<String, u64>,
    open: Vec<Entry>,
    tables: BTreeMap<String, TableId>,
    next_table: u32,
}

pub fn column(id: u32, name: &str, column_type: ColumnType) -> Column {
    Column { id: ColumnId(id), name: name.into(), former_names: vec![], column_type, nullable: id != 1 }
}

impl Shard {
    pub fn new(database: &str, timeline: u8) -> Shard {
        Shard {
            database: database.into(),
            namespace: "default".into(),
            timeline: TimelineId([timeline; 16]),
            log: vec![],
            rows: BTreeMap::new(),
            changes: BTreeMap::new(),
            open: vec![],
            tables: BTreeMap::new(),
            next_table: 1,
        }
    }

    pub fn hello(&self) -> Hello {
        Hello {
            version_min: PROTOCOL_VERSION_MIN,
            version_max: PROTOCOL_VERSION_MAX,
            features: 0,
            database: self.database.clone(),
            timeline: self.timeline,
            namespace: self.namespace.clone(),
            committed: self.log.last().map(|transaction| transaction.lsn),
        }
    }

    /// One frame a part of a transaction.
    pub fn frames_after(&self, accepted: Option<Lsn>) -> Vec<Frame> {
        let mut frames = Vec::new();
        for transaction in self.log.iter().filter(|transaction| Some(transaction.lsn) > accepted) {
            let bytes = transaction.encode();
            let parts = bytes.chunks(PART_BYTES_MAX).collect::<Vec<&[u8]>>();
            for (index, part) in parts.iter().enumerate() {
                let (part, last, bytes) = (index as u32, index + 1 == parts.len(), part.to_vec());
                frames.push(Frame::Changes(vec![TransactionPart { lsn: transaction.lsn, part, last, bytes }]));
            }
        }
        frames
    }

    pub fn frame(&self, lsn: Lsn) -> Frame {
        let transaction = &self.log[lsn.get() as usize - 1];
        Frame::Changes(vec![TransactionPart { lsn, part: 0, last: true, bytes: transaction.encode() }])
    }

    pub fn entry(&mut self, entry: Entry) {
        self.open.push(entry);
    }

    /// Creates or alters a table.
    pub fn relation(&mut self, name: &str, columns: Vec<Column>) {
        let id = *self.tables.entry(name.into()).or_insert_with(|| {
            self.next_table += 1;
            TableId(self.next_table)
        });
        self.rows.entry(name.into()).or_default();
        self.open.push(Entry::Relation(Relation { table_id: id, name: name.into(), columns, key: vec![0] }));
    }

    pub fn create(&mut self, name: &str) {
        self.relation(name, vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Text)]);
    }

    pub fn table_id(&self, name: &str) -> TableId {
        self.tables[name]
    }

    fn row(id: i64, note: &Option<String>) -> Row {
        Row(vec![Value::Int8(id), note.clone().map_or(Value::Null, Value::Text)])
    }

    /// Inserts, updates, or deletes (`note` is `None`) the row with this id.
    pub fn put(&mut self, table: &str, id: i64, note: Option<&str>) {
        let table_id = self.table_id(table);
        let rows = self.rows.get_mut(table).expect("a table");
        let after = note.map(|note| Some(note.to_owned()));
        let change = match (rows.get(&id).cloned(), after.clone()) {
            (None, Some(after)) => Change::Insert { table_id, after: Shard::row(id, &after) },
            (Some(before), Some(after)) => {
                Change::Update { table_id, before: Shard::row(id, &before), after: Shard::row(id, &after) }
            }
            (Some(before), None) => Change::Delete { table_id, before: Shard::row(id, &before) },
            (None, None) => return,
        };
        match after {
            Some(after) => rows.insert(id, after),
            None => rows.remove(&id),
        };
        *self.changes.entry(table.into()).or_default() += 1;
        self.open.push(Entry::Change(change));
    }

    pub fn drop_table(&mut self, table: &str) {
        if let Some(id) = self.tables.remove(table) {
            self.open.push(Entry::DropTable(id));
            self.rows.remove(table);
        }
    }

    pub fn commit(&mut self) -> Lsn {
        let lsn = self.log.last().map_or(Lsn::FIRST, |transaction| transaction.lsn.next());
        let stamp = Micros(1_760_000_000_000_000 + lsn.get() as i64 * 1_000_000);
        self.log.push(Transaction { lsn, stamp, entries: std::mem::take(&mut self.open) });
        lsn
    }

    /// Creates a table and fills it, in one transaction.
    pub fn with_rows(database: &str, timeline: u8, ids: std::ops::Range<i64>) -> Shard {
        let mut shard = Shard::new(database, timeline);
        shard.create("orders");
        for id in ids {
            shard.put("orders", id, Some(&format!("{database} {id}")));
        }
        shard.commit();
        shard
    }
}

/// (shard, id, note) of the model, sorted as the tables' rows are.
pub fn model(shards: &[&Shard], table: &str) -> Vec<(String, i64, Option<String>)> {
    let mut all = Vec::new();
    for shard in shards {
        for (id, note) in shard.rows.get(table).into_iter().flatten() {
            all.push((shard.database.clone(), *id, note.clone()));
        }
    }
    all.sort();
    all
}

/// The same of a table that was read.
pub fn found(rows: &[super::read::TextRow]) -> Vec<(String, i64, Option<String>)> {
    let mut all = rows
        .iter()
        .map(|row| (row["_shard"].clone(), row["id"].parse().expect("an id"), row.get("note").cloned()))
        .collect::<Vec<(String, i64, Option<String>)>>();
    all.sort();
    all
}
