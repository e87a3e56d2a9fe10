//! Seeds: the inputs that a target starts from, and the parts that inputs are made of.

use std::path::Path;

/// Inputs by their names.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// Writes the seeds of a target and ends the process, if `LAKE_FUZZ_SEEDS` names a folder for them.
pub fn write_if_asked(target: &str, seeds: impl FnOnce() -> Seeds) {
    let Some(folder) = std::env::var_os("LAKE_FUZZ_SEEDS") else { return };
    let folder = Path::new(&folder).join(target);
    std::fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (name, bytes) in seeds() {
        std::fs::write(folder.join(name), bytes).expect("a seed is written");
    }
    std::process::exit(0);
}

/// A seed whose first byte says which decoder it is for.
pub fn chosen(choice: u8, name: &str, bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), [&[choice], bytes.as_ref()].concat())
}

/// Splits off the byte that says which decoder an input is for.
pub fn choice(data: &[u8]) -> Option<(u8, &[u8])> {
    data.split_first().map(|(choice, rest)| (*choice, rest))
}

/// Steps of a conversation: each a kind, a length of two bytes and so many bytes; the last one may be short.
pub fn steps(mut data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut steps = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([head[1], head[2]])).min(rest.len());
        let (bytes, after) = rest.split_at(length);
        steps.push((head[0], bytes));
        data = after;
    }
    steps
}

/// A conversation for a seed.
pub fn conversation(steps: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (kind, bytes) in steps {
        data.push(*kind);
        data.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        data.extend_from_slice(bytes);
    }
    data
}

/// Asserts that what was decoded is written and read as the same. `again` decodes and encodes; values that are no number
/// are not equal to themselves, so bytes are compared.
pub fn assert_reads_back(encoded: Vec<u8>, again: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
    assert_eq!(again(&encoded).as_deref(), Some(encoded.as_slice()), "what was encoded does not read back");
}
