//! The rules of [`ShardStorage`].

use lake_host::{AlarmChange, KeyRange, ROW_BYTES_MAX, ShardStorage, WriteBatch};

use super::{Case, equal, short};

/// Whole milliseconds in the year 2100: some platforms keep no finer alarms, and none of these may go off.
const ALARM: i64 = 4_102_444_800_000_000;

/// Checks a rule over an emptied storage, which it may open again.
type Check<S> = fn(&S, &mut dyn FnMut() -> S) -> Result<(), String>;

/// Checks every rule. Each call of `open` opens the same storage, which the cases empty.
pub fn check_storage<S: ShardStorage>(mut open: impl FnMut() -> S) -> Vec<Case> {
    let cases: [(&'static str, Check<S>); 19] = [
        ("what was put is read", |s, _| {
            put(s, b"a", b"1")?;
            equal(s.get(b"a"), Ok(Some(b"1".to_vec())))
        }),
        ("what was never put is absent", |s, _| equal(s.get(b"none"), Ok(None))),
        ("what was put is there after opening again", |s, open| {
            put(s, b"a", b"1")?;
            equal(open().get(b"a"), Ok(Some(b"1".to_vec())))
        }),
        ("a put replaces", |s, _| {
            put(s, b"a", b"1")?;
            put(s, b"a", b"22")?;
            equal(s.get(b"a"), Ok(Some(b"22".to_vec())))
        }),
        ("an empty value is a value", |s, _| {
            put(s, b"a", b"")?;
            equal(s.get(b"a"), Ok(Some(Vec::new())))
        }),
        ("any byte may be in a key and a value", |s, _| {
            let bytes: Vec<u8> = (0..=255).collect();
            put(s, &bytes, &bytes)?;
            equal(s.get(&bytes), Ok(Some(bytes)))
        }),
        ("keys are bytes and not text", |s, _| {
            put(s, b"a", b"lower")?;
            put(s, b"A", b"upper")?;
            put(s, b"a\0", b"longer")?;
            equal(s.get(b"a"), Ok(Some(b"lower".to_vec())))
        }),
        ("a scan is in byte order", |s, _| {
            put_all(s, &[b"\xff", b"b", b"a\0", b"a", b"B", b"\0"])?;
            equal(
                keys(s, b"", None, 100)?,
                [b"\0".to_vec(), b"B".into(), b"a".into(), b"a\0".into(), b"b".into(), vec![255]].into(),
            )
        }),
        ("a range includes its start and not its end", |s, _| {
            put_all(s, &[b"a", b"b", b"c", b"d"])?;
            equal(keys(s, b"b", Some(b"d"), 100)?, [b"b".to_vec(), b"c".into()].into())
        }),
        ("a scan stops at its limit", |s, _| {
            put_all(s, &[b"a", b"b", b"c"])?;
            equal(keys(s, b"a", None, 2)?, [b"a".to_vec(), b"b".into()].into())
        }),
        ("a range that ends where it starts is empty", |s, _| {
            put_all(s, &[b"a", b"b"])?;
            equal(keys(s, b"b", Some(b"b"), 100)?, Vec::new())?;
            equal(keys(s, b"b", Some(b"a"), 100)?, Vec::new())
        }),
        ("last is the greatest of the range", |s, _| {
            put_all(s, &[b"a1", b"a2", b"b"])?;
            equal(s.last(&KeyRange::prefix(b"a")), Ok(Some((b"a2".to_vec(), b"a2".to_vec()))))?;
            equal(s.last(&KeyRange::prefix(b"c")), Ok(None))
        }),
        ("operations take effect in order", |s, _| {
            put_all(s, &[b"a1", b"a2", b"b"])?;
            let mut batch = WriteBatch::new();
            batch.delete_range(KeyRange::prefix(b"a")).put("a3", "new").put("b", "gone").delete("b").delete("none");
            apply(s, &batch)?;
            equal(keys(s, b"", None, 100)?, [b"a3".to_vec()].into())
        }),
        ("a batch of thousands of operations is one step", |s, _| {
            let mut batch = WriteBatch::new();
            for number in 0..5_000_u16 {
                batch.put(number.to_be_bytes(), number.to_le_bytes());
            }
            apply(s, &batch)?;
            equal(keys(s, b"", None, 10_000)?.len(), 5_000)
        }),
        ("a row of the greatest size fits", |s, _| {
            let value = vec![7; ROW_BYTES_MAX - 1];
            put(s, b"a", &value)?;
            equal(s.get(b"a"), Ok(Some(value)))
        }),
        ("a batch with a row that cannot be stored changes nothing", |s, _| {
            put(s, b"a", b"1")?;
            let mut batch = WriteBatch::new();
            batch.put("a", "2").put("b", vec![7; ROW_BYTES_MAX]);
            batch.alarm = Some(AlarmChange::Set(ALARM));
            if s.apply(&batch).is_ok() {
                return Err("it was taken".to_owned());
            }
            equal(keys(s, b"", None, 10)?, [b"a".to_vec()].into())?;
            equal(s.get(b"a"), Ok(Some(b"1".to_vec())))?;
            equal(s.alarm(), Ok(None))
        }),
        ("an alarm is set, moved and cleared", |s, open| {
            alarm(s, AlarmChange::Set(ALARM))?;
            equal(s.alarm(), Ok(Some(ALARM)))?;
            equal(open().alarm(), Ok(Some(ALARM)))?;
            alarm(s, AlarmChange::Set(ALARM + 1_000))?;
            equal(s.alarm(), Ok(Some(ALARM + 1_000)))?;
            alarm(s, AlarmChange::Clear)?;
            equal(s.alarm(), Ok(None))
        }),
        ("no later than keeps the earlier alarm", |s, _| {
            alarm(s, AlarmChange::NoLaterThan(ALARM))?;
            alarm(s, AlarmChange::NoLaterThan(ALARM + 1_000))?;
            equal(s.alarm(), Ok(Some(ALARM)))?;
            alarm(s, AlarmChange::NoLaterThan(ALARM - 1_000))?;
            equal(s.alarm(), Ok(Some(ALARM - 1_000)))
        }),
        ("the size grows with what is stored", |s, _| {
            let before = s.size_bytes().map_err(|error| error.to_string())?;
            let mut batch = WriteBatch::new();
            for number in 0..10_u8 {
                batch.put([number], vec![7; 1_000_000]);
            }
            apply(s, &batch)?;
            let after = s.size_bytes().map_err(|error| error.to_string())?;
            // A platform may reuse pages that earlier cases have freed.
            if after >= 10_000_000 && after >= before { Ok(()) } else { Err(format!("{before} before, {after} after")) }
        }),
    ];
    cases
        .into_iter()
        .map(|(name, case)| {
            let storage = open();
            let outcome = empty(&storage).and_then(|()| case(&storage, &mut open)).and_then(|()| empty(&storage));
            Case { name, outcome }
        })
        .collect()
}

fn empty(storage: &impl ShardStorage) -> Result<(), String> {
    let mut batch = WriteBatch::new();
    batch.delete_range(KeyRange { start: Vec::new(), end: None });
    batch.alarm = Some(AlarmChange::Clear);
    apply(storage, &batch)
}

fn apply(storage: &impl ShardStorage, batch: &WriteBatch) -> Result<(), String> {
    storage.apply(batch).map_err(|error| error.to_string())
}

fn put(storage: &impl ShardStorage, key: &[u8], value: &[u8]) -> Result<(), String> {
    let mut batch = WriteBatch::new();
    batch.put(key, value);
    apply(storage, &batch).map_err(|error| format!("put of {}: {error}", short(&key)))
}

fn put_all(storage: &impl ShardStorage, keys: &[&[u8]]) -> Result<(), String> {
    let mut batch = WriteBatch::new();
    for key in keys {
        batch.put(*key, *key);
    }
    apply(storage, &batch)
}

fn alarm(storage: &impl ShardStorage, change: AlarmChange) -> Result<(), String> {
    apply(storage, &WriteBatch { operations: Vec::new(), alarm: Some(change) })
}

fn keys(storage: &impl ShardStorage, start: &[u8], end: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, String> {
    let range = KeyRange { start: start.to_vec(), end: end.map(<[u8]>::to_vec) };
    let pairs = storage.scan(&range, limit).map_err(|error| error.to_string())?;
    Ok(pairs.into_iter().map(|(key, _)| key).collect())
}
