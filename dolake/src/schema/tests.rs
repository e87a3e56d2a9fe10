use super::*;
use lake_cdc::{ColumnId, TableId};

fn column(id: u32, name: &str, former: &[&str], column_type: ColumnType) -> Column {
    Column {
        id: ColumnId(id),
        name: name.into(),
        former_names: former.iter().map(|name| (*name).to_owned()).collect(),
        column_type,
        nullable: id != 1,
    }
}

fn relation(columns: Vec<Column>) -> Relation {
    let mut all = vec![column(1, "id", &[], ColumnType::Int8)];
    all.extend(columns);
    Relation { table_id: TableId(1), name: "orders".into(), columns: all, key: vec![0] }
}

struct Shop {
    table: LakeTable,
    sources: Vec<(SourceTable, Option<Shape>)>,
}

impl Shop {
    fn new() -> Shop {
        Shop {
            table: LakeTable::new(1, "default", "orders"),
            sources: (0..3).map(|_| (SourceTable::new("orders"), None)).collect(),
        }
    }

    fn join(&mut self, shard: usize, columns: Vec<Column>) -> Result<(), String> {
        let (source, shape) = &mut self.sources[shard];
        if let Some(shape) = shape.as_ref() {
            release(&mut self.table, shape, 0);
        }
        let mut table = self.table.clone();
        let joined = join(&mut table, source, &relation(columns), shape.as_ref())?;
        self.table = table;
        *shape = Some(joined);
        Ok(())
    }

    /// Names of the current rows' fields and of history's, without the key and the lake's own.
    fn names(&self) -> (Vec<String>, Vec<String>) {
        let names = |schema: iceberg::spec::Schema| {
            schema
                .as_struct()
                .fields()
                .iter()
                .map(|f| f.name.clone())
                .filter(|n| n != "id" && !n.starts_with('_'))
                .collect()
        };
        (names(self.table.current_schema().unwrap()), names(self.table.history_schema().unwrap()))
    }

    fn check(&self, current: &[&str], history: &[&str]) {
        let (found, found_history) = self.names();
        assert_eq!(found, current);
        assert_eq!(found_history, history);
    }
}

#[test]
fn the_table_is_the_union_of_its_shards_columns() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    shop.join(1, vec![column(2, "b", &[], ColumnType::Int4)]).unwrap();
    shop.check(&["a", "b"], &["a", "b"]);
}

#[test]
fn a_column_keeps_its_field_when_it_is_renamed_on_one_shard_only() {
    let mut shop = Shop::new();
    let old = || vec![column(2, "a", &[], ColumnType::Text)];
    shop.join(0, old()).unwrap();
    shop.join(1, old()).unwrap();
    shop.join(0, vec![column(2, "b", &["a"], ColumnType::Text)]).unwrap();
    shop.check(&["b"], &["b"]);
    // The shard that lags sends its old schema again, and a third one comes with it for the first time.
    shop.join(1, old()).unwrap();
    shop.join(2, old()).unwrap();
    shop.check(&["b"], &["b"]);
    shop.join(1, vec![column(2, "b", &["a"], ColumnType::Text)]).unwrap();
    shop.check(&["b"], &["b"]);
}

#[test]
fn a_field_goes_when_the_last_shard_dropped_it_and_history_keeps_it() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    shop.join(1, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    shop.join(0, vec![]).unwrap();
    shop.check(&["a"], &["a"]);
    shop.join(1, vec![]).unwrap();
    shop.check(&[], &["a"]);
}

#[test]
fn a_name_used_again_is_another_field() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    let id = shop.table.fields[1].id;
    shop.join(0, vec![]).unwrap();
    shop.join(0, vec![column(3, "a", &[], ColumnType::Int4)]).unwrap();
    shop.check(&["a"], &[&format!("a__{id}"), "a"]);
}

#[test]
fn one_name_with_two_types_is_a_contradiction_and_changes_nothing() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    let before = shop.table.clone();
    assert!(shop.join(1, vec![column(2, "a", &[], ColumnType::Int4)]).unwrap_err().contains("column a is int4"));
    assert_eq!(shop.table, before);
}

#[test]
fn the_wider_type_wins() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Int4)]).unwrap();
    shop.join(1, vec![column(2, "a", &[], ColumnType::Int8)]).unwrap();
    shop.join(2, vec![column(2, "a", &[], ColumnType::Int2)]).unwrap();
    assert_eq!(shop.table.fields[1].column_type, ColumnType::Int8);
}

#[test]
fn two_columns_can_swap_their_names() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text), column(3, "b", &[], ColumnType::Text)]).unwrap();
    let (a, b) = (shop.table.fields[1].id, shop.table.fields[2].id);
    shop.join(0, vec![column(2, "b", &["a", "x"], ColumnType::Text), column(3, "a", &["b"], ColumnType::Text)])
        .unwrap();
    assert_eq!(shop.table.field(a).map(|f| f.name.as_str()), Some("b"));
    assert_eq!(shop.table.field(b).map(|f| f.name.as_str()), Some("a"));
}

#[test]
fn a_table_that_only_one_shard_has_can_come_back_with_another_key() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    let (source, shape) = &mut shop.sources[0];
    release(&mut shop.table, shape.as_ref().unwrap(), 0);
    drop_unused(&mut shop.table);
    *source = SourceTable::new("orders");
    *shape = None;
    let again = Relation {
        table_id: TableId(2),
        name: "orders".into(),
        columns: vec![column(1, "code", &[], ColumnType::Text), column(2, "a", &[], ColumnType::Bool)],
        key: vec![0],
    };
    join(&mut shop.table, &mut shop.sources[0].0, &again, None).unwrap();
    let schema = shop.table.current_schema().unwrap();
    assert!(schema.field_by_name("id").is_none());
    assert!(!schema.field_by_name("code").unwrap().required);
    assert!(!shop.table.history_schema().unwrap().field_by_name("id").unwrap().required);
}

#[test]
fn another_key_next_to_other_shards_is_a_contradiction() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    let other = Relation { key: vec![0, 1], ..relation(vec![column(2, "a", &[], ColumnType::Text)]) };
    assert!(join(&mut shop.table, &mut SourceTable::new("orders"), &other, None).unwrap_err().contains("primary key"));
}

#[test]
fn names_of_the_lake_are_refused() {
    let mut shop = Shop::new();
    assert!(shop.join(0, vec![column(2, "_shard", &[], ColumnType::Text)]).is_err());
    assert!(shop.join(0, vec![column(2, "_key", &[], ColumnType::Text)]).is_err());
}

#[test]
fn what_was_dropped_keeps_out_of_the_way_of_what_looks_like_it() {
    let mut shop = Shop::new();
    let text = |id, name| column(id, name, &[], ColumnType::Text);
    shop.join(0, vec![text(2, "x"), text(3, "x__11"), text(4, "X__11_")]).unwrap();
    shop.join(0, vec![text(3, "x__11"), text(4, "X__11_")]).unwrap();
    shop.join(0, vec![text(3, "x__11"), text(4, "X__11_"), column(5, "x", &[], ColumnType::Int4)]).unwrap();
    shop.check(&["x__11", "X__11_", "x"], &["x__11__", "x__11", "X__11_", "x"]);
}

#[test]
fn an_element_of_a_list_has_a_name_too() {
    let list = |id, name| column(id, name, &[], ColumnType::Array(Box::new(ColumnType::Int4)));
    let element = |id| column(id, "tags.Element", &[], ColumnType::Text);
    let mut shop = Shop::new();
    assert!(shop.join(0, vec![list(2, "tags"), element(3)]).is_err());
    assert!(shop.join(0, vec![element(3), list(2, "tags")]).is_err());
    shop.join(0, vec![list(2, "tags")]).unwrap();
    shop.join(0, vec![element(3)]).unwrap();
    shop.check(&["tags.Element"], &["tags__11", "tags.Element"]);
    shop.join(0, vec![list(4, "tags")]).unwrap();
    shop.check(&["tags"], &["tags__11", "tags.Element__13", "tags"]);
}

#[test]
fn what_history_is_partitioned_by_has_a_name() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "_commit_timestamp_day", &[], ColumnType::Text)]).unwrap();
    assert!(shop.table.current_schema().unwrap().field_by_name("_commit_timestamp_day").is_some());
    assert!(shop.table.history_schema().unwrap().field_by_name("_commit_timestamp_day__11").is_some());
}

#[test]
fn names_that_differ_only_by_case_are_a_contradiction() {
    for (one, other) in [("a", "A"), ("ä", "Ä")] {
        let mut shop = Shop::new();
        shop.join(0, vec![column(2, one, &[], ColumnType::Text)]).unwrap();
        assert!(shop.join(1, vec![column(2, other, &[], ColumnType::Text)]).is_err());
    }
    let mut shop = Shop::new();
    assert!(shop.join(0, vec![column(2, "_Operation", &[], ColumnType::Text)]).is_err());
}

#[test]
fn a_table_name_that_no_catalog_takes_is_a_contradiction() {
    for name in ["\u{1f}", "a\u{1f}b", "a\0", "Orders_History"] {
        let relation = Relation { name: name.into(), ..relation(vec![]) };
        let mut table = LakeTable::new(1, "default", name);
        assert!(join(&mut table, &mut SourceTable::new(name), &relation, None).is_err(), "{name:?}");
    }
}

#[test]
fn what_failed_to_join_has_given_no_ids() {
    let mut shop = Shop::new();
    shop.join(0, vec![column(2, "a", &[], ColumnType::Text)]).unwrap();
    let mine = |name| column(2, name, &[], ColumnType::Text);
    assert!(shop.join(1, vec![mine("b"), column(3, "A", &[], ColumnType::Text)]).is_err());
    // The field that the column would have had is another shard's by now.
    shop.join(2, vec![column(9, "c", &[], ColumnType::Text)]).unwrap();
    shop.join(1, vec![mine("b")]).unwrap();
    shop.check(&["a", "c", "b"], &["a", "c", "b"]);
}
