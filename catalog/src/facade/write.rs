//! What a request wants to change, and whether its signer may.
//!
//! Credentials that write open the folder of one table and nothing wider, whatever their prefix says: CDC tables, for
//! which nobody is given any, lie side by side with those of engines, and what the lake keeps for itself lies beside the
//! warehouse.

use std::collections::BTreeMap;

use lake_api::scope::Access;
use lake_api::storage_key::Grant;
use lake_host::{ETag, PutCondition};

use super::body::BodySpec;
use super::signature::Verified;
use super::upload::{UploadId, part_number};
use super::{FacadeError, path};
use crate::limits::{INSTRUCTIONS_BYTES_MAX, KEY_BYTES_MAX};
use crate::location::WAREHOUSE;

/// A change of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Take in the bytes of an object or of a part of one.
    Store {
        /// The key in the store.
        key: String,
        /// What they become.
        target: Target,
        /// How they come.
        body: BodySpec,
    },
    /// Do something else, once the instructions in the body have been read.
    Instruct {
        /// What.
        instruction: Instruction,
        /// How the instructions come; `None` where there are none.
        body: Option<BodySpec>,
    },
}

/// What bytes become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object.
    Object(PutCondition),
    /// A part of an upload.
    Part {
        /// The upload.
        upload: UploadId,
        /// 1 to 10,000.
        number: u16,
    },
}

/// A change that brings no bytes of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Remove an object.
    Delete {
        /// The key in the store.
        key: String,
    },
    /// Remove the objects that the body names, as far as the grant goes.
    DeleteMany {
        /// What the signer may do.
        grant: Grant,
    },
    /// Begin an upload in parts.
    CreateUpload {
        /// The bucket, for the answer.
        bucket: String,
        /// The key in the store.
        key: String,
    },
    /// Make an object of the parts that the body names.
    CompleteUpload {
        /// The bucket, for the answer.
        bucket: String,
        /// The key in the store.
        key: String,
        /// The upload.
        upload: UploadId,
    },
    /// Forget an upload and its parts.
    AbortUpload {
        /// The key in the store.
        key: String,
        /// The upload.
        upload: UploadId,
    },
}

/// Whether an object may be changed with these credentials.
pub(super) fn must_write(grant: &Grant, key: &str) -> Result<(), FacadeError> {
    if !grant.covers(key) {
        return Err(FacadeError::AccessDenied("The credentials are for another location."));
    }
    if grant.access != Access::Write {
        return Err(FacadeError::AccessDenied("The credentials are for reading only."));
    }
    if !is_of_a_table(&grant.prefix) {
        return Err(FacadeError::AccessDenied("Credentials that write are for one table."));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(FacadeError::KeyTooLong);
    }
    Ok(())
}

/// True for `warehouse/{namespace}/{table}` and what lies below it.
fn is_of_a_table(prefix: &str) -> bool {
    let mut segments = prefix.split('/');
    segments.next() == Some(WAREHOUSE) && segments.filter(|segment| !segment.is_empty()).count() >= 2
}

/// A request to change something.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) bucket: &'a str,
    pub(super) key: Option<String>,
    pub(super) query: &'a [(String, String)],
    pub(super) headers: &'a BTreeMap<String, String>,
}

impl Asked<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Says what to do, if the signer may.
    pub(super) fn plan(self, signed: &Verified) -> Result<Write, FacadeError> {
        let mut names: Vec<&str> =
            self.query.iter().map(|(name, _)| name.as_str()).filter(|name| !path::is_harmless(name)).collect();
        names.sort_unstable();
        let grant = &signed.grant;
        let Some(key) = self.key.clone() else {
            // The bucket itself is nobody's, and which objects a deletion means is in its body.
            if grant.access != Access::Write || (self.method, names.as_slice()) != ("POST", &["delete"]) {
                return Err(FacadeError::AccessDenied("The credentials do not change the bucket."));
            }
            let body = Some(self.instructions(signed)?);
            return Ok(Write::Instruct { instruction: Instruction::DeleteMany { grant: grant.clone() }, body });
        };
        must_write(grant, &key)?;
        if self.headers.contains_key("x-amz-copy-source") {
            return Err(FacadeError::NotImplemented);
        }
        let bucket = self.bucket.to_owned();
        let upload = || UploadId::parse(self.parameter("uploadId").unwrap_or_default());
        let without_body = |instruction| Ok(Write::Instruct { instruction, body: None });
        match (self.method, names.as_slice()) {
            ("PUT", []) => {
                let target = Target::Object(self.condition()?);
                Ok(Write::Store { key, target, body: BodySpec::read(self.headers, signed.payload()?, true)? })
            }
            ("PUT", ["partNumber", "uploadId"]) => {
                let number = part_number(self.parameter("partNumber").unwrap_or_default())?;
                let target = Target::Part { upload: upload()?, number };
                Ok(Write::Store { key, target, body: BodySpec::read(self.headers, signed.payload()?, true)? })
            }
            ("POST", ["uploads"]) => without_body(Instruction::CreateUpload { bucket, key }),
            ("POST", ["uploadId"]) => {
                if self.condition()? != PutCondition::Always {
                    return Err(FacadeError::NotImplemented);
                }
                let instruction = Instruction::CompleteUpload { bucket, key, upload: upload()? };
                Ok(Write::Instruct { instruction, body: Some(self.instructions(signed)?) })
            }
            ("DELETE", []) => {
                // The store removes without conditions, and what was removed against one does not come back.
                let is_conditional = self.headers.keys().any(|name| name.starts_with("x-amz-if-match-"));
                if is_conditional || self.condition()? != PutCondition::Always {
                    return Err(FacadeError::NotImplemented);
                }
                without_body(Instruction::Delete { key })
            }
            ("DELETE", ["uploadId"]) => without_body(Instruction::AbortUpload { key, upload: upload()? }),
            _ => Err(FacadeError::NotImplemented),
        }
    }

    fn instructions(&self, signed: &Verified) -> Result<BodySpec, FacadeError> {
        let body = BodySpec::read(self.headers, signed.payload()?, self.key.is_none())?;
        if body.length() > INSTRUCTIONS_BYTES_MAX { Err(FacadeError::EntityTooLarge) } else { Ok(body) }
    }

    /// `If-None-Match: *` or `If-Match` with one version: all that S3 has for writes.
    fn condition(&self) -> Result<PutCondition, FacadeError> {
        let header = |name: &str| self.headers.get(name).map(|value| value.trim());
        match (header("if-none-match"), header("if-match")) {
            (None, None) => Ok(PutCondition::Always),
            (Some("*"), None) => Ok(PutCondition::Absent),
            (None, Some(etag)) if etag != "*" && !etag.contains(',') => {
                Ok(PutCondition::Unchanged(ETag(etag.trim_matches('"').to_owned())))
            }
            _ => Err(FacadeError::NotImplemented),
        }
    }
}
