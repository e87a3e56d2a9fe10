//! Which storage engines get credentials for: this lake's own facade, or the bucket's own S3 address.
//!
//! Read from the deployment's settings as text; what cannot be used is kept with its reason, so that engines are told it
//! while the lake goes on committing.

use crate::bucket_credentials::BucketKey;

/// What chooses: `facade`, or `r2` for the bucket's own address.
pub(crate) const CHOICE: &str = "STORAGE_CREDENTIALS";
/// The bucket's S3 address without the bucket, `https://{account id}.r2.cloudflarestorage.com`.
pub(crate) const ENDPOINT: &str = "R2_ENDPOINT";
/// The access key id of the token that temporary credentials are made from.
pub(crate) const ACCESS_KEY_ID: &str = "R2_ACCESS_KEY_ID";
/// Its secret.
pub(crate) const SECRET_ACCESS_KEY: &str = "R2_SECRET_ACCESS_KEY";

/// Which storage the credentials of a loaded table are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VendedStorage {
    /// The S3 facade of this lake, at the address at which the client reached the catalog.
    #[default]
    Facade,
    /// The bucket's own S3 address, with temporary credentials made from this key.
    Bucket(BucketKey),
    /// The settings cannot be used. Why.
    Misconfigured(String),
}

impl VendedStorage {
    /// What the settings say; `find` gives one by its name.
    pub fn read(find: impl Fn(&str) -> Option<String>) -> VendedStorage {
        let find = |name| find(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let misconfigured = |reason: String| VendedStorage::Misconfigured(reason);
        match find(CHOICE).as_deref() {
            None | Some("facade") => VendedStorage::Facade,
            Some("r2") => {
                let mut found = [ENDPOINT, ACCESS_KEY_ID, SECRET_ACCESS_KEY].map(|name| (name, find(name)));
                if let Some((name, _)) = found.iter().find(|(_, value)| value.is_none()) {
                    return misconfigured(format!("{CHOICE} is r2, and {name} is not set"));
                }
                let [endpoint, id, secret] = found.each_mut().map(|(_, value)| value.take().unwrap_or_default());
                BucketKey::new(&endpoint, &id, &secret)
                    .map_or_else(|reason| misconfigured(reason.to_string()), VendedStorage::Bucket)
            }
            Some(other) => misconfigured(format!("{CHOICE} is facade or r2, not `{other}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com";

    fn read(settings: &[(&str, &str)]) -> VendedStorage {
        VendedStorage::read(|name| {
            settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn check_refused(settings: &[(&str, &str)], words: &str) {
        match read(settings) {
            VendedStorage::Misconfigured(reason) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_facade_is_what_nobody_has_to_choose() {
        assert_eq!(read(&[]), VendedStorage::Facade);
        assert_eq!(read(&[(CHOICE, "facade")]), VendedStorage::Facade);
        assert_eq!(read(&[(CHOICE, ""), (ENDPOINT, "x")]), VendedStorage::Facade);
    }

    #[test]
    fn the_bucket_itself_is_chosen_with_a_key() {
        let chosen = read(&[(CHOICE, "r2"), (ENDPOINT, ADDRESS), (ACCESS_KEY_ID, "id"), (SECRET_ACCESS_KEY, "s\n")]);
        assert_eq!(chosen, VendedStorage::Bucket(BucketKey::new(ADDRESS, "id", "s").unwrap()));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        check_refused(&[(CHOICE, "s3")], "STORAGE_CREDENTIALS is facade or r2, not `s3`");
        check_refused(&[(CHOICE, "r2")], "R2_ENDPOINT is not set");
        check_refused(&[(CHOICE, "r2"), (ENDPOINT, ADDRESS)], "R2_ACCESS_KEY_ID is not set");
        check_refused(&[(CHOICE, "r2"), (ENDPOINT, ADDRESS), (ACCESS_KEY_ID, "id")], "R2_SECRET_ACCESS_KEY is not set");
        let wrong = [(CHOICE, "r2"), (ENDPOINT, "http://x"), (ACCESS_KEY_ID, "id"), (SECRET_ACCESS_KEY, "s")];
        check_refused(&wrong, "R2_ENDPOINT");
    }
}
