//! `cargo xtask token`: the keys of a local lake and tokens signed with them.
//!
//! A deployed lake has its keys as the secret `LAKE_KEYS`; a local one in a file of its state folder, made at the
//! first start.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use lake_api::scope::Access;
use lake_api::storage_key::{Grant, derive};
use lake_api::token::{Claims, Keys, mint};

use crate::options::Options;
use crate::paths;

const KEY_BYTES: usize = 32;
const HOURS_DEFAULT: i64 = 24 * 30;

/// The keys of the lake whose state is in this folder; made if there are none.
pub(crate) fn of_state(state: &Path) -> Result<Keys> {
    let file = state.join("keys.json");
    if !file.exists() {
        fs::create_dir_all(state)?;
        let keys = random_keys()?;
        write_private(&file, &keys.to_json())?;
        return Ok(keys);
    }
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Keys::parse(&text).with_context(|| format!("{} holds no keys", file.display()))
}

/// A new key under the name `k` and four random digits, so that a replaced key never shares its name.
pub(crate) fn random_keys() -> Result<Keys> {
    let mut bytes = [0; KEY_BYTES + 2];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let (key, name) = bytes.split_at(KEY_BYTES);
    Ok(Keys::new(&format!("k{}", crate::fingerprint::hex(name)), key)?)
}

/// A token with these scopes, separated by commas.
pub(crate) fn token(keys: &Keys, subject: &str, scopes: &str, hours: i64) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
    let scopes: Result<Vec<_>, _> = scopes.split(',').map(|scope| scope.trim().parse()).collect();
    let claims =
        Claims { subject: subject.to_owned(), issued_at: now, expires_at: now + hours * 3600, scopes: scopes? };
    Ok(mint(&claims, keys))
}

/// A token for a local run, that lives as long as one is likely to.
pub(crate) fn local_token(keys: &Keys, scopes: &str) -> Result<String> {
    token(keys, "local", scopes, HOURS_DEFAULT)
}

/// An S3 key that reads everything below a prefix of the bucket, for engines that cannot ask the catalog for one:
/// `warehouse` for all tables, `warehouse/default` for a namespace, `warehouse/default/orders` for a table.
fn storage_key(keys: &Keys, prefix: &str, hours: i64) -> Result<serde_json::Value> {
    let prefix = prefix.trim_matches('/').to_owned();
    anyhow::ensure!(!prefix.is_empty(), "--s3 names a prefix of the bucket, such as warehouse/default");
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
    let grant = Grant { prefix, access: Access::Read, expires_at: now + hours * 3600, is_session: false };
    let made = derive(keys, &grant);
    Ok(serde_json::json!({"accessKeyId": made.access_key_id, "secretAccessKey": made.secret_access_key}))
}

/// The command.
pub(crate) fn command(mut options: Options) -> Result<()> {
    if options.flag("--new-keys") {
        options.finish()?;
        println!("{}", random_keys()?.to_json());
        return Ok(());
    }
    let state = options.value("--state")?.map_or_else(|| paths::state("dev"), PathBuf::from);
    let keys = match options.value("--keys")? {
        Some(file) => Keys::parse(&fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?)?,
        None => of_state(&state)?,
    };
    let scopes = options.value("--scopes")?.unwrap_or_else(|| "all".to_owned());
    let subject = options.value("--subject")?.unwrap_or_else(|| "local".to_owned());
    let hours = options.number("--hours")?.unwrap_or(HOURS_DEFAULT);
    if let Some(prefix) = options.value("--s3")? {
        options.finish()?;
        println!("{}", storage_key(&keys, &prefix, hours)?);
        return Ok(());
    }
    options.finish()?;
    println!("{}", token(&keys, &subject, &scopes, hours)?);
    Ok(())
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut created = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    created.write_all(text.as_bytes())?;
    Ok(())
}
