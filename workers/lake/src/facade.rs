//! The S3 facade over R2: `catalog::facade` verifies and decides, bytes go between the bucket and the client as a stream.

mod body;
mod bucket;

use std::collections::BTreeMap;

use bucket::R2Bucket;
use lake_catalog::VersionHint;
use lake_catalog::facade::{self, Action, FacadeError, FacadeRequest, FacadeResponse, Write, object};
use lake_host::{Clock, Random};
use lake_platform::{R2Store, WorkerClock, WorkerRandom, http};
use worker::{Env, Request, RequestInit, Response, ResponseBody, Result};

use crate::deployment::Deployment;
use crate::front::{catalog, flush};

/// Header in which S3 clients look for the id of a request.
const REQUEST_ID: &str = "x-amz-request-id";

/// A request as the facade reads it: method, query, header lines.
struct Asked {
    method: String,
    query: String,
    headers: BTreeMap<String, String>,
}

impl Asked {
    fn read(request: &Request) -> Result<Asked> {
        Ok(Asked {
            method: request.method().to_string(),
            query: query_of(request),
            headers: request.headers().entries().collect(),
        })
    }

    fn on<'a>(&'a self, path: &'a str) -> FacadeRequest<'a> {
        FacadeRequest { method: &self.method, path, query: &self.query, headers: &self.headers }
    }
}

/// The query as it was sent, without its `?`.
pub(crate) fn query_of(request: &Request) -> String {
    query_in(&request.inner().url()).to_owned()
}

/// The query of a URL, without its `?`.
pub(crate) fn query_in(url: &str) -> &str {
    url.split_once('?').map_or("", |(_, rest)| rest.split('#').next().unwrap_or_default())
}

/// True if a request with this header `authorization` and this query carries a storage signature.
pub(crate) fn is_signed(authorization: Option<&str>, query: &str) -> bool {
    let headers = authorization.map(|value| ("authorization".to_owned(), value.to_owned())).into_iter().collect();
    FacadeRequest { method: "", path: "/", query, headers: &headers }.is_signed()
}

/// True if the path is the bucket's or below it.
pub(crate) fn is_in_bucket(request: &Request, path: &str, env: &Env) -> Result<bool> {
    Ok(Asked::read(request)?.on(path).is_in(&Deployment::of(env)?.bucket))
}

/// Answers a storage request.
pub(crate) async fn serve(request: &mut Request, path: &str, env: &Env, id: &str) -> Result<Response> {
    let deployment = Deployment::of(env)?;
    let keys = match &deployment.keys {
        Ok(keys) => keys,
        Err(reason) => {
            worker::console_error!("{id} {}", reason.message);
            return whole(FacadeError::ServiceUnavailable.into_response(id), id);
        }
    };
    let asked = Asked::read(request)?;
    let outcome = match facade::plan(&asked.on(path), &deployment.bucket, keys, WorkerClock.now_micros()) {
        Ok(Action::Write(write)) => match change(&write, request, env).await? {
            Ok(response) => whole(response, id).map(Ok)?,
            Err(reason) => Err(reason),
        },
        Ok(action) => perform(action, env, id).await?,
        Err(reason) => Err(reason),
    };
    match outcome {
        Ok(response) => Ok(response),
        Err(reason) => {
            // A client that is still sending when the connection closes never sees why.
            http::read_away(request).await;
            whole(reason.into_response(id), id)
        }
    }
}

async fn change(
    write: &Write,
    request: &mut Request,
    env: &Env,
) -> Result<std::result::Result<FacadeResponse, FacadeError>> {
    let bucket = R2Bucket::new(env.bucket("R2")?);
    match write {
        Write::Store { key, target, body } => bucket.store(key, target, request, body).await,
        Write::Instruct { instruction, body } => {
            let instructions = match body {
                Some(spec) => match body::whole(request, spec).await? {
                    Ok((bytes, _)) => bytes,
                    Err(reason) => return Ok(Err(reason)),
                },
                None => Vec::new(),
            };
            Ok(facade::carry_out(instruction, &instructions, &bucket, WorkerRandom.id()).await)
        }
    }
}

async fn perform(action: Action, env: &Env, id: &str) -> Result<std::result::Result<Response, FacadeError>> {
    let store = R2Store::new(env.bucket("R2")?);
    let answered = match &action {
        Action::Get(read) => {
            let opened = match store.open(&read.key, read.range).await {
                Ok(Some(opened)) => opened,
                Ok(None) => return Ok(Err(FacadeError::NoSuchKey(read.key.clone()))),
                Err(reason) => return Ok(Err(reason.into())),
            };
            let head = match object::head_of(read, &opened.info) {
                Ok(head) => head,
                Err(reason) => return Ok(Err(reason)),
            };
            let body = if head.has_body() { opened.into_body()? } else { ResponseBody::Empty };
            return build(head.status, &head.headers, body, id).map(Ok);
        }
        Action::Head(_) | Action::List(_) | Action::Write(_) => facade::serve(&action, &store).await,
        Action::Hint { folder, .. } => {
            // Reading the hint is loading the table: first whatever the lake has not committed.
            let is_all = flush(env, id).await;
            let hint = hint(env, folder).await.map_err(|reason| {
                worker::console_error!("{id} version hint: {reason}");
                FacadeError::ServiceUnavailable
            });
            match hint.and_then(|hint| facade::answer_hint(&action, hint.as_ref())) {
                Err(FacadeError::NoSuchKey(_)) if !is_all => Err(FacadeError::ServiceUnavailable),
                answered => answered,
            }
        }
    };
    match answered {
        Ok(response) => whole(response, id).map(Ok),
        Err(reason) => Ok(Err(reason)),
    }
}

async fn hint(env: &Env, folder: &str) -> Result<Option<VersionHint>> {
    let mut init = RequestInit::new();
    init.with_method(worker::Method::Post).with_body(Some(folder.into()));
    let request = Request::new_with_init("http://lake.internal/internal/hint", &init)?;
    let mut answer = catalog(env)?.fetch_with_request(request).await?;
    let text = answer.text().await?;
    if answer.status_code() != 200 {
        return Err(worker::Error::RustError(text));
    }
    Ok(serde_json::from_str::<Option<(String, i64)>>(&text)?
        .map(|(text, modified_micros)| VersionHint { text, modified_micros }))
}

fn whole(answer: FacadeResponse, id: &str) -> Result<Response> {
    let body = if answer.body.is_empty() { ResponseBody::Empty } else { ResponseBody::Body(answer.body) };
    build(answer.status, &answer.headers, body, id)
}

fn build(status: u16, headers: &[(String, String)], body: ResponseBody, id: &str) -> Result<Response> {
    let mut response = Response::from_body(body)?.with_status(status);
    for (name, value) in headers {
        response.headers_mut().set(name, value)?;
    }
    response.headers_mut().set(REQUEST_ID, id)?;
    Ok(response)
}
