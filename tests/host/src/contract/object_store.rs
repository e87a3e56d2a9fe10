//! The rules of [`ObjectStore`].

use lake_host::{ByteRange, ETag, Object, ObjectStore, PutCondition, PutOutcome};

use super::{Case, equal};

/// Where the cases put their objects; whatever lies there is removed.
const ROOT: &str = "contract/";

/// Checks every rule, with objects whose keys begin with `contract/`.
pub async fn check_object_store<S: ObjectStore>(store: &S) -> Vec<Case> {
    let mut cases = Vec::new();
    // One line a rule: the rule, then the future that checks it over an emptied folder.
    macro_rules! case {
        ($name:literal, $check:expr) => {
            let outcome = match empty(store).await {
                Ok(()) => $check.await,
                Err(error) => Err(error),
            };
            cases.push(Case { name: $name, outcome });
        };
    }
    case!("what was put is read", put_and_get(store));
    case!("what was never put is absent", absent(store));
    case!("an empty object is an object", empty_object(store));
    case!("a large object comes back whole", large_object(store));
    case!("a put replaces and changes the version", replace(store));
    case!("a put if absent takes effect once", put_if_absent(store));
    case!("a put if unchanged needs the version that is there", put_if_unchanged(store));
    case!("ranges are cut at the end of the object", ranges(store));
    case!("head knows what get knows", head(store));
    case!("a removed object is gone, and removing it again is fine", delete(store));
    case!("a listing is in key order and has only its prefix", list_order(store));
    case!("a listing goes on after a key and says whether there is more", list_pages(store));
    case!("keys may hold any character", odd_keys(store));
    if let Err(error) = empty(store).await {
        cases.push(Case { name: "the folder can be emptied", outcome: Err(error) });
    }
    cases
}

async fn put_and_get(store: &impl ObjectStore) -> Result<(), String> {
    let etag = put(store, "a", b"0123456789").await?;
    let object = expect(store, "a", ByteRange::Full).await?;
    equal(object.bytes, b"0123456789".to_vec())?;
    equal(object.info.size, 10)?;
    equal(object.info.etag.clone(), etag)?;
    equal(object.info.etag.0.contains('"'), false)?;
    // Later than 2020: a stamp in milliseconds would lie in 1970.
    equal(object.info.modified_micros > 1_577_836_800_000_000, true)
}

async fn absent(store: &impl ObjectStore) -> Result<(), String> {
    equal(store.get(&key("none"), ByteRange::Full).await, Ok(None))?;
    equal(store.head(&key("none")).await, Ok(None))
}

async fn empty_object(store: &impl ObjectStore) -> Result<(), String> {
    put(store, "a", b"").await?;
    equal(expect(store, "a", ByteRange::Full).await?.bytes, Vec::new())?;
    equal(expect(store, "a", ByteRange::Suffix { length: 8 }).await?.bytes, Vec::new())
}

async fn large_object(store: &impl ObjectStore) -> Result<(), String> {
    let bytes: Vec<u8> = (0..6_000_000_u32).map(|number| (number % 251) as u8).collect();
    put(store, "a", &bytes).await?;
    let object = expect(store, "a", ByteRange::Full).await?;
    equal(object.bytes == bytes, true)?;
    let middle = expect(store, "a", ByteRange::From { offset: 5_000_000, length: Some(3) }).await?;
    equal(middle.bytes, bytes[5_000_000..5_000_003].to_vec())
}

async fn replace(store: &impl ObjectStore) -> Result<(), String> {
    let first = put(store, "a", b"1").await?;
    let second = put(store, "a", b"2").await?;
    equal(first == second, false)?;
    equal(expect(store, "a", ByteRange::Full).await?.bytes, b"2".to_vec())
}

async fn put_if_absent(store: &impl ObjectStore) -> Result<(), String> {
    let first = store.put(&key("a"), b"1".to_vec(), PutCondition::Absent).await;
    equal(matches!(first, Ok(PutOutcome::Written(_))), true)?;
    let second = store.put(&key("a"), b"2".to_vec(), PutCondition::Absent).await;
    equal(second, Ok(PutOutcome::ConditionFailed))?;
    equal(expect(store, "a", ByteRange::Full).await?.bytes, b"1".to_vec())
}

async fn put_if_unchanged(store: &impl ObjectStore) -> Result<(), String> {
    let first = put(store, "a", b"1").await?;
    let outcome = store.put(&key("a"), b"2".to_vec(), PutCondition::Unchanged(first.clone())).await;
    equal(matches!(outcome, Ok(PutOutcome::Written(_))), true)?;
    let stale = store.put(&key("a"), b"3".to_vec(), PutCondition::Unchanged(first.clone())).await;
    equal(stale, Ok(PutOutcome::ConditionFailed))?;
    let missing = store.put(&key("b"), b"3".to_vec(), PutCondition::Unchanged(first)).await;
    equal(missing, Ok(PutOutcome::ConditionFailed))?;
    equal(expect(store, "a", ByteRange::Full).await?.bytes, b"2".to_vec())?;
    equal(store.head(&key("b")).await, Ok(None))
}

async fn ranges(store: &impl ObjectStore) -> Result<(), String> {
    put(store, "a", b"0123456789").await?;
    let from = |offset, length| ByteRange::From { offset, length };
    // What clients send for "the rest": beyond what JavaScript counts exactly, too.
    const MOST: u64 = 1 << 53;
    let cases: [(ByteRange, &[u8]); 18] = [
        (from(0, Some(3)), b"012"),
        (from(3, Some(0)), b""),
        (from(7, None), b"789"),
        (from(7, Some(100)), b"789"),
        (from(10, None), b""),
        (from(99, Some(3)), b""),
        (ByteRange::Suffix { length: 3 }, b"789"),
        (ByteRange::Suffix { length: 99 }, b"0123456789"),
        (ByteRange::Suffix { length: 0 }, b""),
        (ByteRange::Suffix { length: MOST }, b"0123456789"),
        (ByteRange::Suffix { length: u64::MAX }, b"0123456789"),
        (from(7, Some(MOST - 1)), b"789"),
        (from(7, Some(i64::MAX as u64)), b"789"),
        (from(7, Some(u64::MAX)), b"789"),
        (from(MOST - 1, None), b""),
        (from(MOST - 1, Some(MOST - 1)), b""),
        (from(MOST, Some(1)), b""),
        (from(u64::MAX, None), b""),
    ];
    for (range, expected) in cases {
        let object = expect(store, "a", range).await.map_err(|error| format!("{range:?}: {error}"))?;
        equal((range, object.bytes, object.info.size), (range, expected.to_vec(), 10))?;
    }
    Ok(())
}

async fn head(store: &impl ObjectStore) -> Result<(), String> {
    put(store, "a", b"0123").await?;
    let object = expect(store, "a", ByteRange::From { offset: 1, length: Some(1) }).await?;
    equal(store.head(&key("a")).await, Ok(Some(object.info)))
}

async fn delete(store: &impl ObjectStore) -> Result<(), String> {
    put(store, "a", b"1").await?;
    equal(store.delete(&key("a")).await, Ok(()))?;
    equal(store.get(&key("a"), ByteRange::Full).await, Ok(None))?;
    equal(store.delete(&key("a")).await, Ok(()))
}

async fn list_order(store: &impl ObjectStore) -> Result<(), String> {
    for name in ["l/b", "l/a/x", "l/B", "l-", "l/a", "k"] {
        put(store, name, b"12").await?;
    }
    equal(list(store, "l/", None, 100).await?, (names(&["l/B", "l/a", "l/a/x", "l/b"]), false))?;
    let page = store.list(&key("k"), None, 1).await.map_err(|error| error.to_string())?;
    let object = expect(store, "k", ByteRange::Full).await?;
    equal(page.objects.first().map(|listed| listed.info.clone()), Some(object.info))
}

async fn list_pages(store: &impl ObjectStore) -> Result<(), String> {
    for name in ["l/a", "l/b", "l/c"] {
        put(store, name, b"").await?;
    }
    equal(list(store, "l/", None, 2).await?, (names(&["l/a", "l/b"]), true))?;
    equal(list(store, "l/", Some("l/b"), 2).await?, (names(&["l/c"]), false))?;
    equal(list(store, "l/", Some("l/c"), 2).await?, (names(&[]), false))?;
    equal(list(store, "l/", Some("l/bb"), 1).await?, (names(&["l/c"]), false))?;
    equal(list(store, "l/", None, 3).await?, (names(&["l/a", "l/b", "l/c"]), false))
}

async fn odd_keys(store: &impl ObjectStore) -> Result<(), String> {
    for name in ["day=2026-01-01/x", "a b", "ü€😀", "100%", "%2F", "a+b&c?d#e", "'\"\\"] {
        put(store, name, name.as_bytes()).await?;
        let object = expect(store, name, ByteRange::Full).await.map_err(|error| format!("{name}: {error}"))?;
        equal(object.bytes, name.as_bytes().to_vec())?;
        equal(list(store, name, None, 10).await?, (names(&[name]), false))?;
    }
    Ok(())
}

fn key(name: &str) -> String {
    format!("{ROOT}{name}")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn put(store: &impl ObjectStore, name: &str, bytes: &[u8]) -> Result<ETag, String> {
    match store.put(&key(name), bytes.to_vec(), PutCondition::Always).await {
        Ok(PutOutcome::Written(etag)) => Ok(etag),
        other => Err(format!("put of {name}: {other:?}")),
    }
}

async fn expect(store: &impl ObjectStore, name: &str, range: ByteRange) -> Result<Object, String> {
    match store.get(&key(name), range).await {
        Ok(Some(object)) => Ok(object),
        other => Err(format!("get of {name}: {other:?}")),
    }
}

/// Keys below the root, and whether there are more.
async fn list(
    store: &impl ObjectStore,
    prefix: &str,
    start_after: Option<&str>,
    limit: usize,
) -> Result<(Vec<String>, bool), String> {
    let start_after = start_after.map(key);
    let page = store.list(&key(prefix), start_after.as_deref(), limit).await.map_err(|error| error.to_string())?;
    let names = page.objects.into_iter().map(|listed| listed.key.trim_start_matches(ROOT).to_owned()).collect();
    Ok((names, page.truncated))
}

async fn empty(store: &impl ObjectStore) -> Result<(), String> {
    loop {
        let page = store.list(ROOT, None, 100).await.map_err(|error| error.to_string())?;
        for object in &page.objects {
            store.delete(&object.key).await.map_err(|error| error.to_string())?;
        }
        if !page.truncated {
            return Ok(());
        }
    }
}
