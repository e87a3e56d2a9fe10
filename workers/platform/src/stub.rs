//! A request that goes to another object as it came, and the object's answer as it is: nothing of either is read or
//! copied here.

use wasm_bindgen::prelude::*;
use worker::web_sys::{Request, Response};
use worker::{Result, Stub};

#[wasm_bindgen]
extern "C" {
    type RawStub;

    #[wasm_bindgen(method, catch)]
    async fn fetch(this: &RawStub, request: &Request) -> std::result::Result<JsValue, JsValue>;
}

/// Asks the object behind `stub`.
pub async fn pass_on(stub: Stub, request: &Request) -> Result<Response> {
    let answer = stub.into_rpc::<RawStub>().fetch(request).await?;
    Ok(answer.dyn_into::<Response>()?)
}
