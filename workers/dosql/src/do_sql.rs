//! The Durable Object of one database: passes requests to the shard and carries its outbox to the lake.
//!
//! The object's storage and the shard are synchronous, so between reading a request's body and answering nothing else
//! of this object runs. The outgoing socket lives in a task of its own; what becomes of the two is decided by
//! [`Line`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::{StreamExt, pin_mut};
use lake_api::token::claims_from_json;
use lake_api::{ApiError, ErrorCode};
use lake_cdc::{Micros, TimelineId};
use lake_dosql::{Line, LineEvent, LineStep, OutboxStep, Shard};
use lake_host::{BROKEN, Clock, Random, Socket, SocketEvent};
use lake_platform::http::{self, REQUEST_ID};
use lake_platform::{DialledSocket, DurableStorage, WorkerClock, WorkerRandom, WorkerSocket, memory};
use worker::{
    DurableObject, Env, Headers, Request, RequestInit, Response, Result, State, console_error, durable_object,
};

/// One database.
#[durable_object]
pub struct DoSql {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    env: Env,
    shard: RefCell<Option<(DurableStorage, Shard<DurableStorage>)>>,
    line: Cell<Line>,
    /// The open socket.
    socket: RefCell<Option<WorkerSocket>>,
    /// Ends the task that dials and reads the socket.
    stop: RefCell<Option<oneshot::Sender<()>>>,
}

impl DurableObject for DoSql {
    fn new(state: State, env: Env) -> Self {
        let (shard, socket, stop) = (RefCell::new(None), RefCell::new(None), RefCell::new(None));
        Self { inner: Rc::new(Inner { state, env, shard, line: Cell::default(), socket, stop }) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let id = http::request_id(&request, &WorkerRandom)?;
        let method = request.method();
        let path = request.path();
        let key = request.headers().get("idempotency-key")?;
        let Some(database) = request.headers().get("x-lake-database")? else {
            return http::error(&ApiError::new(ErrorCode::Invalid, "the request names no database"), &id);
        };
        // The front door has checked the token and wrote this header: it takes none from outside.
        let claims = claims_from_json(&request.headers().get("x-lake-claims")?.unwrap_or_default());
        let Some(access) = claims.ok().and_then(|claims| claims.database_access(&database)) else {
            return http::error(&ApiError::new(ErrorCode::Forbidden, "the token does not reach this database"), &id);
        };
        // The front door lets none through that is too large.
        let body = request.bytes().await?;
        let now = now();
        let outcome = self.inner.with_shard(&database, |shard| match (method, path.as_str()) {
            (worker::Method::Post, "/sql") => {
                let timeline = TimelineId(WorkerRandom.id());
                shard.sql(&body, key.as_deref(), access, timeline, now, seed()).map_err(Into::into)
            }
            (worker::Method::Put, "/") => shard.create(&body, TimelineId(WorkerRandom.id()), now).map_err(Into::into),
            (worker::Method::Delete, "/") => shard.delete(now).map_err(Into::into),
            (worker::Method::Get, "/") => shard.status_answer().map_err(Into::into).map(with_memory),
            _ => Err(ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}"))),
        });
        Inner::carry(&self.inner, &database, |shard| shard.after_request(now));
        http::answer(outcome, &id)
    }

    async fn alarm(&self) -> Result<Response> {
        let failed = |reason: String| worker::Error::RustError(format!("the alarm cannot be taken: {reason}"));
        let held = self.inner.shard.borrow().as_ref().map(|(storage, _)| storage.clone());
        let storage = match held {
            Some(storage) => storage,
            None => DurableStorage::open(&self.inner.state).map_err(|reason| failed(reason.to_string()))?,
        };
        // An alarm that fails is given again by the platform; one that only logs its failure would be the last.
        storage.alarm_fired().map_err(|reason| failed(reason.to_string()))?;
        let Some(database) = lake_dosql::database_in(&storage).map_err(|reason| failed(reason.to_string()))? else {
            // The database was wiped: nobody is waiting for anything.
            return Response::empty();
        };
        let broken = |reason: ApiError| worker::Error::RustError(format!("{database}: {}", reason.message));
        let (steps, outcome) = self.inner.with_shard(&database, |shard| Ok(shard.on_alarm(now()))).map_err(broken)?;
        Inner::carry_out(&self.inner, &database, steps);
        outcome.map_err(|reason| broken(reason.into()))?;
        Response::empty()
    }
}

fn now() -> Micros {
    Micros(WorkerClock.now_micros())
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    WorkerRandom.fill(&mut seed);
    seed
}

/// Adds the linear memory of this isolate, which all databases on it share.
fn with_memory(status: String) -> String {
    match status.strip_suffix('}') {
        Some(fields) => format!("{fields},\"memoryBytes\":{}}}", memory::linear_bytes()),
        None => status,
    }
}

impl Inner {
    fn with_shard<T>(
        &self,
        database: &str,
        act: impl FnOnce(&mut Shard<DurableStorage>) -> std::result::Result<T, ApiError>,
    ) -> std::result::Result<T, ApiError> {
        let mut held = self.shard.borrow_mut();
        if held.is_none() {
            let storage = DurableStorage::open(&self.state).map_err(|reason| {
                console_error!("{database}: the storage cannot be opened: {reason}");
                ApiError::new(ErrorCode::Unavailable, "the storage of the database cannot be opened")
            })?;
            let shard = Shard::open(storage.clone(), database, now(), seed()).map_err(|reason| {
                console_error!("{database}: {reason}");
                ApiError::new(ErrorCode::Unavailable, format!("the database cannot be opened: {reason}"))
            })?;
            *held = Some((storage, shard));
        }
        match held.as_mut() {
            Some((_, shard)) => act(shard),
            None => Err(ApiError::new(ErrorCode::Internal, "the shard is not open")),
        }
    }

    /// Lets the outbox decide and does what it says.
    fn carry(inner: &Rc<Inner>, database: &str, decide: impl FnOnce(&mut Shard<DurableStorage>) -> Vec<OutboxStep>) {
        match inner.with_shard(database, |shard| Ok(decide(shard))) {
            Ok(steps) => Inner::carry_out(inner, database, steps),
            Err(reason) => console_error!("{database}: {}", reason.message),
        }
    }

    fn carry_out(inner: &Rc<Inner>, database: &str, steps: Vec<OutboxStep>) {
        for step in steps {
            match step {
                OutboxStep::Connect => Inner::advance(inner, database, LineEvent::Connect),
                OutboxStep::Send(message) => Inner::send(inner, database, &message),
                OutboxStep::Close => Inner::advance(inner, database, LineEvent::Close),
                OutboxStep::WakeIn { millis } => Inner::wake_in(inner, database, millis),
            }
        }
    }

    fn send(inner: &Rc<Inner>, database: &str, message: &[u8]) {
        let failed = inner.socket.borrow().as_ref().and_then(|socket| socket.send(message).err());
        if let Some(reason) = failed {
            // What was not acknowledged is sent again on the next socket.
            console_error!("{database}: the socket to the lake failed: {reason}");
            Inner::advance(inner, database, LineEvent::Close);
        }
    }

    /// Lets the line decide and does what it says.
    fn advance(inner: &Rc<Inner>, database: &str, event: LineEvent) {
        let (line, steps) = inner.line.get().next(event);
        inner.line.set(line);
        for step in steps {
            match step {
                LineStep::Start => Inner::start(inner, database),
                LineStep::CloseSocket => inner.close_socket(),
                LineStep::Stop => {
                    let stop = inner.stop.borrow_mut().take();
                    // It fails if the task is just ending by itself.
                    let _ = stop.map(|stop| stop.send(()));
                }
                LineStep::TellOpen => Inner::carry(inner, database, |shard| shard.on_open(now())),
                LineStep::TellClosed => Inner::carry(inner, database, |shard| shard.on_closed(now())),
            }
        }
    }

    fn close_socket(&self) {
        let socket = self.socket.borrow_mut().take();
        if let Some(socket) = socket {
            socket.close(1000, "idle");
        }
    }

    fn start(inner: &Rc<Inner>, database: &str) {
        let (stop, stopped) = oneshot::channel();
        *inner.stop.borrow_mut() = Some(stop);
        let task = Rc::clone(inner);
        let database = database.to_owned();
        inner.state.wait_until(async move {
            {
                let run = Inner::run_socket(&task, &database);
                pin_mut!(run);
                if let Either::Right((Err(reason), _)) = select(stopped, run).await {
                    console_error!("{database}: the lake cannot be reached: {reason}");
                }
            }
            task.close_socket();
            Inner::advance(&task, &database, LineEvent::Ended);
        });
    }

    async fn run_socket(inner: &Rc<Inner>, database: &str) -> Result<()> {
        let headers = Headers::new();
        headers.set("upgrade", "websocket")?;
        headers.set(REQUEST_ID, &format!("{:032x}", u128::from_be_bytes(WorkerRandom.id())))?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let lake = inner.env.durable_object("LAKE")?.get_by_name(&inner.env.var("LAKE_NAME")?.to_string())?;
        let request = Request::new_with_init("http://lake.internal/changes", &init)?;
        let Some(dialled) = DialledSocket::dial(&lake, request).await? else {
            return Err(worker::Error::RustError("the lake refused the socket".to_owned()));
        };
        let events = dialled.events()?;
        pin_mut!(events);
        *inner.socket.borrow_mut() = Some(dialled.socket());
        Inner::advance(inner, database, LineEvent::Opened);
        while let Some(event) = events.next().await {
            let message = match event {
                SocketEvent::Binary(message) => message,
                // Refused like the empty message, which is no frame either.
                SocketEvent::Text(_) => Vec::new(),
                SocketEvent::Closed { code: BROKEN, reason } => {
                    return Err(worker::Error::RustError(format!("the socket broke: {reason}")));
                }
                SocketEvent::Closed { .. } => break,
            };
            Inner::carry(inner, database, |shard| shard.on_message(&message, now()));
        }
        Ok(())
    }

    fn wake_in(inner: &Rc<Inner>, database: &str, millis: u32) {
        let task = Rc::clone(inner);
        let database = database.to_owned();
        inner.state.wait_until(async move {
            worker::Delay::from(std::time::Duration::from_millis(u64::from(millis))).await;
            Inner::carry(&task, &database, |shard| shard.on_timer(now()));
        });
    }
}
