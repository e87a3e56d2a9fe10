//! Bodies as clients send them: AWS' published examples of signed chunks, and framings made here.

use super::*;
use crate::facade::signature::{SigningKey, hex};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const TIME: &str = "20130524T000000Z";
const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

fn signer(seed: &str) -> Option<ChunkSigner> {
    Some(ChunkSigner::new(SigningKey::new(SECRET, SCOPE), TIME.into(), SCOPE.into(), seed.into()))
}

fn headers(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn spec(payload: Payload, length: usize, lines: &[(&str, &str)]) -> BodySpec {
    let mut headers = headers(lines);
    let name =
        if matches!(payload, Payload::Chunks { .. }) { "x-amz-decoded-content-length" } else { "content-length" };
    headers.insert(name.into(), length.to_string());
    BodySpec::read(&headers, payload, true).unwrap()
}

/// What a body gives: its object, or why not.
fn object(spec: &BodySpec, body: &[u8]) -> Result<Vec<u8>, FacadeError> {
    decode(spec, &[body]).map(|(object, _)| object)
}

fn unsigned_chunks() -> Payload {
    Payload::Chunks { signer: None, has_trailer: true }
}

/// As pyarrow sends it.
fn with_trailer(data: &[u8], trailer: &str) -> Vec<u8> {
    let mut body = format!("{:X}\r\n", data.len()).into_bytes();
    body.extend_from_slice(data);
    body.extend_from_slice(format!("\r\n0\r\n{trailer}\r\n\r\n").as_bytes());
    body
}

/// The example of "Signature Calculations: Transferring Payload in Multiple Chunks": 65 KiB of `a` in two chunks.
fn published(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (length, signature) in [65_536, 1_024, 0].into_iter().zip(signatures) {
        body.extend_from_slice(format!("{length:x};chunk-signature={signature}\r\n").as_bytes());
        body.resize(body.len() + length, b'a');
        if length > 0 {
            body.extend_from_slice(b"\r\n");
        }
    }
    body.extend_from_slice(end.as_bytes());
    body
}

const CHUNKS: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];

fn signed() -> BodySpec {
    spec(Payload::Chunks { signer: signer(SEED), has_trailer: false }, 66_560, &[])
}

#[test]
fn the_published_example_of_signed_chunks_verifies() {
    assert_eq!(object(&signed(), &published(CHUNKS, "\r\n")), Ok(vec![b'a'; 66_560]));
}

#[test]
fn the_published_example_of_a_signed_trailer_verifies() {
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let chunks = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let signature = "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    let payload = || Payload::Chunks { signer: signer(seed), has_trailer: true };
    let spec = spec(payload(), 66_560, &[("x-amz-trailer", "x-amz-checksum-crc32c")]);
    for between in ["\r\n", "\n\r\n"] {
        let end = format!("x-amz-checksum-crc32c:sOO8/Q=={between}{signature}\r\n\r\n");
        assert_eq!(object(&spec, &published(chunks, &end)), Ok(vec![b'a'; 66_560]), "{between:?}");
    }
    let other = format!("x-amz-checksum-crc32c:sOO8/g==\r\n{signature}\r\n\r\n");
    assert_eq!(object(&spec, &published(chunks, &other)), Err(FacadeError::SignatureDoesNotMatch));
    let unsigned = "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n";
    assert_eq!(object(&spec, &published(chunks, unsigned)), Err(FacadeError::IncompleteBody));
}

#[test]
fn a_chunk_that_was_changed_moved_or_left_out_is_refused() {
    let mut changed = published(CHUNKS, "\r\n");
    changed[70_000 - 4_000] ^= 1;
    assert_eq!(object(&signed(), &changed), Err(FacadeError::SignatureDoesNotMatch));
    let moved = published([CHUNKS[1], CHUNKS[0], CHUNKS[2]], "\r\n");
    assert_eq!(object(&signed(), &moved), Err(FacadeError::SignatureDoesNotMatch));
    let whole = published(CHUNKS, "\r\n");
    for length in [0, 10, 65_000, 65_700, 66_800, whole.len() - 10] {
        assert!(object(&signed(), &whole[..length]).is_err(), "{length}");
    }
    let other_seed = spec(Payload::Chunks { signer: signer(CHUNKS[0]), has_trailer: false }, 66_560, &[]);
    assert_eq!(object(&other_seed, &whole), Err(FacadeError::SignatureDoesNotMatch));
    let shorter = spec(Payload::Chunks { signer: signer(SEED), has_trailer: false }, 66_559, &[]);
    assert!(object(&shorter, &whole).is_err());
}

#[test]
fn a_body_that_is_not_what_was_signed_is_refused() {
    let hash = |data: &[u8]| Payload::Hash(Sha256::digest(data).into());
    assert_eq!(object(&spec(hash(b"abc"), 3, &[]), b"abc"), Ok(b"abc".to_vec()));
    assert_eq!(object(&spec(hash(b"abc"), 3, &[]), b"abd"), Err(FacadeError::ContentHashMismatch));
    assert_eq!(object(&spec(hash(b""), 0, &[]), b""), Ok(Vec::new()));
}

#[test]
fn a_body_of_another_length_is_refused() {
    assert_eq!(object(&spec(Payload::Unsigned, 3, &[]), b"ab"), Err(FacadeError::IncompleteBody));
    assert!(matches!(object(&spec(Payload::Unsigned, 3, &[]), b"abcd"), Err(FacadeError::InvalidRequest(_))));
    assert_eq!(BodySpec::read(&headers(&[]), Payload::Unsigned, true), Err(FacadeError::MissingContentLength));
    let no_decoded = headers(&[("content-length", "3")]);
    assert_eq!(BodySpec::read(&no_decoded, unsigned_chunks(), true), Err(FacadeError::MissingContentLength));
    let huge = headers(&[("content-length", "5368709121")]);
    assert_eq!(BodySpec::read(&huge, Payload::Unsigned, true), Err(FacadeError::EntityTooLarge));
}

#[test]
fn checksums_in_headers_are_verified_and_repeated() {
    let right = [("content-md5", "kAFQmDzST7DWlj99KOF/cg=="), ("x-amz-checksum-crc32", "NSRBwg==")];
    let (_, finished) = decode(&spec(Payload::Unsigned, 3, &right), &[b"abc"]).unwrap();
    assert_eq!(finished.checksums, [("x-amz-checksum-crc32".to_owned(), "NSRBwg==".to_owned())]);
    for (name, value) in right {
        assert_eq!(
            object(&spec(Payload::Unsigned, 3, &[(name, value)]), b"abd"),
            Err(FacadeError::BadDigest),
            "{name}"
        );
    }
    let headers = headers(&[("content-length", "3"), ("content-md5", "x")]);
    assert_eq!(BodySpec::read(&headers, Payload::Unsigned, true), Err(FacadeError::InvalidDigest));
}

#[test]
fn checksums_behind_the_body_are_verified() {
    let announced = [("x-amz-trailer", "x-amz-checksum-crc64nvme")];
    let spec = |lines: &[(&str, &str)]| spec(unsigned_chunks(), 9, lines);
    let body = |trailer: &str| with_trailer(b"123456789", trailer);
    let right = "x-amz-checksum-crc64nvme:rosUhgp5mIg=";
    assert_eq!(object(&spec(&announced), &body(right)), Ok(b"123456789".to_vec()));
    let wrong = "x-amz-checksum-crc64nvme:rosUhgp5mIk=";
    assert_eq!(object(&spec(&announced), &body(wrong)), Err(FacadeError::BadDigest));
    assert_eq!(object(&spec(&announced), &body("x: y")), Err(FacadeError::MalformedTrailer));
    assert_eq!(object(&spec(&[]), &body(right)), Err(FacadeError::MalformedTrailer));
    assert_eq!(object(&spec(&announced), &with_trailer(b"12345678", right)), Err(FacadeError::IncompleteBody));
}

#[test]
fn framing_that_makes_no_sense_is_refused() {
    let spec = spec(unsigned_chunks(), 3, &[]);
    assert_eq!(object(&spec, b"3\r\nabc\r\n0\r\n\r\n"), Ok(b"abc".to_vec()));
    assert_eq!(object(&spec, b"3\nabc\n0\n"), Ok(b"abc".to_vec()));
    for body in [
        "",
        "3",
        "3\r\nabc",
        "3\r\nabc\r\n",
        "3\r\nabc\r\n0",
        "x\r\nabc\r\n0\r\n\r\n",
        "\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "11111111111111111\r\nabc",
        "3\r\nabc\r\n0\r\n\r\nabc",
        "3\r\nabc\r\n0\r\nnothing\r\n\r\n",
    ] {
        assert!(object(&spec, body.as_bytes()).is_err(), "{body:?}");
    }
    assert!(object(&spec, &[b'1'; 5_000]).is_err());
}

#[test]
fn a_body_fails_alike_in_whatever_pieces_it_comes() {
    let spec = spec(unsigned_chunks(), 1, &[]);
    let body: [&[u8]; 2] = [b"1\r\nx\r\n1\r\na", b":b\r\n\r\n"];
    let pieces = decode(&spec, &body);
    assert_eq!(pieces, Err(FacadeError::InvalidRequest(TOO_LONG)));
    assert_eq!(decode(&spec, &[&body.concat()]), pieces);
}

#[test]
fn the_last_byte_is_kept_until_all_is_known() {
    let mut decoder = BodyDecoder::new(&spec(Payload::Unsigned, 3, &[]));
    assert_eq!(decoder.push(b"ab"), Ok(b"ab".to_vec()));
    assert_eq!(decoder.push(b"c"), Ok(Vec::new()));
    assert_eq!(decoder.finish().map(|finished| finished.last), Ok(Some(b'c')));
}

#[test]
fn the_checksums_of_instructions_are_of_the_object_that_they_make() {
    let lines = headers(&[("content-length", "3"), ("x-amz-checksum-crc32", "AAAAAA==")]);
    assert_eq!(object(&BodySpec::read(&lines, Payload::Unsigned, false).unwrap(), b"abc"), Ok(b"abc".to_vec()));
}

/// Signs chunks as a client does.
fn sign(chunks: &[Vec<u8>]) -> Vec<u8> {
    let key = SigningKey::new(SECRET, SCOPE);
    let mut previous = SEED.to_owned();
    let mut body = Vec::new();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()).chain([&Vec::new()]) {
        let hashes = format!("{}\n{}", hex(&Sha256::digest(b"")), hex(&Sha256::digest(chunk)));
        previous = key.sign(&["AWS4-HMAC-SHA256-PAYLOAD", TIME, SCOPE, &previous, &hashes].join("\n"));
        body.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body
}

fn cut<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_cut_of_a_body_gives_the_same(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        change in proptest::option::of((any::<usize>(), any::<u8>())),
        is_signed: bool,
    ) {
        let data = chunks.concat();
        let (payload, mut body) = match is_signed {
            true => (Payload::Chunks { signer: signer(SEED), has_trailer: false }, sign(&chunks)),
            false => (unsigned_chunks(), with_trailer(&data, "a:b")),
        };
        let spec = spec(payload, data.len(), &[]);
        if let Some((at, byte)) = change {
            let at = at % body.len();
            body[at] = byte;
        }
        let whole = decode(&spec, &[&body]);
        prop_assert_eq!(&decode(&spec, &cut(&body, &cuts)), &whole);
        if change.is_none() && (is_signed || !data.is_empty()) {
            prop_assert_eq!(whole.map(|(object, _)| object), Ok(data));
        }
    }

    #[test]
    fn no_body_panics(body: Vec<u8>, text in "[0-9a-f;=:\r\nx-]{0,60}", length in 0usize..80) {
        for payload in [Payload::Unsigned, unsigned_chunks(), Payload::Chunks { signer: signer(SEED), has_trailer: true }] {
            let spec = spec(payload, length, &[("x-amz-trailer", "x-amz-checksum-crc32")]);
            let _decoded_or_refused = (object(&spec, &body), object(&spec, text.as_bytes()));
        }
    }
}
