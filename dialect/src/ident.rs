//! Names: unquoted ones fold to lower case, long ones are cut.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::SqlError;
use crate::limits::NAME_BYTES_MAX;
use crate::sqlstate;

/// The name that an identifier means.
pub fn fold(ident: &Ident) -> String {
    // Postgres folds ASCII only in a UTF-8 database with the C collation.
    let mut name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() };
    if name.len() > NAME_BYTES_MAX {
        let end = (0..=NAME_BYTES_MAX).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

/// The schema, if it was written, and the name.
pub fn object_name(name: &ObjectName) -> Result<(Option<String>, String), SqlError> {
    let mut parts = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(ident) => parts.push(fold(ident)),
            ObjectNamePart::Function(_) => return Err(SqlError::unsupported("a function in a name")),
        }
    }
    let last = parts.pop().ok_or_else(|| SqlError::new(sqlstate::SYNTAX_ERROR, "an empty name"))?;
    match (parts.pop(), parts.len()) {
        (schema, 0) => Ok((schema, last)),
        _ => Err(SqlError::unsupported(format!("a name of more than two parts ({name})"))),
    }
}
