//! The query of a request.

use percent_encoding::percent_decode_str;

use super::RestError;
use crate::limits::PAGE_MAX;

/// Decoded pairs in the order they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

/// Which part of a listing is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// All: the client does not page.
    All,
    /// At most `size` names after `after`.
    After { after: Option<String>, size: usize },
}

impl Query {
    /// Reads `a=b&c=d`.
    pub(crate) fn parse(text: &str) -> Result<Query, RestError> {
        let decode = |part: &str| {
            let spaces = part.replace('+', " ");
            let decoded = percent_decode_str(&spaces).decode_utf8().map(|text| text.into_owned());
            decoded.map_err(|_| RestError::BadRequest("The query is not UTF-8".to_owned()))
        };
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Query { pairs })
    }

    /// The first value of a name.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `pageToken` and `pageSize`. A page begins after the name in its token.
    pub(crate) fn page(&self) -> Result<Page, RestError> {
        let size = match self.find("pageSize").filter(|size| !size.is_empty()) {
            None => None,
            Some(size) => match size.parse::<usize>() {
                Ok(size) if size > 0 => Some(size.min(PAGE_MAX)),
                _ => return Err(RestError::BadRequest("pageSize is not a positive number".to_owned())),
            },
        };
        let token = self.find("pageToken");
        if token.is_none() && size.is_none() {
            return Ok(Page::All);
        }
        let after = token.filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Page::After { after, size: size.unwrap_or(PAGE_MAX) })
    }
}

impl Page {
    /// The names of this page out of all in order, and the token of the next.
    pub(crate) fn cut(&self, mut names: Vec<String>) -> (Vec<String>, Option<String>) {
        let Page::After { after, size } = self else { return (names, None) };
        if let Some(after) = after {
            names.retain(|name| name > after);
        }
        let more = names.len() > *size;
        names.truncate(*size);
        let next = if more { names.last().cloned() } else { None };
        (names, next)
    }
}
