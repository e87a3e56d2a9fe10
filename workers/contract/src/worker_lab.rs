//! The lab on the platform: objects are Durable Objects, orders are requests, and the test outside evicts.

use std::time::Duration;

use lake_test_host::contract::{Answer, Lab, Order};
use worker::{Env, Error, Method, Request, RequestInit};

/// The objects of the binding `DRIVEN`.
pub(crate) struct WorkerLab {
    env: Env,
}

/// What a pause waits.
const PAUSE: Duration = Duration::from_millis(5);

impl WorkerLab {
    /// The objects of this script.
    pub(crate) fn new(env: Env) -> WorkerLab {
        WorkerLab { env }
    }

    async fn request(&self, object: &str, order: &Order) -> worker::Result<Result<Answer, String>> {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(serde_json::to_string(order)?.into()));
        let request = Request::new_with_init("http://contract.internal/", &init)?;
        let mut response = self.env.durable_object("DRIVEN")?.get_by_name(object)?.fetch_with_request(request).await?;
        let text = response.text().await?;
        serde_json::from_str(&text).map_err(|_| Error::RustError(format!("{object} answered {text}")))
    }

    async fn request_eviction(&self, object: &str) -> worker::Result<String> {
        let url = format!("http://contract.internal/evict?{}", object.replace(' ', "+"));
        let mut response = self.env.service("OUTSIDE")?.fetch(url, None).await?;
        response.text().await
    }
}

impl Lab for WorkerLab {
    async fn order(&self, object: &str, order: Order) -> Result<Answer, String> {
        self.request(object, &order).await.map_err(|reason| reason.to_string())?
    }

    async fn evict(&self, object: &str) -> Result<(), String> {
        match self.request_eviction(object).await {
            Ok(text) if text == "evicted" => Ok(()),
            Ok(text) => Err(format!("{object} was not evicted: {text}")),
            Err(reason) => Err(format!("{object} was not evicted: {reason}")),
        }
    }

    async fn pause(&self) {
        worker::Delay::from(PAUSE).await;
    }
}
