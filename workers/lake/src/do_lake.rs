//! The Durable Object of the lake: sockets of producers and subscribers, views for queries, flushes.
//!
//! Every event goes to the core, which has stored what it accepts when it returns; then the frames it wants sent are
//! sent, subscribers are fed, and a flush is started if one is due. What a socket is about lies in its attachment, so
//! the object can hibernate between events. After an error of storage the core is dropped and the sockets are closed:
//! producers and subscribers come back and go on where they were.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use lake_api::scope::{Access, Action};
use lake_api::token::{Claims, claims_from_json, claims_to_json};
use lake_api::{ApiError, ErrorCode};
use lake_cdc::ViewRequest;
use lake_dolake::{Connection, FlushError, Lake, LakeError, Subscriber, ViewAnswer};
use lake_host::{AcceptedSockets, CLOSED_WITHOUT_CODE, Clock, HibernatableSocket, Random, Socket};
use lake_platform::http;
use lake_platform::{DurableStorage, WorkerClock, WorkerRandom, WorkerSocket, WorkerSockets, memory};
use serde::{Deserialize, Serialize};
use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    console_error, durable_object,
};

use crate::auth::SUBPROTOCOL;
use crate::front::{CLAIMS, Flushed};
use crate::limits::{READ_WAIT_MS, VIEW_WAIT_MS};
use crate::ports::WorkerPorts;

/// Tag of sockets on `/v1/changes`.
const PRODUCER: &str = "producer";
/// Tag of sockets on `/v1/subscribe`.
const SUBSCRIBER: &str = "subscriber";

/// What lies in a subscriber's socket.
#[derive(Serialize, Deserialize)]
struct SubscriberSocket {
    /// Of its token; without scopes once it has subscribed, as an attachment has no room for both.
    claims: String,
    subscriber: Option<Subscriber>,
}

/// The lake.
#[durable_object]
pub struct DoLake {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    env: Env,
    lake: RefCell<Option<(DurableStorage, Rc<Lake<DurableStorage>>)>>,
    /// Readers that got the last snapshot because a commit took too long.
    late_reads: Cell<u64>,
}

impl DurableObject for DoLake {
    fn new(state: State, env: Env) -> Self {
        Self { inner: Rc::new(Inner { state, env, lake: RefCell::new(None), late_reads: Cell::new(0) }) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let id = http::request_id(&request, &WorkerRandom)?;
        let inner = &self.inner;
        match request.path().as_str() {
            "/changes" => inner.accept(PRODUCER, &Connection::default(), &request),
            "/subscribe" => match inner.subscriber(&request)? {
                Ok(socket) => inner.accept(SUBSCRIBER, &socket, &request),
                Err(reason) => http::error(&reason, &id),
            },
            "/view" => {
                let body = request.bytes().await?;
                match Inner::view(inner, &body).await {
                    Ok(view) => Response::from_bytes(view),
                    Err(reason) => http::error(&reason, &id),
                }
            }
            "/flush" => http::json(serde_json::to_string(&Inner::flush_for_reader(inner).await)?, 200, &id),
            "/status" => http::answer(inner.status(), &id),
            "/databases" => http::answer(inner.databases(), &id),
            path => {
                let reason = ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}"));
                http::error(&reason, &id)
            }
        }
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let inner = &self.inner;
        let socket = WorkerSocket::from(&socket);
        let outcome = match (inner.is_producer(&socket), message) {
            (true, WebSocketIncomingMessage::Binary(bytes)) => inner.receive(&socket, &bytes),
            (true, WebSocketIncomingMessage::String(_)) => close(&socket, 1003, "binary messages only"),
            (false, WebSocketIncomingMessage::String(text)) => inner.subscriber_message(&socket, &text),
            (false, WebSocketIncomingMessage::Binary(_)) => close(&socket, 1003, "text messages only"),
        };
        if let Err(reason) = outcome {
            inner.give_up(&reason);
        }
        Inner::settle(inner);
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, reason: String, _was_clean: bool) -> Result<()> {
        let socket = WorkerSocket::from(&socket);
        self.inner.forget(&socket);
        // The peer closed; closing our end frees the socket.
        socket.close(u16::try_from(code).unwrap_or(CLOSED_WITHOUT_CODE), &reason);
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, reason: worker::Error) -> Result<()> {
        console_error!("a socket broke: {reason}");
        self.inner.forget(&WorkerSocket::from(&socket));
        Ok(())
    }

    async fn alarm(&self) -> Result<Response> {
        let inner = &self.inner;
        // The platform calls again after an error; without one this would have been the last alarm.
        let storage = inner.storage().map_err(|reason| worker::Error::RustError(reason.message))?;
        storage.alarm_fired().map_err(|reason| worker::Error::RustError(reason.to_string()))?;
        Inner::settle(inner);
        if inner.lake.borrow().is_none() {
            return Err(worker::Error::RustError("the lake's storage failed".to_owned()));
        }
        Response::empty()
    }
}

fn now() -> i64 {
    WorkerClock.now_micros()
}

/// Why a subscription ends whose token is not valid any more.
const EXPIRED: &str = "the token has expired";

fn close(socket: &WorkerSocket, code: u16, reason: &str) -> std::result::Result<(), LakeError> {
    socket.close(code, reason);
    Ok(())
}

/// An attachment as JSON text: the value survives hibernation whatever the crate's own encoding becomes.
fn attach(socket: &WorkerSocket, value: &impl Serialize) {
    let stored = serde_json::to_vec(value)
        .map_err(|reason| reason.to_string())
        .and_then(|text| socket.attach(&text).map_err(|reason| reason.to_string()));
    if let Err(reason) = stored {
        console_error!("a socket cannot be remembered: {reason}");
        socket.close(1011, "internal error");
    }
}

fn attached<T: serde::de::DeserializeOwned>(socket: &WorkerSocket) -> Option<T> {
    serde_json::from_slice(&socket.attached()?).ok()
}

fn unavailable(reason: &LakeError) -> ApiError {
    console_error!("the lake: {reason}");
    ApiError::new(ErrorCode::Unavailable, "the lake's storage cannot be used")
}

impl Inner {
    fn open(&self) -> std::result::Result<(DurableStorage, Rc<Lake<DurableStorage>>), LakeError> {
        let mut held = self.lake.borrow_mut();
        if let Some(open) = held.as_ref() {
            return Ok(open.clone());
        }
        let storage = DurableStorage::open(&self.state)?;
        let mut key = [0; 16];
        WorkerRandom.fill(&mut key);
        let key = u128::from_be_bytes(key);
        let lake = Lake::open(storage.clone(), [(key >> 64) as u64, key as u64])?;
        Ok(held.insert((storage, Rc::new(lake))).clone())
    }

    fn lake(&self) -> std::result::Result<Rc<Lake<DurableStorage>>, LakeError> {
        self.open().map(|(_, lake)| lake)
    }

    fn storage(&self) -> std::result::Result<DurableStorage, ApiError> {
        self.open().map(|(storage, _)| storage).map_err(|reason| unavailable(&reason))
    }

    /// What is stored is unknown: forget what is in memory and let everybody come again.
    fn give_up(&self, reason: &LakeError) {
        console_error!("the lake starts again: {reason}");
        if let Some((_, lake)) = self.lake.borrow_mut().take() {
            // A flush of it may be under way and must not write over what the next instance stores.
            lake.close();
        }
        for socket in [PRODUCER, SUBSCRIBER].iter().flat_map(|tag| self.sockets(tag)) {
            socket.close(1012, "restarting");
        }
    }

    fn accept(&self, tag: &str, attachment: &impl Serialize, request: &Request) -> Result<Response> {
        let pair = WebSocketPair::new()?;
        let sockets = WorkerSockets::new(&self.state);
        let socket =
            sockets.accept(&pair.server, tag).map_err(|reason| worker::Error::RustError(reason.to_string()))?;
        attach(&socket, attachment);
        let mut response = Response::from_websocket(pair.client)?;
        let offered = request.headers().get("sec-websocket-protocol")?.unwrap_or_default();
        if offered.split(',').any(|name| name.trim() == SUBPROTOCOL) {
            response.headers_mut().set("sec-websocket-protocol", SUBPROTOCOL)?;
        }
        Ok(response)
    }

    fn subscriber(&self, request: &Request) -> Result<std::result::Result<SubscriberSocket, ApiError>> {
        let claims = request.headers().get(CLAIMS)?.unwrap_or_default();
        Ok(match claims_from_json(&claims) {
            Ok(claims) => Ok(SubscriberSocket { claims: claims_to_json(&claims), subscriber: None }),
            Err(reason) => Err(ApiError::new(ErrorCode::Unauthorized, reason.to_string())),
        })
    }

    fn sockets(&self, tag: &str) -> Vec<WorkerSocket> {
        WorkerSockets::new(&self.state).with_tag(tag)
    }

    fn is_producer(&self, socket: &WorkerSocket) -> bool {
        WorkerSockets::new(&self.state).tag(socket).as_deref() == Some(PRODUCER)
    }

    fn receive(&self, socket: &WorkerSocket, message: &[u8]) -> std::result::Result<(), LakeError> {
        let Some(mut connection) = attached::<Connection>(socket) else {
            return close(socket, 1011, "the socket is not known");
        };
        let received = self.lake()?.receive(&mut connection, message, now())?;
        attach(socket, &connection);
        for reply in received.replies {
            self.send(socket, &reply.encode());
        }
        if let Some((code, reason)) = received.close {
            close(socket, code, &reason)?;
        }
        if received.tail_grew {
            self.feed_all()?;
        }
        Ok(())
    }

    /// A socket is gone: the rest of an unfinished transaction will not come over it.
    fn forget(&self, socket: &WorkerSocket) {
        let held = self.lake.borrow();
        if let (true, Some((_, lake)), Some(connection)) =
            (self.is_producer(socket), held.as_ref(), attached::<Connection>(socket))
        {
            lake.forget(&connection);
        }
    }

    fn send(&self, socket: &WorkerSocket, message: &[u8]) {
        // Who is gone comes back and says what it has.
        if let Err(reason) = socket.send(message) {
            console_error!("a producer is gone: {reason}");
        }
    }

    fn subscriber_message(&self, socket: &WorkerSocket, text: &str) -> std::result::Result<(), LakeError> {
        let Some(mut held) = attached::<SubscriberSocket>(socket) else {
            return close(socket, 1011, "the socket is not known");
        };
        let Ok(claims) = claims_from_json(&held.claims) else {
            return close(socket, 1008, "the token is not known");
        };
        if claims.has_expired(now()) {
            return close(socket, 1008, EXPIRED);
        }
        let may_read = |namespace: &str, table: Option<&str>| match table {
            Some(table) => claims.may(Action::Table(namespace, table, Access::Read)),
            None => claims.may(Action::Namespace(namespace, Access::Read)),
        };
        let reply = self.lake()?.subscriber_message(&mut held.subscriber, text, may_read, now())?;
        if held.subscriber.is_some() {
            // What it may read is decided; from here on only the token's end counts.
            held.claims = claims_to_json(&Claims { subject: String::new(), scopes: Vec::new(), ..claims });
        }
        self.answer_subscriber(socket, &held, reply)
    }

    fn feed_all(&self) -> std::result::Result<(), LakeError> {
        let lake = self.lake()?;
        for socket in self.sockets(SUBSCRIBER) {
            let Some(mut held) = attached::<SubscriberSocket>(&socket) else { continue };
            if !claims_from_json(&held.claims).is_ok_and(|claims| !claims.has_expired(now())) {
                close(&socket, 1008, EXPIRED)?;
                continue;
            }
            let Some(subscriber) = held.subscriber.as_mut() else { continue };
            let reply = lake.feed(subscriber, now())?;
            self.answer_subscriber(&socket, &held, reply)?;
        }
        Ok(())
    }

    fn answer_subscriber(
        &self,
        socket: &WorkerSocket,
        held: &SubscriberSocket,
        reply: lake_dolake::SubscriberReply,
    ) -> std::result::Result<(), LakeError> {
        attach(socket, held);
        for message in reply.messages {
            // Its state is past what was not sent: the stream ends here, and it comes back with its cursor.
            if let Err(reason) = socket.send_text(&message) {
                console_error!("a subscriber is gone: {reason}");
                return close(socket, 1011, "a message could not be sent");
            }
        }
        match reply.close {
            Some((code, reason)) => close(socket, code, &reason),
            None => Ok(()),
        }
    }

    /// After every event: tells producers what became durable, starts a flush if one is due.
    fn settle(inner: &Rc<Inner>) {
        let Ok(lake) = inner.lake() else { return };
        inner.deliver(&lake);
        match lake.after_event(now()) {
            Ok(false) => {}
            Ok(true) => {
                let task = Rc::clone(inner);
                inner.state.wait_until(async move {
                    // The failure is counted in the status, and the next flush tries again.
                    if let Err(reason) = Inner::flush(&task).await {
                        console_error!("flush: {reason}");
                    }
                });
            }
            Err(reason) => inner.give_up(&reason),
        }
    }

    fn deliver(&self, lake: &Lake<DurableStorage>) {
        let notices = lake.take_notices();
        if notices.is_empty() {
            return;
        }
        for socket in self.sockets(PRODUCER) {
            let Some(connection) = attached::<Connection>(&socket) else { continue };
            for notice in notices.iter().filter(|notice| connection.wants(notice)) {
                self.send(&socket, &notice.frame.encode());
            }
        }
    }

    async fn flush(inner: &Rc<Inner>) -> std::result::Result<(), String> {
        let ports = WorkerPorts::new(&inner.env).map_err(|reason| reason.to_string())?;
        let lake = inner.lake().map_err(|reason| reason.to_string())?;
        let outcome = lake.flush(&ports).await;
        // A flush that outlived its instance says nothing about the one that followed.
        let is_present = || inner.lake.borrow().as_ref().is_some_and(|(_, held)| Rc::ptr_eq(held, &lake));
        if let (Err(FlushError::Lake(reason)), true) = (&outcome, is_present()) {
            inner.give_up(reason);
        }
        inner.deliver(&lake);
        if let (Err(reason), true) = (lake.after_flush(now()), is_present()) {
            inner.give_up(&reason);
        }
        outcome.map(|_| ()).map_err(|reason| reason.to_string())
    }

    /// Commit on read: waits for the commit a while, and goes on without it then.
    async fn flush_for_reader(inner: &Rc<Inner>) -> Flushed {
        let task = Rc::clone(inner);
        let (sender, done) = futures::channel::oneshot::channel();
        inner.state.wait_until(async move {
            // The reader may have stopped waiting.
            let _sent = sender.send(Inner::flush(&task).await);
        });
        let late = worker::Delay::from(Duration::from_millis(READ_WAIT_MS));
        pin_mut!(late);
        match select(done, late).await {
            Either::Left((Ok(Ok(())), _)) => Flushed { committed: true },
            Either::Left((Ok(Err(reason)), _)) => {
                console_error!("commit on read: {reason}");
                Flushed { committed: false }
            }
            Either::Left((Err(_), _)) | Either::Right(_) => {
                inner.late_reads.set(inner.late_reads.get() + 1);
                Flushed { committed: false }
            }
        }
    }

    async fn view(inner: &Rc<Inner>, body: &[u8]) -> std::result::Result<Vec<u8>, ApiError> {
        let request = ViewRequest::decode(body)
            .map_err(|reason| ApiError::new(ErrorCode::Invalid, format!("the request for a view: {reason}")))?;
        let lake = inner.lake().map_err(|reason| unavailable(&reason))?;
        let late = worker::Delay::from(Duration::from_millis(VIEW_WAIT_MS));
        let mut answer = lake.view_after(&request, late).await.map_err(|reason| unavailable(&reason))?;
        if matches!(answer, ViewAnswer::NeedsFlush) {
            Inner::flush(inner).await.map_err(|reason| {
                console_error!("flush before a view: {reason}");
                ApiError::new(ErrorCode::Unavailable, "the tail must be committed before it can be read")
            })?;
            answer = lake.view(&request).map_err(|reason| unavailable(&reason))?;
        }
        match answer {
            ViewAnswer::Ready(view) => Ok(view.encode()),
            ViewAnswer::NeedsFlush => {
                Err(ApiError::new(ErrorCode::Unavailable, "the tail grows faster than it is committed"))
            }
            ViewAnswer::Behind(accepted) => {
                let at = accepted.map_or("nothing".to_owned(), |lsn| format!("lsn {lsn}"));
                Err(ApiError::new(ErrorCode::NotYet, format!("the lake has {at} of that database")).hint("ask again"))
            }
        }
    }

    fn status(&self) -> std::result::Result<String, ApiError> {
        let (storage, lake) = self.open().map_err(|reason| unavailable(&reason))?;
        let mut status = lake.status().map_err(|reason| unavailable(&reason))?;
        let counts = storage.counts();
        if let Some(fields) = status.as_object_mut() {
            fields.insert("lateReads".to_owned(), self.late_reads.get().into());
            fields.insert("memoryBytes".to_owned(), memory::linear_bytes().into());
            let counts = serde_json::json!({
                "rowsRead": counts.rows_read,
                "rowsWritten": counts.rows_written,
                "batches": counts.batches,
            });
            fields.insert("storage".to_owned(), counts);
        }
        Ok(status.to_string())
    }

    fn databases(&self) -> std::result::Result<String, ApiError> {
        let lake = self.lake().map_err(|reason| unavailable(&reason))?;
        let status = lake.status().map_err(|reason| unavailable(&reason))?;
        let shards = status["shards"].as_array().map(Vec::as_slice).unwrap_or_default();
        let living = shards.iter().filter(|shard| shard["ended"] == false);
        let databases =
            living.map(|shard| serde_json::json!({"name": shard["database"], "namespace": shard["namespace"]}));
        Ok(serde_json::json!({"databases": databases.collect::<Vec<_>>()}).to_string())
    }
}
