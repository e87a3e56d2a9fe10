//! `engines`: files that engines have written and the catalog reads: the metadata of a table or a view that is
//! registered, the manifest lists and manifests of a scan that is planned, the manifest lists of an append that is put
//! on another snapshot.

use lake_catalog::Catalog;
use lake_test_host::{MemoryStorage, SeededRandom};
use serde_json::{Value, json};

use crate::avro::{CODECS, compressed, entry, records, with_entry, with_records};
use crate::engine::{
    EngineTable, METADATA, TABLES, VIEW_KEY, commits, key, registration, view_commits, view_metadata, view_registration,
};
use crate::rest::{get, post, send, shown};
use crate::seed::Seeds;
use crate::world::{NOW, World, claims};

/// The files below a table's location that an input may stand for, each as it is and by its records alone: these are in
/// a container whose names and lengths nobody finds by chance.
const FILES: [&str; 7] = ["snap-3", "m1", "m2", "x", "snap-9", "snap-2", "m9"];

/// Entries of the headers of such files that an input may stand for: schemas and partition specs, which are JSON.
const ENTRIES: [(&str, &str); 4] =
    [("m1", "avro.schema"), ("m1", "schema"), ("m1", "partition-spec"), ("snap-3", "avro.schema")];

/// What the first byte says: the metadata of a table, that of a view, one of [`FILES`], one of [`ENTRIES`].
const KINDS: u8 = 2 + 2 * FILES.len() as u8 + ENTRIES.len() as u8;

thread_local! {
    static ENGINES: Engines = Engines {
        world: World::empty().with_engines(),
        tables: [1, 2, 3].map(EngineTable::new),
        filters: filters(),
    };
}

struct Engines {
    world: World,
    tables: [EngineTable; 3],
    filters: Vec<Value>,
}

/// The first byte says which file has these bytes and which of the tables it is of, the second one what the catalog is
/// asked then.
pub fn run(data: &[u8]) {
    let Some(([which, asked], bytes)) = data.split_first_chunk::<2>() else { return };
    ENGINES.with(|engines| {
        let asking = Asking::new(engines, &engines.tables[usize::from(which / KINDS) % TABLES.len()]);
        match which % KINDS {
            0 => asking.register(bytes, *asked),
            1 => asking.register_view(bytes),
            kind => {
                let kind = usize::from(kind) - 2;
                let file = |name: &str| format!("metadata/{name}.avro");
                let (file, bytes) = match (FILES.get(kind / 2), kind % 2) {
                    (Some(name), 0) => (file(name), bytes.to_vec()),
                    (Some(name), _) => (file(name), with_records(asking.table.file(&file(name)), bytes)),
                    (None, _) => {
                        let (name, entry) = ENTRIES[kind - 2 * FILES.len()];
                        (file(name), with_entry(asking.table.file(&file(name)), entry, bytes))
                    }
                };
                asking.world.store.place(&key(asking.table.name, &file), &bytes);
                asking.use_table(*asked);
            }
        }
    });
}

/// A catalog that is asked about one of the tables.
struct Asking<'a> {
    engines: &'a Engines,
    table: &'a EngineTable,
    path: String,
    world: World,
    catalog: Catalog<MemoryStorage>,
    random: SeededRandom,
}

impl<'a> Asking<'a> {
    fn new(engines: &'a Engines, table: &'a EngineTable) -> Asking<'a> {
        let world = engines.world.fork_catalog();
        let catalog = world.open_catalog().expect("opens");
        let path = format!("/v1/namespaces/default/tables/{}", table.name);
        Asking { engines, table, path, world, catalog, random: SeededRandom::new(2) }
    }

    fn get(&self, path: &str) -> u16 {
        self.answered(send(&self.catalog, &self.world.store, &get(path), &claims("all"), &self.random, NOW))
    }

    fn post(&self, path: &str, body: &Value) -> u16 {
        self.answered(send(&self.catalog, &self.world.store, &post(path, body), &claims("all"), &self.random, NOW))
    }

    fn answered(&self, answer: lake_catalog::rest::RestResponse) -> u16 {
        assert!(answer.status < 500, "{}", shown(&answer));
        answer.status
    }

    /// A table with this metadata, if it can be one, is loaded and used.
    fn register(&self, metadata: &[u8], asked: u8) {
        self.world.store.place(&key(self.table.name, METADATA), metadata);
        if self.post("/v1/namespaces/default/register", &registration(self.table.name)) != 200 {
            return;
        }
        for query in ["?snapshots=all", "?snapshots=refs"] {
            assert_eq!(self.get(&format!("{}{query}", self.path)), 200, "what was registered is loaded");
        }
        self.use_table(asked);
    }

    /// A view with this metadata, if it can be one, is loaded and changed.
    fn register_view(&self, metadata: &[u8]) {
        const VIEW: &str = "/v1/namespaces/default/views/w";
        self.world.store.place(VIEW_KEY, metadata);
        if self.post("/v1/namespaces/default/register-view", &view_registration("w")) != 200 {
            return;
        }
        assert_eq!(self.get(VIEW), 200, "what was registered is loaded");
        for (_, body) in view_commits() {
            self.post(VIEW, &body);
        }
        assert_eq!(self.get(VIEW), 200, "what was changed is loaded");
    }

    /// One of: a scan with a filter, a scan of what was appended, an append that was staged on an older snapshot and a
    /// scan of what it makes, a commit.
    fn use_table(&self, asked: u8) {
        let plan = format!("{}/plan", self.path);
        let number = usize::from(asked / 4);
        match asked % 4 {
            0 => {
                let filter = &self.engines.filters[number % self.engines.filters.len()];
                let counted = json!(["id", "region"]);
                let in_old_names = number % 2 == 0;
                self.post(
                    &plan,
                    &json!({"filter": filter, "stats-fields": counted, "use-snapshot-schema": in_old_names}),
                );
            }
            1 => {
                self.post(&plan, &json!({"start-snapshot-id": 1, "end-snapshot-id": 3}));
            }
            2 => {
                self.post(&self.path, &self.table.append());
                self.post(&plan, &json!({}));
            }
            _ => {
                let commits = commits(self.table.name, self.table.format);
                self.post(&self.path, &commits[number % commits.len()].1);
                assert_eq!(self.get(&self.path), 200, "what was committed to is loaded");
            }
        }
    }
}

/// Every test, and every type of column.
fn filters() -> Vec<Value> {
    let test = |kind: &str, term: &str, value: Value| json!({"type": kind, "term": term, "value": value});
    let lone = |kind: &str, term: &str| json!({"type": kind, "term": term});
    vec![
        json!(true),
        test("eq", "id", json!(20_001)),
        test("lt", "id", json!(20_001)),
        test("gt-eq", "region", json!("f")),
        test("starts-with", "region", json!("u")),
        json!({"type": "in", "term": "region", "values": ["eu", "us"]}),
        test("eq", "at", json!("2024-10-05T12:00:00+00:00")),
        test("lt-eq", "at", json!(20_001 * 86_400_000_000_i64)),
        test("gt", "amount", json!(20_001.5)),
        test("lt", "price", json!("0.01")),
        test("eq", "day", json!("2024-10-05")),
        test("eq", "flag", json!(false)),
        test("gt-eq", "n", json!(20_001)),
        test("lt-eq", "f", json!(0.25)),
        test("lt", "ts", json!("2024-10-05T12:00:00")),
        test("eq", "u", json!("00000000-0000-4000-8000-000000000001")),
        lone("is-null", "b"),
        lone("not-null", "note"),
        lone("is-nan", "f"),
        test("gt", "t", json!("12:00:00")),
        json!({"type": "not", "child": {
            "type": "or", "left": test("lt", "n", json!(0)), "right": lone("is-null", "at")}}),
        json!({"type": "and", "left": test("eq", "id", json!(20_002)), "right": test("not-eq", "day", json!(17))}),
    ]
}

/// True for what is read when an append is put on another snapshot.
fn is_of_append(file: &str) -> bool {
    matches!(file, "snap-3" | "snap-9" | "snap-2" | "m9")
}

/// Each file as it is and by its records, and each thing that is asked.
pub fn seeds() -> Seeds {
    let mut seeds = vec![("view".to_owned(), [&[1, 0], view_metadata().as_slice()].concat())];
    ENGINES.with(|engines| {
        for (of, table) in engines.tables.iter().enumerate() {
            let mut put = |name: &str, kind: usize, asked: u8, bytes: &[u8]| {
                let which = (of * usize::from(KINDS) + kind) as u8;
                seeds.push((format!("{}-{name}", table.name), [&[which, asked], bytes].concat()));
            };
            let metadata = table.file(METADATA);
            put("metadata-scan", 0, 4, metadata);
            put("metadata-between", 0, 1, metadata);
            put("metadata-append", 0, 2, metadata);
            put("metadata-commit", 0, 4 * 5 + 3, metadata);
            for (at, file) in FILES.into_iter().enumerate() {
                let bytes = table.file(&format!("metadata/{file}.avro"));
                // Appends to a table of format 1 are not put on another snapshot.
                let asked = if is_of_append(file) && table.format > 1 { 2 } else { 4 * at as u8 };
                put(file, 2 + 2 * at, asked, bytes);
                put(&format!("{file}-records"), 3 + 2 * at, asked, &records(bytes));
            }
            put("snap-3-scan", 3, 4, &records(table.file("metadata/snap-3.avro")));
            put("snap-2-between", 3 + 2 * 5, 1, &records(table.file("metadata/snap-2.avro")));
            for (at, (file, name)) in (0..).zip(ENTRIES) {
                let bytes = entry(table.file(&format!("metadata/{file}.avro")), name);
                put(&format!("{file}-{name}"), 2 + 2 * FILES.len() + at, 4, bytes);
            }
            if table.format == 2 {
                for (codec, name) in (1..).zip(CODECS.into_iter().skip(1)) {
                    let records = records(table.file("metadata/m1.avro"));
                    put(&format!("m1-{name}"), 3 + 2, 4, &compressed(&records, codec));
                }
            }
        }
    });
    seeds
}
