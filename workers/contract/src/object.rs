//! The Durable Object that the cases of sockets and alarms drive: passes orders and events to the subject and dials.

use std::rc::Rc;

use futures::{StreamExt, pin_mut};
use lake_host::{BROKEN, Clock, Socket, SocketEvent};
use lake_platform::{
    DialledSocket, DurableStorage, WorkerClock, WorkerSocket, WorkerSockets, close_event, message_event,
};
use lake_test_host::contract::{Answer, Order, Subject};
use worker::{
    DurableObject, Env, Error, Headers, Request, RequestInit, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, console_error, durable_object,
};

type WorkerSubject = Subject<DurableStorage, WorkerSockets, WorkerSocket>;

/// One object of the lab.
#[durable_object]
pub struct Driven {
    state: State,
    env: Env,
    storage: std::result::Result<DurableStorage, String>,
    subject: std::result::Result<Rc<WorkerSubject>, String>,
}

/// Header of a dial that says under which tag the socket is accepted.
const TAG: &str = "x-tag";

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::RustError(reason.to_string())
}

impl DurableObject for Driven {
    fn new(state: State, env: Env) -> Self {
        let storage = DurableStorage::open(&state).map_err(|reason| reason.to_string());
        let subject = storage.clone().map(|storage| Rc::new(WorkerSubject::new(storage, WorkerSockets::new(&state))));
        Self { state, env, storage, subject }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if let Some(tag) = request.headers().get(TAG)? {
            return self.accept(&tag);
        }
        let order: Order = request.json().await?;
        let answer = match order {
            Order::Dial { to, tag } => self.dial(&to, &tag).await.map(|()| Answer::Dialled).map_err(|e| e.to_string()),
            order => self.subject().map_err(|e| e.to_string()).and_then(|s| s.obey(order, WorkerClock.now_micros())),
        };
        Response::from_json(&answer)
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        self.on_event(&socket, message_event(message))
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, reason: String, _was_clean: bool) -> Result<()> {
        self.on_event(&socket, close_event(code, reason))
    }

    async fn websocket_error(&self, socket: WebSocket, reason: Error) -> Result<()> {
        self.on_event(&socket, SocketEvent::Closed { code: BROKEN, reason: reason.to_string() })
    }

    async fn alarm(&self) -> Result<Response> {
        let storage = self.storage.as_ref().map_err(failed)?;
        storage.alarm_fired().map_err(failed)?;
        self.subject()?.on_alarm(WorkerClock.now_micros()).map_err(failed)?;
        Response::empty()
    }
}

impl Driven {
    fn subject(&self) -> Result<&Rc<WorkerSubject>> {
        self.subject.as_ref().map_err(failed)
    }

    fn accept(&self, tag: &str) -> Result<Response> {
        let pair = WebSocketPair::new()?;
        WorkerSockets::new(&self.state).accept(&pair.server, tag).map_err(failed)?;
        self.subject()?.on_accepted(tag);
        Response::from_websocket(pair.client)
    }

    async fn dial(&self, to: &str, tag: &str) -> Result<()> {
        let headers = Headers::new();
        headers.set("upgrade", "websocket")?;
        headers.set(TAG, tag)?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let stub = self.env.durable_object("DRIVEN")?.get_by_name(to)?;
        let request = Request::new_with_init("http://contract.internal/", &init)?;
        let Some(dialled) = DialledSocket::dial(&stub, request).await? else {
            return Err(failed("the socket was not accepted"));
        };
        let subject = Rc::clone(self.subject()?);
        let tag = tag.to_owned();
        let (opened, is_open) = futures::channel::oneshot::channel();
        self.state.wait_until(async move {
            let socket = dialled.socket();
            let events = match dialled.events() {
                Ok(events) => events,
                Err(reason) => return console_error!("the socket could not be opened: {reason}"),
            };
            subject.on_dialled(&tag, socket.clone());
            // Who dialled may have gone.
            let _sent = opened.send(());
            pin_mut!(events);
            while let Some(event) = events.next().await {
                subject.on_event(&tag, &socket, event);
            }
        });
        is_open.await.map_err(failed)
    }

    fn on_event(&self, socket: &WebSocket, event: SocketEvent) -> Result<()> {
        let socket = WorkerSocket::from(socket);
        let tag = WorkerSockets::new(&self.state).tag(&socket);
        let tag = tag.ok_or_else(|| failed("a socket has lost its tag"))?;
        let close = match &event {
            SocketEvent::Closed { code, reason } => Some((*code, reason.clone())),
            _ => None,
        };
        self.subject()?.on_event(&tag, &socket, event);
        if let Some((code, reason)) = close {
            // Where the platform has answered it by itself, this does nothing.
            socket.close(code, &reason);
        }
        Ok(())
    }
}
