//! Parts of Avro files that were written here, and the same files with other parts: lengths and markers are not found
//! by chance.

/// Bytes that a file begins with.
const MAGIC_BYTES: usize = 4;

/// Bytes of the marker behind the header of a file and behind each block.
const SYNC_BYTES: usize = 16;

const CODEC: &[u8] = b"avro.codec";

/// How records are compressed.
pub const CODECS: [&str; 4] = ["null", "deflate", "snappy", "zstandard"];

/// The records of a file of one block: a byte with their count, which is less than 64, and the codec, then what
/// they are.
pub fn records(file: &[u8]) -> Vec<u8> {
    let mut block = &file[header(file).len()..file.len() - SYNC_BYTES];
    let count = number(&mut block) as u8;
    [&[count], counted(&mut block)].concat()
}

/// The same records as a codec has them that compresses nothing. Snappy has a checksum besides, which is wrong.
pub fn compressed(records: &[u8], codec: u8) -> Vec<u8> {
    let (count, data) = records.split_first().expect("a count");
    let length = data.len() as u16;
    let head = match codec {
        1 => [&[1], length.to_le_bytes().as_slice(), &(!length).to_le_bytes()].concat(),
        2 => [&[length as u8 | 0x80, (length >> 7) as u8, 61 << 2], (length - 1).to_le_bytes().as_slice()].concat(),
        _ => {
            let block = (u32::from(length) << 3 | 1).to_le_bytes();
            [b"\x28\xb5\x2f\xfd\x60".as_slice(), &(length - 256).to_le_bytes(), &block[..3]].concat()
        }
    };
    let checksum = if codec == 2 { [0; 4].as_slice() } else { &[] };
    [&[codec << 6 | count], head.as_slice(), data, checksum].concat()
}

/// The same file with other records.
pub fn with_records(file: &[u8], records: &[u8]) -> Vec<u8> {
    let (count, records) = records.split_first().map_or((0, records), |(count, records)| (*count, records));
    let header = header(file);
    let mut bytes = with_codec(header, CODECS[usize::from(count >> 6)]);
    put_number(&mut bytes, usize::from(count & 0x3f));
    put_number(&mut bytes, records.len());
    bytes.extend_from_slice(records);
    bytes.extend_from_slice(&header[header.len() - SYNC_BYTES..]);
    bytes
}

/// The same file with another entry in its header.
pub fn with_entry(file: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let header = header(file);
    let entries: Vec<(&[u8], &[u8])> = entries(header)
        .into_iter()
        .map(|(held, before)| (held, if held == name.as_bytes() { value } else { before }))
        .collect();
    [&with_entries(header, &entries), &file[header.len()..]].concat()
}

/// An entry of a file's header.
pub fn entry<'a>(file: &'a [u8], name: &str) -> &'a [u8] {
    let found = entries(header(file)).into_iter().find(|(held, _)| *held == name.as_bytes());
    found.expect("an entry of the header").1
}

/// A header that says how records are compressed.
fn with_codec(header: &[u8], codec: &str) -> Vec<u8> {
    let mut entries = entries(header);
    entries.retain(|(name, _)| *name != CODEC);
    entries.push((CODEC, codec.as_bytes()));
    with_entries(header, &entries)
}

/// Of magic, then the entries in one block.
fn entries(header: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut rest = &header[MAGIC_BYTES..];
    let count = number(&mut rest);
    (0..count).map(|_| (counted(&mut rest), counted(&mut rest))).collect()
}

fn with_entries(header: &[u8], entries: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = header[..MAGIC_BYTES].to_vec();
    put_number(&mut bytes, entries.len());
    for (name, value) in entries {
        for part in [name, value] {
            put_number(&mut bytes, part.len());
            bytes.extend_from_slice(part);
        }
    }
    bytes.push(0);
    bytes.extend_from_slice(&header[header.len() - SYNC_BYTES..]);
    bytes
}

fn counted<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = number(rest);
    let (value, after) = rest.split_at(length);
    *rest = after;
    value
}

/// A number that is not negative, of a file that was written here.
fn number(rest: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, after) = rest.split_first().expect("a number");
        *rest = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value >> 1
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = number << 1;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// What stands before the first block: the marker that ends it ends the file, too.
fn header(file: &[u8]) -> &[u8] {
    let sync = &file[file.len() - SYNC_BYTES..];
    let at = file.windows(SYNC_BYTES).position(|window| window == sync).expect("a marker");
    &file[..at + SYNC_BYTES]
}
