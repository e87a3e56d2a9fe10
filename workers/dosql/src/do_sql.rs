//! The Durable Object of one database: passes requests to the shard and carries its outbox to the lake.
//!
//! The object's storage and the shard are synchronous, so between reading a request's body and answering nothing else
//! of this object runs. The outgoing socket lives in a task of its own that ends when the outbox closes it, whether or
//! not the peer answers the close: a peer that is gone never does.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::{StreamExt, pin_mut};
use lake_api::token::claims_from_json;
use lake_api::{ApiError, ErrorCode};
use lake_cdc::{Micros, TimelineId};
use lake_dosql::{OutboxStep, Shard};
use lake_host::{Clock, Random};
use lake_platform::http::{self, REQUEST_ID};
use lake_platform::{DurableStorage, WorkerClock, WorkerRandom, memory};
use worker::{
    DurableObject, Env, Headers, Request, RequestInit, Response, Result, State, WebSocket, WebsocketEvent,
    console_error, durable_object,
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
    socket: RefCell<Option<WebSocket>>,
    /// Ends the socket's task. Held from the dial until that task is over.
    task: RefCell<SocketTask>,
}

/// The one task that dials and reads the socket to the lake.
#[derive(Default)]
enum SocketTask {
    /// There is none.
    #[default]
    None,
    /// It runs until the socket's end, or until it is told.
    Running(oneshot::Sender<()>),
    /// It was told to end and has not yet.
    Ending,
}

impl DurableObject for DoSql {
    fn new(state: State, env: Env) -> Self {
        let inner =
            Inner { state, env, shard: RefCell::new(None), socket: RefCell::new(None), task: RefCell::default() };
        Self { inner: Rc::new(inner) }
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
        let body = match http::body(&mut request).await? {
            Ok(body) => body,
            Err(reason) => return http::error(&reason, &id),
        };
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
        let steps = self.inner.with_shard(&database, |shard| shard.on_alarm(now()).map_err(Into::into));
        let steps = steps.map_err(|reason| worker::Error::RustError(format!("{database}: {}", reason.message)))?;
        Inner::carry_out(&self.inner, &database, steps);
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
                OutboxStep::Connect => Inner::connect(inner, database),
                OutboxStep::Send(message) => inner.send(&message),
                OutboxStep::Close => inner.close(),
                OutboxStep::WakeIn { millis } => Inner::wake_in(inner, database, millis),
            }
        }
    }

    fn send(&self, message: &[u8]) {
        let failed = match self.socket.borrow().as_ref() {
            Some(socket) => socket.send_with_bytes(message).err(),
            None => None,
        };
        if let Some(reason) = failed {
            // The stream's end tells the outbox; what was not acknowledged is sent again on the next socket.
            console_error!("the socket to the lake failed: {reason}");
            self.close();
        }
    }

    fn close(&self) {
        if let Some(socket) = self.socket.borrow_mut().take()
            && let Err(reason) = socket.close(Some(1000), Some("idle"))
        {
            console_error!("the socket to the lake did not close: {reason}");
        }
        let mut task = self.task.borrow_mut();
        if matches!(*task, SocketTask::Running(_))
            && let SocketTask::Running(end) = std::mem::replace(&mut *task, SocketTask::Ending)
        {
            // It fails if the task is just ending by itself.
            let _ = end.send(());
        }
    }

    fn connect(inner: &Rc<Inner>, database: &str) {
        if !matches!(*inner.task.borrow(), SocketTask::None) {
            // The outbox gave the running one up, a dial that never came back for instance. Its end is told to the
            // outbox, which dials then.
            return inner.close();
        }
        let (end, ended) = oneshot::channel();
        *inner.task.borrow_mut() = SocketTask::Running(end);
        let task = Rc::clone(inner);
        let database = database.to_owned();
        inner.state.wait_until(async move {
            {
                let run = task.run_socket(&database, &task);
                pin_mut!(run);
                if let Either::Right((Err(reason), _)) = select(ended, run).await {
                    console_error!("{database}: the lake cannot be reached: {reason}");
                }
            }
            *task.task.borrow_mut() = SocketTask::None;
            task.socket.borrow_mut().take();
            Inner::carry(&task, &database, |shard| shard.on_closed(now()));
        });
    }

    async fn run_socket(&self, database: &str, inner: &Rc<Inner>) -> Result<()> {
        let headers = Headers::new();
        headers.set("upgrade", "websocket")?;
        headers.set(REQUEST_ID, &format!("{:032x}", u128::from_be_bytes(WorkerRandom.id())))?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let lake = self.env.durable_object("LAKE")?.get_by_name(&self.env.var("LAKE_NAME")?.to_string())?;
        let response = lake.fetch_with_request(Request::new_with_init("http://lake.internal/changes", &init)?).await?;
        let Some(socket) = response.websocket() else {
            return Err(worker::Error::RustError("the lake refused the socket".to_owned()));
        };
        let mut events = socket.events()?;
        socket.accept()?;
        *self.socket.borrow_mut() = Some(socket.clone());
        Inner::carry(inner, database, |shard| shard.on_open(now()));
        while let Some(event) = events.next().await {
            match event? {
                WebsocketEvent::Message(message) => {
                    let bytes = message.bytes().unwrap_or_default();
                    Inner::carry(inner, database, |shard| shard.on_message(&bytes, now()));
                }
                WebsocketEvent::Close(_) => break,
            }
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
