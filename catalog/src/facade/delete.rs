//! DeleteObjects: up to a thousand keys in one request, each allowed or refused by itself.

use lake_api::storage_key::Grant;

use super::write::must_write;
use super::xml::{Element, NAMESPACE, PROLOGUE, escape, parse};
use super::{FacadeError, FacadeResponse, path};
use crate::limits::DELETED_KEYS_MAX;

/// What a request wants to have removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    /// Keys that may be removed.
    pub(super) keys: Vec<String>,
    /// Keys that may not, and why.
    pub(super) refused: Vec<(String, FacadeError)>,
    /// Only what failed is answered.
    is_quiet: bool,
}

/// The keys that a body names, whoever asks.
pub(crate) fn keys(body: &[u8]) -> Result<Vec<String>, FacadeError> {
    let root = parse(body, "Delete")?;
    let objects = root.children.iter().filter(|child| child.name == "Object");
    objects.map(|object| object.child("Key").map(str::to_owned).ok_or(FacadeError::MalformedXml)).collect()
}

/// Reads the body and looks at every key.
pub(super) fn plan(body: &[u8], grant: &Grant) -> Result<Deletion, FacadeError> {
    let root = parse(body, "Delete")?;
    let mut deletion = Deletion { is_quiet: root.child("Quiet") == Some("true"), ..Deletion::default() };
    for object in root.children.iter().filter(|child| child.name == "Object") {
        let key = object.child("Key").filter(|key| !key.is_empty()).ok_or(FacadeError::MalformedXml)?;
        match may_delete(object, key, grant) {
            Ok(()) => deletion.keys.push(key.to_owned()),
            Err(reason) => deletion.refused.push((key.to_owned(), reason)),
        }
    }
    let count = deletion.keys.len() + deletion.refused.len();
    if count == 0 || count > DELETED_KEYS_MAX {
        return Err(FacadeError::MalformedXml);
    }
    Ok(deletion)
}

fn may_delete(object: &Element, key: &str, grant: &Grant) -> Result<(), FacadeError> {
    path::check_decoded(key)?;
    must_write(grant, key)?;
    // A version that is not the present one, or a condition.
    if object
        .children
        .iter()
        .any(|child| !matches!((child.name.as_str(), child.text.as_str()), ("Key", _) | ("VersionId", "null")))
    {
        return Err(FacadeError::NotImplemented);
    }
    Ok(())
}

pub(super) fn answer(deletion: &Deletion) -> FacadeResponse {
    let mut xml = format!("{PROLOGUE}<DeleteResult {NAMESPACE}>");
    if !deletion.is_quiet {
        for key in &deletion.keys {
            xml.push_str(&format!("<Deleted><Key>{}</Key></Deleted>", escape(key)));
        }
    }
    for (key, reason) in &deletion.refused {
        let (key, message) = (escape(key), escape(&reason.to_string()));
        xml.push_str(&format!(
            "<Error><Key>{key}</Key><Code>{}</Code><Message>{message}</Message></Error>",
            reason.kind().1
        ));
    }
    xml.push_str("</DeleteResult>");
    FacadeResponse::xml(xml)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake_api::scope::Access;
    use proptest::prelude::*;

    fn grant() -> Grant {
        let prefix = "warehouse/default/mine".to_owned();
        Grant { prefix, access: Access::Write, expires_at: 0, is_session: true }
    }

    fn check(objects: &str, expected: &str) {
        let body = format!("<Delete {NAMESPACE}>{objects}</Delete>");
        let text = match plan(body.as_bytes(), &grant()) {
            Ok(deletion) => {
                let refused = deletion.refused.iter().map(|(key, reason)| format!("{key}: {}", reason.kind().1));
                let keys = deletion.keys.iter().cloned().chain(refused);
                keys.map(|key| key.replace("warehouse/default/mine", "~")).collect::<Vec<_>>().join(", ")
            }
            Err(reason) => reason.kind().1.to_owned(),
        };
        assert_eq!(text, expected, "{objects}");
    }

    fn object(key: &str) -> String {
        format!("<Object><Key>{key}</Key></Object>")
    }

    #[test]
    fn each_key_is_allowed_or_refused_by_itself() {
        let keys = ["warehouse/default/mine/a", "warehouse/default/other/a", "warehouse/default/mine/b &amp; c"];
        check(&keys.map(object).concat(), "~/a, ~/b & c, warehouse/default/other/a: AccessDenied");
        check(&object("_lake/commits/1"), "_lake/commits/1: AccessDenied");
        check(&object("warehouse/default/mine/../other/a"), "~/../other/a: InvalidURI");
        check(&object("warehouse/default/mine"), "~: AccessDenied");
    }

    #[test]
    fn a_version_or_a_condition_is_refused() {
        let object = |rest: &str| format!("<Object><Key>warehouse/default/mine/a</Key>{rest}</Object>");
        check(&object("<VersionId>null</VersionId>"), "~/a");
        check(&object("<VersionId>1</VersionId>"), "~/a: NotImplemented");
        check(&object("<ETag>x</ETag>"), "~/a: NotImplemented");
    }

    #[test]
    fn nothing_and_too_much_are_malformed() {
        check("", "MalformedXML");
        check("<Object></Object>", "MalformedXML");
        check(&object("warehouse/default/mine/a").repeat(1_001), "MalformedXML");
    }

    #[test]
    fn a_quiet_answer_has_errors_only() {
        let body = ["warehouse/default/mine/a", "warehouse/b"].map(object).concat();
        let answer = |quiet: &str| {
            let body = format!("<Delete>{quiet}{body}</Delete>");
            String::from_utf8(answer(&plan(body.as_bytes(), &grant()).unwrap()).body).unwrap()
        };
        let loud = answer("");
        assert!(
            loud.contains("<Deleted><Key>warehouse/default/mine/a</Key></Deleted><Error><Key>warehouse/b</Key>"),
            "{loud}"
        );
        let quiet = answer("<Quiet>true</Quiet>");
        assert!(!quiet.contains("Deleted") && quiet.contains("<Code>AccessDenied</Code>"), "{quiet}");
    }

    proptest! {
        /// Whatever the body is, what may be removed is below the prefix.
        #[test]
        fn no_body_reaches_outside(keys in proptest::collection::vec("(warehouse/default/mine)?[./a]{0,4}", 1..4)) {
            let body = format!("<Delete>{}</Delete>", keys.iter().map(|key| object(key)).collect::<String>());
            if let Ok(deletion) = plan(body.as_bytes(), &grant()) {
                let inside = |key: &String| key.starts_with("warehouse/default/mine/") && !key.split('/').any(|segment| segment == "..");
                prop_assert!(deletion.keys.iter().all(inside), "{:?}", deletion.keys);
            }
        }
    }
}
