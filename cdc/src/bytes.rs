//! The primitives of every layout in this crate: little-endian fixed integers, LEB128 lengths, counted bytes.
//!
//! A reader never trusts a length: it checks it against the bytes that are left before it allocates.

use thiserror::Error;

/// Why bytes were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    /// A field holds a value that its layout does not allow.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    /// There are bytes after the last field.
    #[error("{0} bytes after the end")]
    Trailing(usize),
    /// Something is larger than its bound.
    #[error("{0} is over its limit")]
    TooLarge(&'static str),
    /// The format or message byte is of a version this build does not know.
    #[error("{what} {found} is not known to this build")]
    Unknown {
        /// What the byte says: a format, a message.
        what: &'static str,
        /// The byte that was found.
        found: u8,
    },
}

/// Appends fields to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// A buffer that goes on after `bytes`.
    pub fn after(bytes: Vec<u8>) -> Writer {
        Writer { bytes }
    }

    /// The bytes so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True before the first byte.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Bytes as they are, without a count.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// Unsigned LEB128.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Zigzag, then LEB128.
    pub fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// A count, then the bytes.
    pub fn counted(&mut self, value: &[u8]) {
        self.varint(value.len() as u64);
        self.raw(value);
    }

    /// A count, then UTF-8.
    pub fn text(&mut self, value: &str) {
        self.counted(value.as_bytes());
    }

    /// 0 or 1, then the text if 1.
    pub fn optional_text(&mut self, value: Option<&str>) {
        match value {
            None => self.u8(0),
            Some(text) => {
                self.u8(1);
                self.text(text);
            }
        }
    }
}

/// Takes fields from a buffer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Refuses bytes after the last field.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(DecodeError::Trailing(count)),
        }
    }

    /// `count` bytes as they are.
    pub fn raw(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        if count > self.bytes.len() {
            return Err(DecodeError::Truncated(what));
        }
        let (head, tail) = self.bytes.split_at(count);
        self.bytes = tail;
        Ok(head)
    }

    /// A fixed number of bytes.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N, what)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(what)?[0])
    }

    /// 0 or 1.
    pub fn bool(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid(what)),
        }
    }

    /// Unsigned LEB128 of at most 64 bits, in its shortest form or not.
    pub fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Invalid(what));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid(what))
    }

    /// Zigzag LEB128.
    pub fn signed(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let value = self.varint(what)?;
        Ok(((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things of at least one byte each: never more than the bytes that are left.
    pub fn count(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let count = self.varint(what)?;
        if count > self.bytes.len() as u64 {
            return Err(DecodeError::Truncated(what));
        }
        Ok(count as usize)
    }

    /// A count, then that many bytes.
    pub fn counted(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let count = self.count(what)?;
        self.raw(count, what)
    }

    /// A count, then UTF-8.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.counted(what)?).map_err(|_| DecodeError::Invalid(what))
    }

    /// 0, or 1 and a text.
    pub fn optional_text(&mut self, what: &'static str) -> Result<Option<&'a str>, DecodeError> {
        if self.bool(what)? { self.text(what).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_read_back(unsigned: u64, signed: i64) {
            let mut writer = Writer::new();
            writer.varint(unsigned);
            writer.signed(signed);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint("u"), Ok(unsigned));
            prop_assert_eq!(reader.signed("s"), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_anything_is_allocated() {
        let mut writer = Writer::new();
        writer.varint(u64::MAX);
        let bytes = writer.into_bytes();
        assert_eq!(Reader::new(&bytes).counted("name"), Err(DecodeError::Truncated("name")));
    }

    #[test]
    fn an_integer_of_more_than_64_bits_is_refused() {
        let bytes = [0xff; 9].into_iter().chain([0x02]).collect::<Vec<u8>>();
        assert_eq!(Reader::new(&bytes).varint("n"), Err(DecodeError::Invalid("n")));
    }
}
