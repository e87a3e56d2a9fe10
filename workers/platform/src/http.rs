//! Answers as the contract in `api` wants them: JSON, a request id on each, errors from the one table.

use futures::StreamExt;
use lake_api::limits::BODY_BYTES_MAX;
use lake_api::{ApiError, ErrorCode};
use lake_host::Random;
use worker::{ByteStream, Request, Response, Result};

/// Header that carries the id of a request across the scripts and back to the client.
pub const REQUEST_ID: &str = "x-request-id";

/// The id a request came with, if it is of a harmless form, else a new one.
pub fn request_id(request: &Request, random: &impl Random) -> Result<String> {
    Ok(id_of(request.headers().get(REQUEST_ID)?.as_deref(), random))
}

/// As [`request_id`], of the header's value.
pub fn id_of(given: Option<&str>, random: &impl Random) -> String {
    let is_harmless = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    given.filter(is_harmless).map_or_else(|| new_request_id(random), str::to_owned)
}

/// An id for a request.
pub fn new_request_id(random: &impl Random) -> String {
    format!("{:032x}", u128::from_be_bytes(random.id()))
}

/// A JSON body with a status and the request id.
pub fn json(body: String, status: u16, request_id: &str) -> Result<Response> {
    let mut response = Response::from_bytes(body.into_bytes())?.with_status(status);
    let headers = response.headers_mut();
    headers.set("content-type", "application/json")?;
    headers.set(REQUEST_ID, request_id)?;
    Ok(response)
}

/// An error answer.
pub fn error(error: &ApiError, request_id: &str) -> Result<Response> {
    json(error.to_json(request_id), error.code.status(), request_id)
}

/// The outcome of a handler as an answer.
pub fn answer(outcome: std::result::Result<String, ApiError>, request_id: &str) -> Result<Response> {
    match outcome {
        Ok(body) => json(body, 200, request_id),
        Err(reason) => error(&reason, request_id),
    }
}

/// What a call to another script or object failed with: nobody knows whether it arrived.
pub fn unreachable(what: &str, reason: &worker::Error) -> ApiError {
    worker::console_error!("{what}: {reason}");
    ApiError::new(ErrorCode::CommitStateUnknown, format!("{what} did not answer"))
        .hint("resend with the same Idempotency-Key, or read first")
}

/// Most bytes of a refused body that are read away: beyond, a client may see a cut connection in place of the answer. Two
/// parts of the size that engines upload.
const READ_AWAY_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

/// Reads what is left of a body and keeps nothing: a client that is still sending when the connection closes never sees
/// the answer.
pub async fn read_away(request: &mut Request) {
    // A body that was begun is read by nobody else.
    if request.inner().body().is_some()
        && let Ok(mut stream) = request.stream()
    {
        read_on(&mut stream).await;
    }
}

async fn read_on(stream: &mut ByteStream) {
    let mut read = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        read += chunk.len();
        if read > READ_AWAY_BYTES_MAX {
            break;
        }
    }
}

/// The whole body of a request from outside, of `most` bytes (whole MiB): refused before anything is kept if it says that it
/// is larger, and at the limit if it did not say.
pub async fn body(request: &mut Request, most: usize) -> Result<std::result::Result<Vec<u8>, ApiError>> {
    let too_large = || {
        ApiError::new(ErrorCode::BodyTooLarge, format!("the body is larger than {} MiB", most >> 20))
            .hint("send fewer rows in a request")
    };
    let announced = request.headers().get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        read_away(request).await;
        return Ok(Err(too_large()));
    }
    if announced.is_some() || request.inner().body().is_none() {
        return Ok(Ok(request.bytes().await?));
    }
    let mut stream = request.stream()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > most {
            drop(bytes);
            read_on(&mut stream).await;
            return Ok(Err(too_large()));
        }
    }
    Ok(Ok(bytes))
}
