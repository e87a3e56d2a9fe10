//! What a token may do.
//!
//! A scope is a short text, because people write it on a command line: `all`, `ingest`, `lake:read`,
//! `namespace:sales:write`, `table:sales.orders:read`, `database:tenant-7:write`. Names are matched exactly and never as
//! patterns: a table called `*` or `a%` widens nothing (a known hole elsewhere). Characters of a name other than
//! letters, digits, `_` and `-` are percent-encoded in the text, so that `.` and `:` only ever separate.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::limits::SCOPE_BYTES_MAX;

/// Joins the levels of a nested namespace wherever a namespace is one string, as in the REST catalog's paths.
pub const NAMESPACE_SEPARATOR: char = '\u{1f}';

/// How far an access goes. Writing includes reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// One thing that a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything.
    All,
    /// Sending changes to the lake.
    Ingest,
    /// All namespaces and tables of the lake; not the databases that feed it.
    Lake(Access),
    /// All tables of one namespace, but not of those nested in it.
    Namespace {
        /// Levels joined by [`NAMESPACE_SEPARATOR`].
        namespace: String,
        /// How far.
        access: Access,
    },
    /// One table.
    Table {
        /// Levels joined by [`NAMESPACE_SEPARATOR`].
        namespace: String,
        /// Its name.
        table: String,
        /// How far.
        access: Access,
    },
    /// One database.
    Database {
        /// Its name.
        database: String,
        /// How far.
        access: Access,
    },
}

/// Something a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// What only `all` allows.
    Administer,
    /// Send changes to the lake.
    Ingest,
    /// Read or change anything in the lake.
    Lake(Access),
    /// Learn that a namespace exists: allowed by any scope inside it.
    SeeNamespace(&'a str),
    /// Read or change every table of a namespace.
    Namespace(&'a str, Access),
    /// Read or change one table: namespace, name.
    Table(&'a str, &'a str, Access),
    /// Read or change one database.
    Database(&'a str, Access),
}

/// A text that is not a scope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a scope; scopes are all, ingest, lake:read|write, namespace:NAME:read|write, \
     table:NAMESPACE.NAME:read|write and database:NAME:read|write"
)]
pub struct InvalidScope(pub String);

impl Scope {
    /// True if this scope alone allows `action`.
    pub fn allows(&self, action: Action<'_>) -> bool {
        match (self, action) {
            (Scope::All, _) | (Scope::Ingest, Action::Ingest) => true,
            (Scope::Lake(_), Action::SeeNamespace(_)) => true,
            (Scope::Lake(held), Action::Lake(wanted) | Action::Namespace(_, wanted) | Action::Table(_, _, wanted)) => {
                *held >= wanted
            }
            (Scope::Namespace { namespace, .. } | Scope::Table { namespace, .. }, Action::SeeNamespace(wanted)) => {
                namespace == wanted
            }
            (
                Scope::Namespace { namespace, access },
                Action::Namespace(wanted, far) | Action::Table(wanted, _, far),
            ) => namespace == wanted && *access >= far,
            (Scope::Table { namespace, table, access }, Action::Table(in_namespace, wanted, far)) => {
                namespace == in_namespace && table == wanted && *access >= far
            }
            (Scope::Database { database, access }, Action::Database(wanted, far)) => {
                database == wanted && *access >= far
            }
            _ => false,
        }
    }

    /// True if whatever `other` allows, this scope allows too: `other` may be handed on by who holds this one.
    pub fn includes(&self, other: &Scope) -> bool {
        match other {
            Scope::All => *self == Scope::All,
            Scope::Ingest => self.allows(Action::Ingest),
            Scope::Lake(access) => self.allows(Action::Lake(*access)),
            Scope::Namespace { namespace, access } => self.allows(Action::Namespace(namespace, *access)),
            Scope::Table { namespace, table, access } => self.allows(Action::Table(namespace, table, *access)),
            Scope::Database { database, access } => self.allows(Action::Database(database, *access)),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Scope, InvalidScope> {
        parse(text).ok_or_else(|| InvalidScope(text.chars().take(SCOPE_BYTES_MAX).collect()))
    }
}

fn parse(text: &str) -> Option<Scope> {
    if text.len() > SCOPE_BYTES_MAX {
        return None;
    }
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["all"] => Some(Scope::All),
        ["ingest"] => Some(Scope::Ingest),
        ["lake", access] => Some(Scope::Lake(parse_access(access)?)),
        ["namespace", name, access] => {
            Some(Scope::Namespace { namespace: parse_namespace(name)?, access: parse_access(access)? })
        }
        ["table", name, access] => {
            let (namespace, table) = name.rsplit_once('.')?;
            Some(Scope::Table {
                namespace: parse_namespace(namespace)?,
                table: decode_name(table)?,
                access: parse_access(access)?,
            })
        }
        ["database", name, access] => {
            Some(Scope::Database { database: decode_name(name)?, access: parse_access(access)? })
        }
        _ => None,
    }
}

fn parse_access(text: &str) -> Option<Access> {
    match text {
        "read" => Some(Access::Read),
        "write" => Some(Access::Write),
        _ => None,
    }
}

fn parse_namespace(text: &str) -> Option<String> {
    let levels: Option<Vec<String>> = text.split('.').map(decode_name).collect();
    Some(levels?.join(&NAMESPACE_SEPARATOR.to_string()))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn decode_name(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let [high, low, tail @ ..] = tail else { return None };
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            bytes.push((digit(high)? * 16 + digit(low)?) as u8);
            rest = tail;
        } else if is_plain(*first) {
            bytes.push(*first);
            rest = tail;
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty() && !name.contains(NAMESPACE_SEPARATOR))
}

fn encode_name(name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in name.bytes() {
        if is_plain(byte) {
            write!(formatter, "{}", char::from(byte))?;
        } else {
            write!(formatter, "%{byte:02X}")?;
        }
    }
    Ok(())
}

fn encode_namespace(namespace: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, level) in namespace.split(NAMESPACE_SEPARATOR).enumerate() {
        if index > 0 {
            formatter.write_str(".")?;
        }
        encode_name(level, formatter)?;
    }
    Ok(())
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => formatter.write_str("all"),
            Scope::Ingest => formatter.write_str("ingest"),
            Scope::Lake(access) => write!(formatter, "lake:{access}"),
            Scope::Namespace { namespace, access } => {
                formatter.write_str("namespace:")?;
                encode_namespace(namespace, formatter)?;
                write!(formatter, ":{access}")
            }
            Scope::Table { namespace, table, access } => {
                formatter.write_str("table:")?;
                encode_namespace(namespace, formatter)?;
                formatter.write_str(".")?;
                encode_name(table, formatter)?;
                write!(formatter, ":{access}")
            }
            Scope::Database { database, access } => {
                formatter.write_str("database:")?;
                encode_name(database, formatter)?;
                write!(formatter, ":{access}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(scope: &str, action: Action<'_>, allowed: bool) {
        assert_eq!(scope.parse::<Scope>().map(|scope| scope.allows(action)), Ok(allowed), "{scope} {action:?}");
    }

    #[test]
    fn all_allows_everything() {
        for action in [Action::Administer, Action::Ingest, Action::Lake(Access::Write), Action::SeeNamespace("a")] {
            check("all", action, true);
        }
        check("all", Action::Database("d", Access::Write), true);
    }

    #[test]
    fn writing_includes_reading_and_not_the_other_way() {
        check("lake:write", Action::Lake(Access::Read), true);
        check("lake:read", Action::Lake(Access::Write), false);
        check("table:a.t:write", Action::Table("a", "t", Access::Read), true);
        check("table:a.t:read", Action::Table("a", "t", Access::Write), false);
    }

    #[test]
    fn a_scope_ends_at_its_own_name() {
        check("namespace:a:read", Action::Table("a", "t", Access::Read), true);
        check("namespace:a:read", Action::Table("ab", "t", Access::Read), false);
        check("namespace:a:read", Action::Table("a\u{1f}b", "t", Access::Read), false);
        check("namespace:a.b:read", Action::Table("a\u{1f}b", "t", Access::Read), true);
        check("table:a.t:read", Action::Table("a", "t2", Access::Read), false);
        check("table:a.t:read", Action::Namespace("a", Access::Read), false);
        check("database:a:write", Action::Database("b", Access::Read), false);
        check("lake:write", Action::Database("a", Access::Read), false);
        check("ingest", Action::Lake(Access::Read), false);
        check("lake:write", Action::Administer, false);
    }

    #[test]
    fn a_namespace_is_seen_by_who_holds_anything_in_it() {
        check("table:a.t:read", Action::SeeNamespace("a"), true);
        check("namespace:a:read", Action::SeeNamespace("a"), true);
        check("table:a.t:read", Action::SeeNamespace("b"), false);
        check("ingest", Action::SeeNamespace("a"), false);
    }

    #[test]
    fn glob_characters_are_characters() {
        assert!("table:a.*:read".parse::<Scope>().is_err());
        check("table:a.%2A:read", Action::Table("a", "orders", Access::Read), false);
        check("table:a.%2A:read", Action::Table("a", "*", Access::Read), true);
        check("namespace:a%25:read", Action::Table("ab", "t", Access::Read), false);
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        for text in ["", "al", "ALL", "lake", "lake:", "lake:own", "table:t:read", "namespace::read", "a:b:c:d"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        for text in ["namespace:a..b:read", "namespace:%1F:read", "namespace:%F:read", "namespace:%FF:read"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_includes_only_what_it_allows() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        assert!(scope("all").includes(&scope("all")));
        assert!(scope("lake:write").includes(&scope("table:a.t:write")));
        assert!(scope("namespace:a:read").includes(&scope("table:a.t:read")));
        assert!(!scope("namespace:a:read").includes(&scope("table:a.t:write")));
        assert!(!scope("lake:write").includes(&scope("all")));
        assert!(!scope("lake:write").includes(&scope("ingest")));
    }

    proptest! {
        #[test]
        fn any_name_reads_back(namespace in "[^\u{1f}]{1,20}", table in "[^\u{1f}]{1,20}") {
            let scope = Scope::Table { namespace, table, access: Access::Write };
            prop_assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _read_or_refused = text.parse::<Scope>();
        }
    }
}
