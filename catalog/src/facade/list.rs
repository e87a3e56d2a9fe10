//! ListObjectsV2, below the prefix that the credentials open.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lake_api::storage_key::Grant;
use lake_host::{ListedObject, ObjectStore};

use super::path::encode_path;
use super::time::iso;
use super::xml::escape;
use super::{FacadeError, FacadeResponse};
use crate::limits::{LIST_REQUESTS_MAX, OBJECT_PAGE_MAX};

/// A request for a page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The bucket, for the answer.
    pub bucket: String,
    /// Keys that begin with this.
    pub prefix: String,
    /// Keys with this after the prefix are one line per common beginning.
    pub delimiter: Option<String>,
    /// `start-after`, for the answer.
    pub start_after: Option<String>,
    /// The key that the page before ended with: what its token holds.
    pub continuation: Option<String>,
    /// How many lines.
    pub max_keys: usize,
    /// Keys in the answer are percent-encoded.
    pub is_url_encoded: bool,
}

/// Reads the query of a listing and checks that its prefix is inside the grant.
pub(super) fn plan(query: &[(String, String)], grant: &Grant, bucket: &str) -> Result<Listing, FacadeError> {
    let mut listing = Listing {
        bucket: bucket.to_owned(),
        prefix: String::new(),
        delimiter: None,
        start_after: None,
        continuation: None,
        max_keys: OBJECT_PAGE_MAX,
        is_url_encoded: false,
    };
    let mut is_version_2 = false;
    for (name, value) in query {
        match name.as_str() {
            "list-type" => is_version_2 = value == "2",
            "prefix" => listing.prefix.clone_from(value),
            "delimiter" => listing.delimiter = Some(value.clone()).filter(|value| !value.is_empty()),
            "start-after" => listing.start_after = Some(value.clone()).filter(|value| !value.is_empty()),
            "continuation-token" => listing.continuation = Some(decode_token(value)?),
            "max-keys" => {
                let keys = value.parse::<usize>().map_err(|_| FacadeError::InvalidArgument("max-keys"))?;
                listing.max_keys = keys.min(OBJECT_PAGE_MAX);
            }
            "encoding-type" if value == "url" => listing.is_url_encoded = true,
            "fetch-owner" | "x-id" => {}
            other if other.starts_with("X-Amz-") => {}
            _ => return Err(FacadeError::NotImplemented),
        }
    }
    if !is_version_2 {
        return Err(FacadeError::NotImplemented);
    }
    if !grant.covers(&listing.prefix) {
        return Err(FacadeError::AccessDenied("The credentials list below their own location only."));
    }
    Ok(listing)
}

fn decode_token(token: &str) -> Result<String, FacadeError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| FacadeError::InvalidArgument("continuation-token"))?;
    String::from_utf8(bytes).map_err(|_| FacadeError::InvalidArgument("continuation-token"))
}

/// Lines of a page.
#[derive(Debug, Default)]
struct Page {
    objects: Vec<ListedObject>,
    common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

pub(super) async fn answer(listing: &Listing, store: &impl ObjectStore) -> Result<FacadeResponse, FacadeError> {
    let page = read(listing, store).await?;
    let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    Ok(FacadeResponse { status: 200, headers, body: print(listing, &page).into_bytes() })
}

async fn read(listing: &Listing, store: &impl ObjectStore) -> Result<Page, FacadeError> {
    let mut page = Page::default();
    // A token is a key to go on after. It cannot lead outside: the store is asked for the prefix in any case.
    let mut after = listing.continuation.clone().or_else(|| listing.start_after.clone());
    if listing.max_keys == 0 {
        return Ok(page);
    }
    for _ in 0..LIST_REQUESTS_MAX {
        let lines = page.objects.len() + page.common_prefixes.len();
        let listed = store.list(&listing.prefix, after.as_deref(), listing.max_keys - lines).await?;
        let is_cut = listed.truncated;
        let mut skipped = false;
        for object in listed.objects {
            let common = common_prefix(listing, &object.key);
            // A token inside a group means that the group was a line of the page before.
            let is_known = common.as_ref().is_some_and(|group| {
                page.common_prefixes.last() == Some(group)
                    || after.as_ref().is_some_and(|after| after.starts_with(group.as_str()))
            });
            after = Some(object.key.clone());
            match common {
                _ if is_known => {}
                None => page.objects.push(object),
                Some(group) => {
                    // The rest of the group need not be read: go on behind its last possible key.
                    after = Some(format!("{group}{}", char::MAX));
                    page.common_prefixes.push(group);
                    skipped = true;
                    break;
                }
            }
        }
        if !is_cut && !skipped {
            return Ok(page);
        }
        if page.objects.len() + page.common_prefixes.len() >= listing.max_keys {
            break;
        }
    }
    page.next = after;
    Ok(page)
}

fn common_prefix(listing: &Listing, key: &str) -> Option<String> {
    let delimiter = listing.delimiter.as_deref()?;
    let rest = key.strip_prefix(&listing.prefix)?;
    let at = rest.find(delimiter)?;
    key.get(..listing.prefix.len() + at + delimiter.len()).map(str::to_owned)
}

fn print(listing: &Listing, page: &Page) -> String {
    let key = |key: &str| if listing.is_url_encoded { encode_path(key) } else { escape(key) };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    let mut element = |name: &str, text: &str| xml.push_str(&format!("<{name}>{text}</{name}>"));
    element("Name", &escape(&listing.bucket));
    element("Prefix", &key(&listing.prefix));
    if let Some(delimiter) = &listing.delimiter {
        element("Delimiter", &key(delimiter));
    }
    if let Some(start_after) = &listing.start_after {
        element("StartAfter", &key(start_after));
    }
    if listing.is_url_encoded {
        element("EncodingType", "url");
    }
    element("MaxKeys", &listing.max_keys.to_string());
    element("KeyCount", &(page.objects.len() + page.common_prefixes.len()).to_string());
    element("IsTruncated", if page.next.is_some() { "true" } else { "false" });
    if let Some(token) = &listing.continuation {
        element("ContinuationToken", &URL_SAFE_NO_PAD.encode(token));
    }
    if let Some(next) = &page.next {
        element("NextContinuationToken", &URL_SAFE_NO_PAD.encode(next));
    }
    for object in &page.objects {
        let line = format!(
            "<Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass>",
            key(&object.key),
            iso(object.info.modified_micros),
            escape(&object.info.etag.0),
            object.info.size,
        );
        element("Contents", &line);
    }
    for prefix in &page.common_prefixes {
        element("CommonPrefixes", &format!("<Prefix>{}</Prefix>", key(prefix)));
    }
    xml.push_str("</ListBucketResult>");
    xml
}
