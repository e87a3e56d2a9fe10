//! The command line: `--name value`, `--flag` and plain words, each known or refused.

use std::str::FromStr;

use anyhow::{Result, anyhow, bail};

/// Arguments that are taken out one by one; what is left over is an error.
pub(crate) struct Options {
    arguments: Vec<String>,
}

impl Options {
    /// All arguments after the command's name.
    pub(crate) fn new(arguments: &[String]) -> Self {
        Self { arguments: arguments.to_vec() }
    }

    /// Whether the flag was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let count = self.arguments.len();
        self.arguments.retain(|argument| argument != name);
        self.arguments.len() < count
    }

    /// The value of the last `--name value` or `--name=value`.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.values(name)?.pop())
    }

    /// The values of every `--name value` or `--name=value`.
    pub(crate) fn values(&mut self, name: &str) -> Result<Vec<String>> {
        let mut values = Vec::new();
        let mut rest = Vec::new();
        let mut arguments = std::mem::take(&mut self.arguments).into_iter();
        while let Some(argument) = arguments.next() {
            if argument == name {
                values.push(arguments.next().ok_or_else(|| anyhow!("{name} needs a value"))?);
            } else if let Some(value) = argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
                values.push(value.to_owned());
            } else {
                rest.push(argument);
            }
        }
        self.arguments = rest;
        Ok(values)
    }

    /// A value that is a number.
    pub(crate) fn number<N: FromStr>(&mut self, name: &str) -> Result<Option<N>> {
        match self.value(name)? {
            Some(text) => Ok(Some(text.parse().map_err(|_| anyhow!("{name} is a number, not '{text}'"))?)),
            None => Ok(None),
        }
    }

    /// What is no option.
    pub(crate) fn words(&mut self) -> Vec<String> {
        let (options, words) = std::mem::take(&mut self.arguments).into_iter().partition(|word| word.starts_with("--"));
        self.arguments = options;
        words
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<()> {
        match self.arguments.first() {
            Some(argument) => bail!("'{argument}' is not known here"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options { arguments: line.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn values_come_with_and_without_an_equals_sign() {
        let mut options = options("--port 1 --state=x word --once");
        assert_eq!(options.number::<u16>("--port").expect("a number"), Some(1));
        assert_eq!(options.value("--state").expect("a value"), Some("x".to_owned()));
        assert!(options.flag("--once"));
        assert_eq!(options.words(), ["word"]);
        options.finish().expect("nothing is left");
    }

    #[test]
    fn what_is_unknown_or_cut_short_is_refused() {
        assert!(options("--prot 1").finish().is_err());
        assert!(options("--port").value("--port").is_err());
        assert!(options("--port x").number::<u16>("--port").is_err());
    }
}
