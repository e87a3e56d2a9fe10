//! Where a table's files lie: `s3://{bucket}/warehouse/{namespace}/{table}`, and what of a name can be in a key.
//!
//! Names are anything; keys pass through URLs, signatures, globs and file systems of other engines. So a folder name
//! has letters, digits, `_` and `-` only; every other byte of a name is `~` and two hexadecimal digits, levels of a
//! namespace are joined by `.`, an empty one is `~`. A folder that would be too long ends in a hash of the name.

use lake_api::scope::NAMESPACE_SEPARATOR;
use lake_table::TableName;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::limits::FOLDER_BYTES_MAX;

/// The first segment of all keys of tables.
pub(crate) const WAREHOUSE: &str = "warehouse";

/// The key prefix of a table, without a slash at its end: `attempt` is 1 for the first table of the name, and more
/// where folders of the name were used before.
pub(crate) fn folder(table: &TableName, attempt: u32) -> String {
    let namespace = namespace_folder(&table.namespace);
    let name = shorten(encode(&table.name), &table.name);
    match attempt {
        0 | 1 => format!("{namespace}/{name}"),
        // No encoded name has a dot.
        again => format!("{namespace}/{name}.{again}"),
    }
}

/// The key prefix of all tables of a namespace, but not of those nested in it, without a slash at its end.
pub(crate) fn namespace_folder(namespace: &str) -> String {
    let levels: Vec<String> = namespace.split(NAMESPACE_SEPARATOR).map(encode).collect();
    format!("{WAREHOUSE}/{}", shorten(levels.join("."), namespace))
}

/// The key prefix of a view's metadata. No table has it, and no other view: no encoded name has a dot.
pub(crate) fn view_folder(view: &TableName, id: uuid::Uuid) -> String {
    let name = shorten(encode(&view.name), &view.name);
    format!("{}/{name}.view-{}", namespace_folder(&view.namespace), id.simple())
}

/// True for the last part of a view's folder. Its files are removed with the view, so nothing else may lie in it.
pub(crate) fn is_view_folder(segment: &str) -> bool {
    segment.rsplit_once(".view-").is_some_and(|(_, mark)| is_mark(mark))
}

/// True for 32 hexadecimal digits: what makes a folder one that nobody else has.
pub(crate) fn is_mark(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The key of a location in this bucket; `None` if it is in another.
pub(crate) fn key_of<'a>(location: &'a str, bucket: &str) -> Option<&'a str> {
    location.strip_prefix("s3://")?.strip_prefix(bucket)?.strip_prefix('/')
}

fn encode(name: &str) -> String {
    if name.is_empty() {
        return "~".to_owned();
    }
    let mut folder = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            folder.push(char::from(byte));
        } else {
            folder.push_str(&format!("~{byte:02x}"));
        }
    }
    folder
}

fn shorten(folder: String, name: &str) -> String {
    if folder.len() <= FOLDER_BYTES_MAX {
        return folder;
    }
    let hash = hex(&Sha256::digest(name.as_bytes())[..16]);
    // ASCII throughout, so any cut is between characters. `~~` is in no other folder.
    format!("{}~~{hash}", &folder[..FOLDER_BYTES_MAX - hash.len() - 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(namespace: &str, name: &str, expected: &str) {
        let table = TableName { namespace: namespace.into(), name: name.into() };
        assert_eq!(folder(&table, 1), expected);
    }

    #[test]
    fn ordinary_names_are_their_own_folders() {
        check("default", "orders_history", "warehouse/default/orders_history");
        check("tenant-7", "Orders", "warehouse/tenant-7/Orders");
    }

    #[test]
    fn odd_names_cannot_leave_their_folder() {
        check("a\u{1f}b", "t", "warehouse/a.b/t");
        check("a.b", "..", "warehouse/a~2eb/~2e~2e");
        check("", "a/b", "warehouse/~/a~2fb");
        check("a", "größe", "warehouse/a/gr~c3~b6~c3~9fe");
        check("a", "~", "warehouse/a/~7e");
    }

    #[test]
    fn a_folder_used_before_gets_a_number_that_no_name_has() {
        let table = TableName { namespace: "a".into(), name: "t".into() };
        assert_eq!(folder(&table, 2), "warehouse/a/t.2");
        check("a", "t.2", "warehouse/a/t~2e2");
    }

    #[test]
    fn a_location_of_another_bucket_has_no_key() {
        assert_eq!(key_of("s3://lakehouse/warehouse/a/t", "lakehouse"), Some("warehouse/a/t"));
        assert_eq!(key_of("s3://lakehouse2/warehouse/a/t", "lakehouse"), None);
        assert_eq!(key_of("gs://lakehouse/warehouse/a/t", "lakehouse"), None);
    }

    proptest! {
        #[test]
        fn different_tables_have_different_folders(
            a in ("[a.~/\u{1f}ö]{0,6}", ".{1,90}"),
            b in ("[a.~/\u{1f}ö]{0,6}", ".{1,90}"),
        ) {
            let table = |pair: &(String, String)| TableName { namespace: pair.0.clone(), name: pair.1.clone() };
            let (one, other) = (folder(&table(&a), 1), folder(&table(&b), 1));
            prop_assert_eq!(one == other, a == b);
            prop_assert!(one.len() <= 2 * FOLDER_BYTES_MAX + WAREHOUSE.len() + 2);
            prop_assert_eq!(one.split('/').count(), 3);
        }
    }
}
