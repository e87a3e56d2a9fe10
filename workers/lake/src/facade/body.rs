//! Bodies of storage requests as streams: what comes from the client goes through the decoder as it comes.

use std::cell::RefCell;
use std::rc::Rc;

use futures::{Stream, StreamExt, stream};
use lake_catalog::facade::{BodyDecoder, BodySpec, FacadeError, Finished};
use worker::{ByteStream, Error, Request, Result};

/// What was found of a body; `None` as long as it is not over.
pub(crate) type Verdict = Rc<RefCell<Option<std::result::Result<Finished, FacadeError>>>>;

/// The bytes of the object in a body. Ends with an error, and with at least one byte not given out, if the body is not
/// what it promised to be.
pub(crate) fn decoded(
    request: &mut Request,
    spec: &BodySpec,
    verdict: &Verdict,
) -> Result<impl Stream<Item = Result<Vec<u8>>> + use<>> {
    let decoding = Decoding { source: source(request)?, decoder: BodyDecoder::new(spec), verdict: Rc::clone(verdict) };
    Ok(stream::unfold(Some(decoding), |decoding| async move {
        let mut decoding = decoding?;
        match decoding.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(decoding))),
            Ok(None) => match decoding.finish() {
                Ok(Some(last)) => Some((Ok(vec![last]), None)),
                Ok(None) => None,
                Err(reason) => Some((Err(Error::RustError(reason.to_string())), None)),
            },
            Err(reason) => {
                decoding.verdict.replace(Some(Err(reason.clone())));
                Some((Err(Error::RustError(reason.to_string())), None))
            }
        }
    }))
}

struct Decoding {
    source: Option<ByteStream>,
    decoder: BodyDecoder,
    verdict: Verdict,
}

impl Decoding {
    /// The next bytes of the object; `None` at the end of the body.
    async fn next(&mut self) -> std::result::Result<Option<Vec<u8>>, FacadeError> {
        let Some(source) = &mut self.source else { return Ok(None) };
        while let Some(came) = source.next().await {
            // The client is gone.
            let bytes = came.map_err(|_| FacadeError::IncompleteBody)?;
            let decoded = self.decoder.push(&bytes)?;
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }

    /// The last byte, if the body was what it promised.
    fn finish(self) -> std::result::Result<Option<u8>, FacadeError> {
        let finished = self.decoder.finish();
        let last = finished.clone().map(|finished| finished.last);
        self.verdict.replace(Some(finished));
        last
    }
}

/// A body in memory, decoded and verified.
pub(crate) async fn whole(
    request: &mut Request,
    spec: &BodySpec,
) -> Result<std::result::Result<(Vec<u8>, Finished), FacadeError>> {
    let verdict = Verdict::default();
    let mut bytes = Vec::with_capacity(usize::try_from(spec.length()).unwrap_or_default());
    let mut stream = std::pin::pin!(decoded(request, spec, &verdict)?);
    while let Some(Ok(decoded)) = stream.next().await {
        bytes.extend_from_slice(&decoded);
    }
    let found = verdict.take().unwrap_or(Err(FacadeError::IncompleteBody));
    Ok(found.map(|finished| (bytes, finished)))
}

/// `None` for a request without a body.
fn source(request: &mut Request) -> Result<Option<ByteStream>> {
    if request.inner().body().is_none() {
        return Ok(None);
    }
    request.stream().map(Some)
}
