//! The platform's WebSockets: one that this object dialled, and those it accepted and keeps while it hibernates.
//!
//! Calls go to the JavaScript objects directly: where the `worker` crate unwraps an exception, a socket that is gone
//! would reset the isolate. A buffer is copied before it is handed over, because the platform sends it later.

use futures::{Stream, StreamExt};
use js_sys::{Array, ArrayBuffer, Uint8Array};
use lake_host::{
    ATTACHMENT_BYTES_MAX, AcceptedSockets, BROKEN, HibernatableSocket, Socket, SocketError, SocketEvent, close_reason,
    sendable_close_code,
};
use wasm_bindgen::prelude::*;
use worker::{Request, State, Stub, WebSocket, WebSocketIncomingMessage, WebsocketEvent};

use crate::storage::describe;

#[wasm_bindgen]
extern "C" {
    #[derive(Clone, Debug)]
    type RawSocket;

    #[wasm_bindgen(method, getter, js_name = readyState)]
    fn ready_state(this: &RawSocket) -> u16;

    #[wasm_bindgen(method, setter, js_name = binaryType)]
    fn set_binary_type(this: &RawSocket, value: &str);

    #[wasm_bindgen(method, catch, js_name = send)]
    fn send_buffer(this: &RawSocket, message: &ArrayBuffer) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = send)]
    fn send_string(this: &RawSocket, message: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = close)]
    fn close_with(this: &RawSocket, code: u16, reason: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = close)]
    fn close_without_code(this: &RawSocket) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    fn serialize_attachment(this: &RawSocket, value: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    fn deserialize_attachment(this: &RawSocket) -> Result<JsValue, JsValue>;

    #[derive(Clone, Debug)]
    type RawState;

    #[wasm_bindgen(method, catch, js_name = acceptWebSocket)]
    fn accept_socket(this: &RawState, socket: &JsValue, tags: &Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = getWebSockets)]
    fn sockets_with_tag(this: &RawState, tag: &str) -> Result<Array, JsValue>;

    #[wasm_bindgen(method, catch, js_name = getTags)]
    fn tags_of(this: &RawState, socket: &RawSocket) -> Result<Array, JsValue>;
}

/// `WebSocket.OPEN`.
const OPEN: u16 = 1;

/// One end of a socket. Clones are the same end.
#[derive(Clone, Debug)]
pub struct WorkerSocket {
    raw: RawSocket,
}

impl From<&WebSocket> for WorkerSocket {
    fn from(socket: &WebSocket) -> WorkerSocket {
        WorkerSocket { raw: js_value(socket).unchecked_into() }
    }
}

fn js_value(socket: &WebSocket) -> JsValue {
    JsValue::from(socket.as_ref().clone())
}

fn closed(reason: &JsValue) -> SocketError {
    SocketError::Closed(describe(reason))
}

impl WorkerSocket {
    /// The platform takes messages for a socket that is closing and sends them nowhere.
    fn open(&self) -> Result<&RawSocket, SocketError> {
        match self.raw.ready_state() {
            OPEN => Ok(&self.raw),
            state => Err(SocketError::Closed(format!("it is in state {state}"))),
        }
    }
}

impl Socket for WorkerSocket {
    fn send(&self, message: &[u8]) -> Result<(), SocketError> {
        self.open()?.send_buffer(&Uint8Array::from(message).buffer()).map_err(|reason| closed(&reason))
    }

    fn send_text(&self, message: &str) -> Result<(), SocketError> {
        self.open()?.send_string(message).map_err(|reason| closed(&reason))
    }

    fn close(&self, code: u16, reason: &str) {
        let outcome = match sendable_close_code(code) {
            Some(code) => self.raw.close_with(code, close_reason(reason)),
            None => self.raw.close_without_code(),
        };
        if let Err(reason) = outcome {
            // It is closed, or broken, which comes as an event.
            worker::console_debug!("a socket did not close: {}", describe(&reason));
        }
    }
}

impl HibernatableSocket for WorkerSocket {
    fn attach(&self, bytes: &[u8]) -> Result<(), SocketError> {
        if bytes.len() > ATTACHMENT_BYTES_MAX {
            return Err(SocketError::AttachmentTooLarge(bytes.len()));
        }
        self.raw.serialize_attachment(&Uint8Array::from(bytes)).map_err(|reason| closed(&reason))
    }

    fn attached(&self) -> Option<Vec<u8>> {
        let value = self.raw.deserialize_attachment().ok()?;
        value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
    }
}

/// A socket that this object dialled. It keeps the object in memory while it is open.
#[derive(Debug)]
pub struct DialledSocket {
    socket: WebSocket,
}

impl DialledSocket {
    /// Sends a request with `upgrade: websocket`; `None` if the other side does not accept.
    pub async fn dial(stub: &Stub, request: Request) -> worker::Result<Option<DialledSocket>> {
        let response = stub.fetch_with_request(request).await?;
        Ok(response.websocket().map(|socket| DialledSocket { socket }))
    }

    /// The end to send on, which works as soon as [`DialledSocket::events`] was called.
    pub fn socket(&self) -> WorkerSocket {
        WorkerSocket::from(&self.socket)
    }

    /// Opens it. The stream ends after a [`SocketEvent::Closed`]; one that is dropped leaves the socket as it is.
    pub fn events(&self) -> worker::Result<impl Stream<Item = SocketEvent> + '_> {
        // By itself the platform gives blobs, whose bytes are a promise away.
        self.socket().raw.set_binary_type("arraybuffer");
        // Before the socket is accepted: what arrives first has to find its listener.
        let events = self.socket.events()?;
        self.socket.accept()?;
        let mut is_broken = false;
        Ok(events.map(event_of).take_while(move |event| {
            let goes_on = !is_broken;
            is_broken |= matches!(event, SocketEvent::Closed { .. });
            futures::future::ready(goes_on)
        }))
    }
}

fn event_of(event: worker::Result<WebsocketEvent>) -> SocketEvent {
    match event {
        Ok(WebsocketEvent::Message(message)) => match message.text() {
            Some(text) => SocketEvent::Text(text),
            None => SocketEvent::Binary(message.bytes().unwrap_or_default()),
        },
        Ok(WebsocketEvent::Close(close)) => SocketEvent::Closed { code: close.code(), reason: close.reason() },
        Err(reason) => SocketEvent::Closed { code: BROKEN, reason: reason.to_string() },
    }
}

/// A message as an accepted socket's object gets it.
pub fn message_event(message: WebSocketIncomingMessage) -> SocketEvent {
    match message {
        WebSocketIncomingMessage::Binary(bytes) => SocketEvent::Binary(bytes),
        WebSocketIncomingMessage::String(text) => SocketEvent::Text(text),
    }
}

/// A close as an accepted socket's object gets it.
pub fn close_event(code: usize, reason: String) -> SocketEvent {
    SocketEvent::Closed { code: u16::try_from(code).unwrap_or(BROKEN), reason }
}

/// The sockets that an object accepted. Clones are the same.
#[derive(Clone, Debug)]
pub struct WorkerSockets {
    raw: RawState,
}

impl WorkerSockets {
    /// Those of the object with this state.
    pub fn new(state: &State) -> WorkerSockets {
        WorkerSockets { raw: JsValue::from(state.as_raw()).unchecked_into() }
    }

    /// Accepts the server's end of a pair, so that it outlives this instance.
    pub fn accept(&self, socket: &WebSocket, tag: &str) -> Result<WorkerSocket, SocketError> {
        self.raw.accept_socket(&js_value(socket), &Array::of1(&tag.into())).map_err(|reason| closed(&reason))?;
        Ok(WorkerSocket::from(socket))
    }

    /// The tag that a socket was accepted under.
    pub fn tag(&self, socket: &WorkerSocket) -> Option<String> {
        self.raw.tags_of(&socket.raw).ok()?.get(0).as_string()
    }
}

impl AcceptedSockets for WorkerSockets {
    type Socket = WorkerSocket;

    fn with_tag(&self, tag: &str) -> Vec<WorkerSocket> {
        // A tag that cannot be one was given to no socket.
        let sockets = self.raw.sockets_with_tag(tag).unwrap_or_default();
        sockets.iter().map(|socket| WorkerSocket { raw: socket.unchecked_into() }).collect()
    }
}
