//! The S3 facade: stock engines read and write a table's files through it, with credentials that open that table and
//! nothing else.
//!
//! Sans-io. [`plan`] verifies who asks (SigV4) and what for, and says what to do; [`serve`] and [`carry_out`] do it over a
//! store, or a shell does the same by streaming with [`object::head_of`] and [`BodyDecoder`]. Stateless: credentials are
//! derived, not stored ([`lake_api::storage_key`]). What engines use of S3 is here; the rest is refused in its own words.
//!
//! Two rules keep one table's credentials from another's files: the signature is checked over the raw path in
//! canonical encoding, and what is authorised is the decoded key that goes to the store, against `prefix + "/"`.

mod body;
mod bucket;
mod checksum;
mod crc;
pub(crate) mod delete;
mod error;
mod list;
pub mod object;
mod path;
mod plan;
pub(crate) mod signature;
mod time;
mod upload;
mod write;
mod xml;

pub use body::{BodyDecoder, BodySpec, Finished};
pub use bucket::{Bucket, UploadError, carry_out, stored};
pub use error::FacadeError;
pub use list::Listing;
pub use plan::{Action, FacadeRequest, plan};
pub use upload::{Part, UploadId};
pub use write::{Instruction, Target, Write};

use lake_host::ObjectStore;
use object::Read;

use crate::catalog::VersionHint;

/// The answer to a storage request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacadeResponse {
    /// HTTP status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// The body. A HEAD answer has none, whatever its `content-length` says.
    pub body: Vec<u8>,
}

impl FacadeResponse {
    fn xml(body: String) -> FacadeResponse {
        let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
        FacadeResponse { status: 200, headers, body: body.into_bytes() }
    }

    fn no_content() -> FacadeResponse {
        FacadeResponse { status: 204, headers: Vec::new(), body: Vec::new() }
    }
}

/// Does what [`plan`] said of reading, but for a version hint, which [`answer_hint`] answers.
pub async fn serve(action: &Action, store: &impl ObjectStore) -> Result<FacadeResponse, FacadeError> {
    match action {
        Action::Get(read) => {
            let object = store.get(&read.key, read.range).await?.ok_or_else(|| read.missing())?;
            let head = object::head_of(read, &object.info)?;
            let body = if head.has_body() { object.bytes } else { Vec::new() };
            Ok(FacadeResponse { status: head.status, headers: head.headers, body })
        }
        Action::Head(read) => {
            let info = store.head(&read.key).await?.ok_or_else(|| read.missing())?;
            let head = object::head_of(read, &info)?;
            Ok(FacadeResponse { status: head.status, headers: head.headers, body: Vec::new() })
        }
        Action::List(listing) => list::answer(listing, store).await,
        Action::Hint { read, .. } => Err(read.missing()),
        Action::Write(_) => Err(FacadeError::NotImplemented),
    }
}

/// Answers a request for a version hint with what the catalog says it is.
pub fn answer_hint(action: &Action, hint: Option<&VersionHint>) -> Result<FacadeResponse, FacadeError> {
    let Action::Hint { read, is_head, .. } = action else { return Err(FacadeError::MethodNotAllowed) };
    let hint = hint.ok_or_else(|| read.missing())?;
    object::answer_text(read, *is_head, hint.text.as_bytes(), hint.modified_micros)
}

impl Read {
    fn missing(&self) -> FacadeError {
        FacadeError::NoSuchKey(self.key.clone())
    }
}

#[cfg(test)]
mod tests;
