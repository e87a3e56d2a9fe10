//! The lake as a query sees it: one call for a view.

use lake_api::scope::{Access, Action};
use lake_api::token::Claims;
use lake_api::{ApiError, ErrorCode};
use lake_cdc::{View, ViewRequest};
use lake_platform::http::REQUEST_ID;
use lake_query::{Lake, LakeError};
use worker::{Env, Headers, Request, RequestInit, Result};

/// The lake's object, asked in the name of one caller.
pub(crate) struct LakeObject {
    env: Env,
    claims: Claims,
    request_id: String,
}

impl LakeObject {
    /// The lake of this deployment.
    pub(crate) fn new(env: Env, claims: Claims, request_id: &str) -> LakeObject {
        LakeObject { env, claims, request_id: request_id.to_owned() }
    }

    async fn ask(&self, request: &ViewRequest) -> Result<(u16, Vec<u8>)> {
        let headers = Headers::new();
        headers.set(REQUEST_ID, &self.request_id)?;
        let body = js_sys::Uint8Array::from(request.encode().as_slice());
        let mut init = RequestInit::new();
        init.with_method(worker::Method::Post).with_headers(headers).with_body(Some(body.into()));
        let lake = self.env.durable_object("LAKE")?.get_by_name(&self.env.var("LAKE_NAME")?.to_string())?;
        let asked = Request::new_with_init("http://lake.internal/view", &init)?;
        let mut response = lake.fetch_with_request(asked).await?;
        Ok((response.status_code(), response.bytes().await?))
    }
}

impl Lake for LakeObject {
    async fn view(&self, request: &ViewRequest) -> std::result::Result<View, LakeError> {
        let hidden =
            |(namespace, table): &&(String, String)| !self.claims.may(Action::Table(namespace, table, Access::Read));
        if let Some((namespace, table)) = request.tables.iter().find(hidden) {
            let message = format!("the token does not allow reading {namespace}.{table}");
            return Err(LakeError::Refused(ApiError::new(ErrorCode::Forbidden, message)));
        }
        match self.ask(request).await {
            Ok((200, bytes)) => View::decode(&bytes).map_err(|reason| LakeError::Unavailable(reason.to_string())),
            Ok((_, body)) => Err(LakeError::Refused(ApiError::from_json(&body))),
            Err(reason) => Err(LakeError::Unavailable(reason.to_string())),
        }
    }
}
