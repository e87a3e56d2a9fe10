//! What a storage request asks for, and whether its signer may have it.

use std::collections::BTreeMap;

use lake_api::storage_key::Grant;
use lake_api::token::Keys;
use percent_encoding::percent_decode_str;

use super::list::{self, Listing};
use super::object::Read;
use super::write::{Asked, Write};
use super::{FacadeError, path, signature};

const HINT_SUFFIX: &str = "/metadata/version-hint.text";

/// A storage request.
#[derive(Clone, Copy, Debug)]
pub struct FacadeRequest<'a> {
    /// `GET`, `HEAD`, ….
    pub method: &'a str,
    /// The path as it was sent, still encoded.
    pub path: &'a str,
    /// The query as it was sent, without its `?`.
    pub query: &'a str,
    /// Header lines by their names in lower case, `host` among them.
    pub headers: &'a BTreeMap<String, String>,
}

impl FacadeRequest<'_> {
    /// True if it carries a SigV4 signature, in a header or in the query.
    pub fn is_signed(&self) -> bool {
        signature::is_signed(self, &path::parse_query(self.query).unwrap_or_default())
    }

    /// True if its path is the bucket's or below it, signed or not.
    pub fn is_in(&self, bucket: &str) -> bool {
        let first = self.path.strip_prefix('/').and_then(|rest| rest.split('/').next());
        first.is_some_and(|first| percent_decode_str(first).eq(bucket.bytes()))
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an object or a part of it.
    Get(Read),
    /// Say what is known of an object.
    Head(Read),
    /// List objects.
    List(Listing),
    /// Send the version hint of the table in a folder. This is a table load: the lake is asked to commit first, then
    /// [`Catalog::version_hint`](crate::Catalog::version_hint) is asked, and [`super::answer_hint`] answers.
    Hint {
        /// The table's folder: a key without a slash at its end.
        folder: String,
        /// The request for the object.
        read: Read,
        /// True for HEAD.
        is_head: bool,
    },
    /// Change something.
    Write(Write),
}

/// Verifies a request and says what to do.
pub fn plan(request: &FacadeRequest<'_>, bucket: &str, keys: &Keys, now_micros: i64) -> Result<Action, FacadeError> {
    if !request.is_signed() {
        return Err(FacadeError::AccessDenied("The request is not signed."));
    }
    let target = path::parse(request.path)?;
    let query = path::parse_query(request.query)?;
    let signed = signature::verify(request, &target, &query, keys, now_micros)?;
    if target.bucket != bucket {
        return Err(FacadeError::NoSuchBucket);
    }
    let is_head = match request.method {
        "GET" => false,
        "HEAD" => true,
        method @ ("PUT" | "POST" | "DELETE") => {
            let asked = Asked { method, bucket, key: target.key, query: &query, headers: request.headers };
            return asked.plan(&signed).map(Action::Write);
        }
        _ => return Err(FacadeError::MethodNotAllowed),
    };
    match target.key {
        Some(key) => plan_read(request.headers, &query, &signed.grant, key, is_head),
        None if is_head => Err(FacadeError::NotImplemented),
        None => list::plan(&query, &signed.grant, bucket).map(Action::List),
    }
}

fn plan_read(
    headers: &BTreeMap<String, String>,
    query: &[(String, String)],
    grant: &Grant,
    key: String,
    is_head: bool,
) -> Result<Action, FacadeError> {
    if !grant.covers(&key) {
        return Err(FacadeError::AccessDenied("The credentials are for another location."));
    }
    if !query.iter().all(|(name, _)| path::is_harmless(name)) {
        return Err(FacadeError::NotImplemented);
    }
    let read = Read::of(key, headers, is_head);
    Ok(match read.key.strip_suffix(HINT_SUFFIX) {
        Some(folder) => Action::Hint { folder: folder.to_owned(), read, is_head },
        None if is_head => Action::Head(read),
        None => Action::Get(read),
    })
}
