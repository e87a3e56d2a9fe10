//! Listing and loading namespaces.

use std::collections::BTreeSet;

use lake_api::scope::{Action, NAMESPACE_SEPARATOR};
use lake_api::token::Claims;
use lake_host::ShardStorage;
use serde_json::json;

use super::query::Query;
use super::route::{NamespaceRoute, display, namespace_of};
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::storage::namespace;

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_namespace(
        &self,
        route: &NamespaceRoute,
        query: &Query,
        caller: &Caller<'_>,
    ) -> Result<RestResponse, RestError> {
        match route {
            NamespaceRoute::List => self.list_namespaces(query, caller.claims),
            NamespaceRoute::Load(namespace) => self.load_namespace(namespace, caller.claims),
            NamespaceRoute::Exists(namespace) => {
                self.load_namespace(namespace, caller.claims).map(|_| RestResponse::no_content())
            }
        }
    }

    /// Those below `parent`, or at the top, of which the caller may know.
    fn list_namespaces(&self, query: &Query, claims: &Claims) -> Result<RestResponse, RestError> {
        let visible = namespace::names(&self.storage)?;
        let visible: Vec<String> = visible.into_iter().filter(|name| claims.may(Action::SeeNamespace(name))).collect();
        let parent = match query.find("parent").filter(|parent| !parent.is_empty()) {
            None => String::new(),
            Some(parent) => {
                let prefix = format!("{}{NAMESPACE_SEPARATOR}", namespace_of(parent)?);
                if !visible.iter().any(|name| name == parent || name.starts_with(&prefix)) {
                    return Err(RestError::NoSuchNamespace(display(parent)));
                }
                prefix
            }
        };
        // A level exists if something below it does.
        let children: BTreeSet<String> = visible
            .iter()
            .filter_map(|name| name.strip_prefix(&parent))
            .filter_map(|rest| rest.split(NAMESPACE_SEPARATOR).next())
            .map(|level| format!("{parent}{level}"))
            .collect();
        let (names, next) = query.page()?.cut(children.into_iter().collect());
        let levels = |name: &String| name.split(NAMESPACE_SEPARATOR).map(str::to_owned).collect::<Vec<String>>();
        let namespaces: Vec<Vec<String>> = names.iter().map(levels).collect();
        Ok(RestResponse::value(&json!({"namespaces": namespaces, "next-page-token": next})))
    }

    fn load_namespace(&self, name: &str, claims: &Claims) -> Result<RestResponse, RestError> {
        let namespace = self.must_see(name, claims)?;
        let levels: Vec<&str> = name.split(NAMESPACE_SEPARATOR).collect();
        Ok(RestResponse::value(&json!({"namespace": levels, "properties": namespace.properties})))
    }

    /// The namespace, if the caller may know of it.
    pub(super) fn must_see(&self, name: &str, claims: &Claims) -> Result<namespace::Namespace, RestError> {
        if !claims.may(Action::SeeNamespace(name)) {
            return Err(RestError::Forbidden(format!("The token has no scope in namespace {}", display(name))));
        }
        namespace::read(&self.storage, name)?.ok_or_else(|| RestError::NoSuchNamespace(display(name)))
    }
}
